"""The hour: UTC, `[start, end)`, by arrival. One type parses and formats it for object keys and for Dagster.

Belongs here: arithmetic and the two written forms. Does not: the current time (`gateways.clock`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clickstream_platform.errors import InvalidNameError

_HOUR = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}", re.ASCII)
_PARTITION = re.compile(r"\d{4}-\d{2}-\d{2}-\d{2}:00", re.ASCII)
ONE_HOUR = timedelta(hours=1)


@dataclass(frozen=True, order=True, slots=True)
class Hour:
    """One UTC hour; ordered by time. `str()` gives the key form `2026-11-22T09`."""

    start: datetime

    def __post_init__(self) -> None:
        """Refuse a start that is not an aware UTC time on the hour."""
        start = self.start
        if start.tzinfo is not UTC or start.minute or start.second or start.microsecond:
            raise InvalidNameError(
                "reading an hour",
                cause=f"{start!r} is not a full UTC hour",
                remedy="Use Hour.of(time) to get its hour.",
            )

    @classmethod
    def of(cls, time: datetime) -> Hour:
        """Return the hour that holds an aware `time`."""
        if time.tzinfo is None:
            raise InvalidNameError(
                "reading an hour", cause=f"{time!r} has no time zone", remedy="Give the time its zone first."
            )
        return cls(time.astimezone(UTC).replace(minute=0, second=0, microsecond=0))

    @classmethod
    def parse(cls, text: str) -> Hour:
        """Parse the key form `2026-11-22T09`; raise InvalidNameError for anything else."""
        return cls(_parse(text, _HOUR, "%Y-%m-%dT%H", "2026-11-22T09"))

    @classmethod
    def from_partition_key(cls, text: str) -> Hour:
        """Parse Dagster's hourly partition key `2026-11-22-09:00`."""
        return cls(_parse(text, _PARTITION, "%Y-%m-%d-%H:%M", "2026-11-22-09:00"))

    @property
    def end(self) -> datetime:
        """The first instant after the hour."""
        return self.start + ONE_HOUR

    @property
    def partition_key(self) -> str:
        """Dagster's hourly partition key, `2026-11-22-09:00`."""
        return self.start.strftime("%Y-%m-%d-%H:%M")

    def plus(self, hours: int) -> Hour:
        """Return the hour so many hours later (earlier when negative)."""
        return Hour(self.start + hours * ONE_HOUR)

    def __str__(self) -> str:
        return self.start.strftime("%Y-%m-%dT%H")


def hour_range(first: Hour, last: Hour) -> Iterator[Hour]:
    """Yield every hour from `first` to `last`, both included."""
    while first <= last:
        yield first
        first = first.plus(1)


def _parse(text: str, pattern: re.Pattern[str], form: str, example: str) -> datetime:
    try:
        if pattern.fullmatch(text):
            return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidNameError(
            "reading an hour", cause=f"{text!r}: {error}", remedy=f"Write it like {example}."
        ) from error
    raise InvalidNameError("reading an hour", cause=f"{text!r} is not an hour", remedy=f"Write it like {example}.")
