"""From what is known of a stream to its status: fresh, late, silent, never seen or blocked. Pure.

Belongs here: the rule. Does not: what is known (`facts`), telling people (`report`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from clickstream_platform.model.hours import ONE_HOUR, Hour
from clickstream_platform.model.stream_status import StreamState, StreamStatus
from clickstream_platform.pipeline.freshness.facts import LoadFailure, MissingHour, StreamFacts

MAX_NAMED_HOURS = 5


@dataclass(frozen=True, slots=True)
class Judgement:
    """A stream's state with what people need beside it."""

    state: StreamState
    since: datetime
    """When this status began."""
    missing: tuple[MissingHour, ...] = ()
    """Hours that arrived and are not in the table: of a late stream those that are overdue; where many, only some."""
    more_missing: int = 0
    """How many further hours are missing."""
    failure: LoadFailure | None = None
    is_paused: bool = False

    @property
    def missing_hours(self) -> int:
        """How many hours arrived and are not in the table."""
        return len(self.missing) + self.more_missing


def newest_due_hour(deadline: timedelta, now: datetime) -> Hour:
    """Return the newest hour whose deadline, so long after its end, has passed."""
    return Hour.of(now - deadline - ONE_HOUR)


def judge(facts: StreamFacts, now: datetime) -> Judgement:
    """Return a stream's status at a moment.

    A paused event with records that wait, and an hour whose load failed, are blocked at once: no time will mend them.
    An hour is late only when the ledger was asked after its deadline: a warehouse that does not answer makes no stream
    late. What is empty is silent only when the history says so.
    """
    missing, more = facts.missing, facts.more_missing
    if facts.is_paused:
        return _paused(facts, now)
    if (failed := _failed(facts)) is not None:
        hour, failure = failed
        reason = f"the load of {_name_hours([hour])} failed: {failure.error}"
        state = _state(facts, StreamStatus.BLOCKED, hour.due(facts.deadline), reason, now)
        return Judgement(state, failure.failed_at, missing, more, failure)
    overdue = [hour for hour in missing if _is_overdue(hour, facts, now)]
    if overdue:
        since = min(hour.due(facts.deadline) for hour in overdue)
        reason = f"{_name_hours(overdue, more)} arrived and {_is(overdue, more)} not in the table"
        return Judgement(_state(facts, StreamStatus.LATE, since, reason, now), since, tuple(overdue), more)
    if facts.newest_arrived is None and facts.newest_loaded is None and not missing:
        return Judgement(_state(facts, StreamStatus.NEVER_SEEN, None, "no record ever arrived", now), now)
    silence = facts.silence
    if silence is not None and silence.is_silent and not missing:
        since = silence.since.end + facts.deadline
        reason = f"no record for {silence.empty_hours} hours, since {silence.since}; its history has some at such hours"
        return Judgement(_state(facts, StreamStatus.SILENT, since, reason, now), since)
    reason = "quiet; its history is too short to say more" if silence is not None and silence.is_history_short else ""
    return Judgement(_state(facts, StreamStatus.FRESH, _next_deadline(facts, now), reason, now), now, missing, more)


def _paused(facts: StreamFacts, now: datetime) -> Judgement:
    if facts.missing:
        since = facts.missing[0].due(facts.deadline)
        missing, more = facts.missing, facts.more_missing
        reason = f"paused; {_name_hours(missing, more)} {'waits' if len(missing) + more == 1 else 'wait'}"
        state = _state(facts, StreamStatus.BLOCKED, since, reason, now)
        return Judgement(state, min(since, now), missing, more, is_paused=True)
    is_seen = facts.newest_arrived is not None or facts.newest_loaded is not None
    status = StreamStatus.FRESH if is_seen else StreamStatus.NEVER_SEEN
    return Judgement(_state(facts, status, None, "paused", now), now, is_paused=True)


def _failed(facts: StreamFacts) -> tuple[MissingHour, LoadFailure] | None:
    """Return the oldest missing hour whose load failed, with the newest failure that is about it."""
    for hour in facts.missing:
        about = [failure for failure in facts.failures if failure.is_about(facts.stream, hour)]
        if about:
            return hour, max(about, key=lambda failure: failure.failed_at)
    return None


def _is_overdue(hour: MissingHour, facts: StreamFacts, now: datetime) -> bool:
    due = hour.due(facts.deadline)
    return due <= now and hour.checked_at is not None and hour.checked_at >= due


def _next_deadline(facts: StreamFacts, now: datetime) -> datetime:
    """Return the next deadline to come: that of the oldest hour that waits, or of the oldest that is not due yet."""
    if facts.missing:
        return facts.missing[0].due(facts.deadline)
    return newest_due_hour(facts.deadline, now).plus(1).end + facts.deadline


def _state(
    facts: StreamFacts, status: StreamStatus, deadline: datetime | None, reason: str, now: datetime
) -> StreamState:
    newest = facts.newest_loaded
    lag = None if newest is None else max((now - newest.end).total_seconds(), 0.0)
    return StreamState(facts.stream, status, newest, deadline, lag, reason)


def _name_hours(hours: Sequence[MissingHour], more: int = 0) -> str:
    if len(hours) + more == 1:
        return f"the hour {hours[0].hour}"
    named = ", ".join(str(each.hour) for each in hours[:MAX_NAMED_HOURS])
    more += max(len(hours) - MAX_NAMED_HOURS, 0)
    return f"the hours {named}{f' and {more} more' if more else ''}"


def _is(hours: Sequence[MissingHour], more: int) -> str:
    return "is" if len(hours) + more == 1 else "are"
