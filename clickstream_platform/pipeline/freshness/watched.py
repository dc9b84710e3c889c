"""Which streams are watched, by which deadline: the registry's events as the watch needs them.

Belongs here: choosing, and the options of a watch. Does not: looking (`watching`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.silence import SilenceOptions
from clickstream_platform.registry.entities import Event, EventState, Snapshot
from clickstream_platform.settings import Settings

_WATCHED = frozenset({EventState.ACTIVE, EventState.PAUSED})


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What is watched, and how much a look may take."""

    default_deadline_minutes: int = 120
    """For events without a deadline of their own, after the end of an hour; 0: these are not watched."""
    window_hours: int = 72
    """Hours back from now that are compared; older ones are not loaded by themselves either."""
    recent_hours: int = 2
    """Closed hours that every look lists."""
    listing_seconds: float = 1.0
    """Time for listing older hours, of which each look takes at least one."""
    objects_per_look: int = 30_000
    """After so many objects of older hours a look takes no more of them."""
    ledger_seconds: float = 60.0
    """A ledger is asked again for hours that are not due yet after so long."""
    customer: str | None = None
    """Only this customer; None: all."""
    silence: SilenceOptions = field(default_factory=SilenceOptions)


@dataclass(frozen=True, slots=True)
class WatchedStream:
    """One stream as the registry has it."""

    stream: Stream
    deadline: timedelta
    is_paused: bool
    last_seen_hour: str | None
    """The newest hour with records that the registry was told of."""


def default_deadline_minutes(settings: Settings) -> int:
    """Return the deadline of events without one of their own, in minutes; 0: these are not watched."""
    return settings.freshness_deadline_minutes


def deadline_minutes(event: Event, default: int) -> int | None:
    """Return how long after an hour's end an event must be loaded, in minutes; None when it is not watched."""
    if event.state not in _WATCHED:
        return None
    return event.freshness_deadline_minutes or default or None


def hours_to_latest_deadline(events: Iterable[Event], default: int) -> dict[str, int]:
    """Return, by customer, the hours from the beginning of an hour to the latest deadline of its watched events.

    Whole hours, so that what is built from them does not change with every deadline.
    """
    found: dict[str, int] = {}
    for event in events:
        if (minutes := deadline_minutes(event, default)) is not None:
            found[event.customer] = max(found.get(event.customer, 0), 1 + math.ceil(minutes / 60))
    return found


class Selection:
    """Chooses the streams of a snapshot; keeps their names, which are checked whenever one is made."""

    def __init__(self, options: WatchOptions) -> None:
        """Know no stream."""
        self._options = options
        self._streams: dict[tuple[str, str], Stream] = {}

    def find(self, customer: str, event: str) -> Stream | None:
        """Return a stream that was chosen."""
        return self._streams.get((customer, event))

    def select(self, snapshot: Snapshot) -> tuple[list[WatchedStream], dict[str, int]]:
        """Return the watched streams, and how many others each customer has that are not removed."""
        only = self._options.customer
        unwatched = {each.slug: 0 for each in snapshot.customers if only is None or each.slug == only}
        watched = []
        streams: dict[tuple[str, str], Stream] = {}
        deadlines: dict[int, timedelta] = {}
        for event in snapshot.events:
            if event.customer not in unwatched or event.state is EventState.REMOVED:
                continue
            minutes = deadline_minutes(event, self._options.default_deadline_minutes)
            if minutes is None:
                unwatched[event.customer] += 1
                continue
            key = (event.customer, event.slug)
            streams[key] = self._streams.get(key) or Stream(*key)
            deadline = deadlines.setdefault(minutes, timedelta(minutes=minutes))
            is_paused = event.state is EventState.PAUSED
            watched.append(WatchedStream(streams[key], deadline, is_paused, event.last_seen_hour))
        self._streams = streams
        return watched, unwatched
