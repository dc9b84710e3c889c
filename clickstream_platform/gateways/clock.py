"""The clock: the one place that asks the machine what time it is.

Belongs here: the real clock and the one that tests set. Does not: the port (`model.shared_ports`), hours and their
arithmetic (`model.hours`), waiting and back-off (whoever waits).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from clickstream_platform.errors import ConfigurationError


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present moment, aware and in UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is told to advance; for tests and for reproducible demonstrations."""

    def __init__(self, moment: datetime) -> None:
        """Start at an aware moment; a naive one, whose hour would depend on the machine, raises ConfigurationError."""
        if moment.tzinfo is None:
            raise ConfigurationError(
                f"cannot set the clock to {moment.isoformat()}",
                cause="it has no time zone",
                remedy="Give an aware datetime, such as datetime(2026, 11, 22, 9, tzinfo=UTC).",
            )
        self._now = moment.astimezone(UTC)

    def now(self) -> datetime:
        """Return the moment the clock stands at, aware and in UTC."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move the clock by a duration (a negative one sets it back) and return the new moment."""
        self._now += by
        return self._now
