"""What is known of one stream when it is judged.

Belongs here: the nouns. Does not: finding them out (`watching`), the verdict (`judging`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.silence import Silence


@dataclass(frozen=True, slots=True)
class MissingHour:
    """An hour of which records arrived that the ledger does not have."""

    hour: Hour
    arrived_at: datetime
    """When the newest of its objects was written: a late object has a deadline of its own."""
    checked_at: datetime | None = None
    """When the ledger was asked for it last and did not have it; None: it never answered."""

    def due(self, deadline: timedelta) -> datetime:
        """Return when it must be loaded: so long after the hour's end, or after the object that came later."""
        return max(self.hour.end, self.arrived_at) + deadline


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A run that ended without loading something, and that nothing repeats by itself."""

    customer: str
    event: str | None
    """None: the run failed as a whole."""
    hour: Hour | None
    """None: which hours the run was for is not known."""
    failed_at: datetime
    error: str
    """The class of the error; never its text, which may quote a record."""
    run_id: str

    def is_about(self, stream: Stream, missing: MissingHour) -> bool:
        """Whether it is why an hour of a stream is missing.

        An object written after it may still be loaded, and so may anything that the ledger was not asked for since.
        """
        return (
            self.customer == stream.customer
            and self.event in (None, stream.event)
            and self.hour in (None, missing.hour)
            and self.failed_at >= missing.arrived_at
            and missing.checked_at is not None
            and missing.checked_at >= self.failed_at
        )


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """Everything that decides on one stream's status."""

    stream: Stream
    deadline: timedelta
    is_paused: bool = False
    missing: tuple[MissingHour, ...] = ()
    """Oldest first; where there are many, only some (see `gaps`)."""
    newest_loaded: Hour | None = None
    """The newest hour in the ledger before which nothing is missing, as far as hours are looked at."""
    newest_arrived: Hour | None = None
    """The newest hour with records; None when none ever arrived."""
    failures: tuple[LoadFailure, ...] = ()
    """Those of its customer."""
    silence: Silence | None = None
    """Where the newest due hours are empty: what the history says of that; None: they are not, or it was not asked."""
    more_missing: int = 0
    """How many further hours are missing."""
