"""What the page shows of an event beside what the registry knows: what was loaded, and the word for its freshness.

Belongs here: keeping the last figures of customers whose warehouse is away, and putting an event's row together. Does
not: reading ledgers (behind `registry.ports.LoadStatistics`), deciding on freshness (`freshness`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.registry.entities import Customer, Event
from clickstream_platform.registry.pages.freshness import Freshness, freshness_of
from clickstream_platform.registry.ports import EventStatistics, LoadStatistics

MAX_REMEMBERED_CUSTOMERS = 200


@dataclass(frozen=True, slots=True)
class Figures:
    """What was loaded of a customer's events, by slug, and as of when."""

    by_event: Mapping[str, EventStatistics]
    taken_at: datetime | None
    """None when the warehouse never answered."""
    is_current: bool
    """False when the warehouse did not answer just now."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of the table of a customer's events."""

    event: Event
    freshness: Freshness
    statistics: EventStatistics | None


class KnownFigures:
    """Asks for figures and remembers the last ones of the customers looked at most recently."""

    def __init__(self, statistics: LoadStatistics | None) -> None:
        """Ask `statistics`; None is a registry that was given no warehouse to look into."""
        self._statistics = statistics
        self._remembered: OrderedDict[str, Figures] = OrderedDict()
        self._lock = threading.Lock()

    def of_customer(self, customer: Customer, now: datetime) -> Figures:
        """Return the figures of now, or else the last ones known, which say that they are not current."""
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
    return [
        EventRow(event, freshness_of(event, found, now, is_known=is_known), found)
        for event in events
        for found in (figures.by_event.get(event.slug),)
    ]
