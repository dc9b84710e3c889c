"""A limit on failed logins, so that nobody can try tokens at leisure.

Belongs here: counting failures per address. Does not: the limit on requests as a whole (`registry.http`).
"""

from __future__ import annotations

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

FAILURES, WINDOW_MINUTES = 10, 5


class LoginGuard:
    """Counts the failed logins of each address in this process, and forgets them after five minutes."""

    def __init__(self) -> None:
        """Start with no failures."""
        self._limit = RateLimitItemPerMinute(FAILURES, WINDOW_MINUTES, namespace="login")
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def is_closed(self, address: str) -> bool:
        """Whether an address failed so often that not even a right token is taken from it now."""
        return not self._limiter.test(self._limit, address)

    def note_failure(self, address: str) -> None:
        """Count one failed login."""
        self._limiter.hit(self._limit, address)
