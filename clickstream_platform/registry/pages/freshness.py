"""How fresh an event's table is: one word from its deadline, its hours and the time. Pure.

Belongs here: the words, what each means to a reader, and the decision. Does not: where the hours come from
(`registry.ports.LoadStatistics`), showing them (`templates`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from clickstream_platform.model.hours import ONE_HOUR, Hour
from clickstream_platform.model.stream_status import StreamState, StreamStatus
from clickstream_platform.registry.entities import Event, EventState
from clickstream_platform.registry.ports import EventStatistics


class Freshness(StrEnum):
    """One word for an event; `MEANINGS` says what it means."""

    FRESH = "fresh"
    LATE = "late"
    BLOCKED = "blocked"
    SILENT = "silent"
    NEVER_SEEN = "never seen"
    NOT_WATCHED = "not watched"
    WAITING = "waiting"
    PAUSED = "paused"
    REMOVED = "removed"
    UNKNOWN = "unknown"


MEANINGS: Mapping[Freshness, str] = {
    Freshness.FRESH: "The newest hour whose deadline has passed is in the table.",
    Freshness.LATE: "Records arrived that are not in the table, nor is the newest hour whose deadline has passed.",
    Freshness.BLOCKED: "Records arrived and can't be loaded until a person acts.",
    Freshness.SILENT: "All that arrived is in the table, but the newest hour whose deadline has passed had no record.",
    Freshness.NEVER_SEEN: "No record of this event has ever arrived.",
    Freshness.NOT_WATCHED: "The event has no deadline of its own and the platform none for such events.",
    Freshness.WAITING: "The event arrived by itself and is not loaded until somebody activates it.",
    Freshness.PAUSED: "Loading is paused; what arrives is kept and loaded when the event is resumed.",
    Freshness.REMOVED: "The event is not loaded any more; its table stays as it is.",
    Freshness.UNKNOWN: "The warehouse did not answer, so what is loaded is not known.",
}

_BY_STATE: Mapping[EventState, Freshness] = {
    EventState.DISCOVERED: Freshness.WAITING,
    EventState.PAUSED: Freshness.PAUSED,
    EventState.REMOVED: Freshness.REMOVED,
}


_BY_STATUS: Mapping[StreamStatus, Freshness] = {
    StreamStatus.FRESH: Freshness.FRESH,
    StreamStatus.LATE: Freshness.LATE,
    StreamStatus.SILENT: Freshness.SILENT,
    StreamStatus.NEVER_SEEN: Freshness.NEVER_SEEN,
    StreamStatus.BLOCKED: Freshness.BLOCKED,
}


def watched_word(event: Event, state: StreamState | None) -> Freshness | None:
    """Return the word of the watch over all streams; None where it says nothing of an event, or need not."""
    return None if state is None or event.state in _BY_STATE else _BY_STATUS[state.status]


def freshness_of(
    event: Event,
    statistics: EventStatistics | None,
    now: datetime,
    *,
    is_known: bool = True,
    default_minutes: int = 0,
) -> Freshness:
    """Return the word for an event; `statistics` is None when nothing of it was ever loaded.

    `is_known` is False when the warehouse could not be asked; `default_minutes` is the deadline of an event without one
    of its own, 0 for none. An hour is due when the deadline has passed since its
    end. What is loaded counts as arrived, whether it was announced or not.
    """
    if event.state in _BY_STATE:
        return _BY_STATE[event.state]
    loaded = None if statistics is None else statistics.last_loaded_hour
    if event.first_seen_hour is None and loaded is None:
        return Freshness.NEVER_SEEN
    if not is_known:
        return Freshness.UNKNOWN
    minutes = event.freshness_deadline_minutes or default_minutes
    if not minutes:
        return Freshness.NOT_WATCHED
    # Hours are compared in their written form, whose order is that of time.
    due = str(newest_due_hour(minutes, now))
    if loaded is None:
        return Freshness.LATE if event.first_seen_hour is not None and event.first_seen_hour <= due else Freshness.FRESH
    if loaded >= due:
        return Freshness.FRESH
    # Which hours between had records is not known. One that arrived after them is enough to call the event late: a load
    # that keeps failing must not look fresh because records keep coming.
    arrived = event.last_seen_hour or event.first_seen_hour
    return Freshness.LATE if arrived is not None and arrived > loaded else Freshness.SILENT


def newest_due_hour(deadline_minutes: int, now: datetime) -> Hour:
    """Return the newest hour whose deadline, so many minutes after its end, has passed."""
    return Hour.of(now - timedelta(minutes=deadline_minutes) - ONE_HOUR)
