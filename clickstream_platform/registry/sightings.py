"""What an hour's announcement of events changes: pure planning, before anything is written.

Belongs here: which events are new and what becomes of the known ones. Does not: reading or writing them (`service`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from clickstream_platform.registry.entities import Customer, Event
from clickstream_platform.registry.refusals import InvalidRequestError
from clickstream_platform.registry.rules import check_slug, first_state, seen_display_name

Seen = Mapping[str, tuple[str, int]]
"""Event slug → (name as sent, number of records)."""


@dataclass(frozen=True, slots=True)
class Sightings:
    """The outcome: events to insert, events whose counters move, and whether anything but counters changed."""

    new: tuple[Event, ...]
    known: tuple[Event, ...]
    changes_content: bool


def check_seen(seen: Seen) -> None:
    """Raise InvalidRequestError unless every key is a slug and every count is not negative."""
    for slug, (_, records) in seen.items():
        check_slug("event", slug)
        if records < 0:
            raise InvalidRequestError(
                "recording what was seen",
                where=repr(slug),
                cause=f"{records} records",
                remedy="Announce how many records the hour holds.",
            )


def plan_sightings(customer: Customer, hour: str, seen: Seen, known: Iterable[Event], now: datetime) -> Sightings:
    """Plan the announcement of one customer-hour; a known event keeps its state and its display name."""
    known_by_slug = {event.slug: event for event in known}
    state = first_state(customer)
    new, moved, changes_content = [], [], False
    for slug, (name, records) in seen.items():
        event = known_by_slug.get(slug)
        if event is None:
            shown = seen_display_name(name, slug)
            new.append(Event(customer.slug, slug, shown, state, None, now, hour, seen_records=records))
            continue
        first_hour = hour if event.first_seen_hour is None else min(hour, event.first_seen_hour)
        changes_content = changes_content or first_hour != event.first_seen_hour
        moved.append(replace(event, first_seen_hour=first_hour, seen_records=event.seen_records + records))
    return Sightings(tuple(new), tuple(moved), changes_content or bool(new))
