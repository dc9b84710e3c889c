"""What the page shows of an event beside what the registry knows: what was loaded, and the word for its freshness.

Belongs here: keeping the last figures of customers whose warehouse is away, and putting an event's row together. Does
not: reading ledgers (behind `registry.ports.LoadStatistics`), deciding on freshness (`freshness`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.model.stream_status import StreamState
from clickstream_platform.registry.entities import Customer, Event
from clickstream_platform.registry.pages.freshness import Freshness, freshness_of, watched_word
from clickstream_platform.registry.ports import EventStatistics, LoadStatistics, StreamStates

MAX_REMEMBERED_CUSTOMERS = 200


@dataclass(frozen=True, slots=True)
class Figures:
    """What was loaded of a customer's events, by slug, and as of when."""

    by_event: Mapping[str, EventStatistics]
    taken_at: datetime | None
    """None when the warehouse never answered."""
    is_current: bool
    """False when the warehouse did not answer just now."""
    states: Mapping[str, StreamState] = field(default_factory=dict)
    """What the watch over all streams said last, by slug."""
    default_deadline_minutes: int = 0
    """Of events without a deadline of their own; 0: none, or not known without a watch."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of the table of a customer's events."""

    event: Event
    freshness: Freshness
    statistics: EventStatistics | None
    reason: str = ""
    """Why it is so, where the watch said."""


class KnownFigures:
    """Asks for figures and remembers the last ones of the customers looked at most recently."""

    def __init__(self, statistics: LoadStatistics | None, states: StreamStates | None = None) -> None:
        """Ask `statistics`, None without a warehouse to look into, and `states`, None without a watch."""
        self._statistics, self._states = statistics, states
        self._remembered: OrderedDict[str, Figures] = OrderedDict()
        self._lock = threading.Lock()

    def of_customer(self, customer: Customer, now: datetime) -> Figures:
        """Return the figures of now, or else the last ones known, which say that they are not current."""
        figures = self._of_ledger(customer, now)
        if self._states is None:
            return figures
        default = self._states.default_deadline_minutes
        return replace(figures, states=self._states.of_customer(customer), default_deadline_minutes=default)

    def _of_ledger(self, customer: Customer, now: datetime) -> Figures:
        if self._statistics is None:
            return Figures({}, None, is_current=False)
        try:
            figures = Figures(self._statistics.of_customer(customer), now, is_current=True)
        except ClickstreamError:
            with self._lock:
                last = self._remembered.get(customer.slug)
            return Figures({} if last is None else last.by_event, None if last is None else last.taken_at, False)
        with self._lock:
            self._remembered[customer.slug] = figures
            self._remembered.move_to_end(customer.slug)
            if len(self._remembered) > MAX_REMEMBERED_CUSTOMERS:
                self._remembered.popitem(last=False)
        return figures


def event_rows(events: Iterable[Event], figures: Figures, now: datetime) -> list[EventRow]:
    """Return the rows of events; with figures that are not current, the last known ones decide on freshness."""
    is_known = figures.taken_at is not None
    rows = []
    for event in events:
        found, state = figures.by_event.get(event.slug), figures.states.get(event.slug)
        word = watched_word(event, state)
        if word is not None and state is not None:
            rows.append(EventRow(event, word, found, state.reason))
        else:
            default = figures.default_deadline_minutes
            word = freshness_of(event, found, now, is_known=is_known, default_minutes=default)
            rows.append(EventRow(event, word, found))
    return rows
