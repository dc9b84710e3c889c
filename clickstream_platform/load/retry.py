"""Trying again after errors that pass: growing pauses with jitter, a bounded number of times.

Belongs here: pauses. Does not: which errors pass (each warehouse's error table).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from clickstream_platform.errors import ObjectStoreUnavailableError, StatementStoppedError, WarehouseUnavailableError

T = TypeVar("T")
# Not StaleStagingError: the caller must stage again, so waiting here would be in vain.
_PASSING = (WarehouseUnavailableError, ObjectStoreUnavailableError)


@dataclass(frozen=True)
class RetryPolicy:
    """Up to `attempts` tries; before each but the first a random pause, whose bound doubles every time.

    A statement that was stopped gets one more try: it may have run for an hour each time.
    """

    attempts: int = 5
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = field(default=random.random)

    def call(self, action: Callable[[], T]) -> T:
        """Return what the action returns; raise its last error when every try met a passing one."""
        for attempt in range(self.attempts - 1):
            try:
                return action()
            except _PASSING as error:
                if isinstance(error, StatementStoppedError) and attempt:
                    raise
                # Full jitter: writers that collided once must not meet again at the same moment.
                longest = min(self.first_pause_seconds * 2**attempt, self.longest_pause_seconds)
                self.sleep(longest * self.jitter())
        return action()
