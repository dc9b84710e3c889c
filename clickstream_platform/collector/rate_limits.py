"""How many events a customer may send: a token bucket each.

A request is taken while its customer's bucket is above zero and may overdraw it, so that a batch larger than the
bucket isn't refused for ever. Belongs here: that arithmetic. Does not: what a refusal looks like (`app`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

_KEPT_BUCKETS = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimits:
    """The buckets of all customers; `events_per_second` 0 is no limit, `burst_seconds` of it fit into a bucket."""

    def __init__(
        self, events_per_second: float, burst_seconds: float = 10.0, timer: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the default of customers that have no limit of their own."""
        self._default, self._burst_seconds, self._timer = events_per_second, burst_seconds, timer
        self._buckets: dict[str, _Bucket] = {}

    def take(self, customer: str, events: int, own_limit: float | None = None) -> float:
        """Take so many events from a customer's bucket; return 0, or the seconds until it may be tried again."""
        rate = self._default if own_limit is None else own_limit
        if rate <= 0:
            return 0.0
        now, full = self._timer(), max(rate * self._burst_seconds, 1.0)
        bucket = self._buckets.get(customer)
        if bucket is None:
            bucket = self._buckets[customer] = _Bucket(full, now)
            self._forget(now)
        bucket.tokens = min(full, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens <= 0:
            return max((1.0 - bucket.tokens) / rate, 0.001)
        bucket.tokens -= events
        return 0.0

    def _forget(self, now: float) -> None:
        """Drop the buckets that nobody used for the longest time; a new one is full, as theirs are by now."""
        if len(self._buckets) > _KEPT_BUCKETS:
            for customer in sorted(self._buckets, key=lambda name: self._buckets[name].at)[: _KEPT_BUCKETS // 10]:
                if now - self._buckets[customer].at > self._burst_seconds:
                    del self._buckets[customer]
