"""How a stream stands against its deadline: the words, and what is known with each of them.

Belongs here: the nouns. Does not: deciding (`pipeline.freshness.judging`), what was found on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream


class StreamStatus(StrEnum):
    """One word for a stream; `MEANINGS` says what it means."""

    FRESH = "fresh"
    LATE = "late"
    SILENT = "silent"
    NEVER_SEEN = "never_seen"
    BLOCKED = "blocked"

    @property
    def is_offence(self) -> bool:
        """Whether somebody should look at the stream."""
        return self in _OFFENCES


_OFFENCES = frozenset({StreamStatus.LATE, StreamStatus.SILENT, StreamStatus.BLOCKED})

MEANINGS: Mapping[StreamStatus, str] = MappingProxyType(
    {
        StreamStatus.FRESH: "All that arrived is in the table, or its deadline has not passed yet.",
        StreamStatus.LATE: "Records arrived and are not in the table, and their deadline has passed.",
        StreamStatus.SILENT: "All that arrived is in the table, but none arrives, and its history says some should.",
        StreamStatus.NEVER_SEEN: "No record of this event has ever arrived.",
        StreamStatus.BLOCKED: "Records arrived and can't be loaded until a person acts: "
        "the load fails, too many records are rejected, or the event is paused.",
    }
)


@dataclass(frozen=True, slots=True)
class StreamState:
    """One stream's status at one moment."""

    stream: Stream
    status: StreamStatus
    newest_loaded_hour: Hour | None
    """The newest hour up to which all that arrived is in the table; None when there is none."""
    deadline: datetime | None
    """The passed deadline that makes it late, silent or blocked; for any other status the next one to come."""
    lag_seconds: float | None
    """Age of the newest loaded hour, from its end; None when nothing was ever loaded."""
    reason: str = ""
    """Why, in a few words for people; never a value of a record."""
