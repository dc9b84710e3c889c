"""What several services ask for in the same words: a clock, and what a store tells of an object.

Belongs here: ports that are the same everywhere. Does not: what one service alone asks (its own `ports`),
implementations (`gateways`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time; passed to whatever needs it, so that tests decide what time it is."""

    def now(self) -> datetime:
        """Return the present moment, aware and in UTC."""
        ...


class StoredObject(Protocol):
    """What a store tells about an object it holds; size in bytes, modified aware and in UTC."""

    @property
    def key(self) -> str:
        """The object's key."""
        ...

    @property
    def size(self) -> int:
        """Bytes as stored."""
        ...

    @property
    def etag(self) -> str:
        """The version of its bytes."""
        ...

    @property
    def modified(self) -> datetime:
        """When it was written."""
        ...
