"""The address of the client when proxies are in between: only what trusted ones say counts.

Belongs here: reading X-Forwarded-For. Does not: where the address goes (`completing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from clickstream_platform.errors import ConfigurationError

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


class TrustedProxies:
    """The networks whose X-Forwarded-For is believed."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        """Take networks such as `10.0.0.0/8`; raise ConfigurationError for anything else."""
        try:
            self._networks: tuple[_Network, ...] = tuple(ip_network(text, strict=False) for text in networks)
        except ValueError as error:
            raise ConfigurationError(
                "reading the trusted proxies", cause=str(error), remedy="Give networks such as 10.0.0.0/8, with commas."
            ) from error

    def client_of(self, peer: str | None, forwarded_for: str) -> str | None:
        """Return the address of the client: the last that no trusted proxy has; None when the peer has none.

        Addresses further to the left were written by the client itself, who may write anything.
        """
        address = _parse(peer or "")
        for text in reversed(forwarded_for.split(",") if forwarded_for else ()):
            if address is None or not self._trusts(address):
                break
            further = _parse(text)
            if further is None:
                break
            address = further
        return None if address is None else str(address)

    def _trusts(self, address: _Address) -> bool:
        return any(address in network for network in self._networks if network.version == address.version)


def _parse(text: str) -> _Address | None:
    """Return an address that may stand in brackets or have a port, or None."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
