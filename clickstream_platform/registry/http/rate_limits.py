"""How many requests one caller may make.

Belongs here: counting by token and by address. Does not: knowing callers (`authentication`), answering (`middleware`).

Counts are of this process and forgotten with it: the limits protect the service, they bill nobody.
"""

from __future__ import annotations

import ipaddress
import math

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.shared_ports import Clock

_IPV6_NETWORK_BITS = 64
"""One subscriber has so many addresses that they are counted as one."""


class RateLimits:
    """One limit, counted for each token and for each address without a valid token."""

    def __init__(self, limit: str, clock: Clock) -> None:
        """Take a limit such as `1200/minute`; raise ConfigurationError for anything else."""
        try:
            self._limit = parse(limit)
        except ValueError as error:
            raise ConfigurationError(
                "reading the rate limit of the registry's API",
                where=repr(limit),
                cause="it is no limit",
                remedy="Set CLICKSTREAM_REGISTRY_RATE_LIMIT, such as 1200/minute.",
            ) from error
        self._limiter, self._clock = SlidingWindowCounterRateLimiter(MemoryStorage()), clock

    def take(self, kind: str, who: str) -> bool:
        """Count one request; False when it is one too many."""
        return self._limiter.hit(self._limit, kind, who)

    def is_spent(self, kind: str, who: str) -> bool:
        """Whether the next request would be one too many."""
        return not self._limiter.test(self._limit, kind, who)

    def wait_seconds(self, kind: str, who: str) -> int:
        """Return after how many whole seconds trying again makes sense."""
        reset = self._limiter.get_window_stats(self._limit, kind, who).reset_time - self._clock.now().timestamp()
        return min(max(math.ceil(reset), 1), self._limit.get_expiry())


def address_of(client: object) -> str:
    """Return what an ASGI client is counted by: its IPv4 address, or the network of its IPv6 address."""
    host = client[0] if isinstance(client, list | tuple) and client else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if address.version == 6:
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((address, _IPV6_NETWORK_BITS), strict=False))
    return str(address)
