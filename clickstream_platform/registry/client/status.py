"""What a client of the registry answers from, in words and numbers.

Belongs here: the noun. Does not: finding it out (`cached`), showing it (`doctor`, sensors, the exporter).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Where the snapshot came from."""

    API = "of the API"
    DISK = "on disk"
    COPY = "in the object store"
    NOWHERE = "of nowhere"


@dataclass(frozen=True, slots=True)
class ClientStatus:
    """A moment of one client."""

    url: str
    source: Source
    age_seconds: float | None
    """How long ago the registry confirmed the snapshot; None before there was one."""
    waiting: int
    """Announcements in the outbox."""
    trouble: str
    """Why the API did not answer when it was last asked; empty when it did."""

    @property
    def is_answering(self) -> bool:
        """Whether the API answered when it was last asked."""
        return not self.trouble

    def describe(self) -> str:
        """Say it in one line."""
        waiting = f"; {self.waiting:,} announcements wait for it" if self.waiting else ""
        age = "of unknown age" if self.age_seconds is None else f"confirmed {self.age_seconds:,.0f} s ago"
        if self.is_answering:
            return f"the registry's API answers; its snapshot was {age}{waiting}"
        return f"the registry's API does not answer, its snapshot {self.source} was {age}{waiting} ({self.trouble})"
