"""What an hour's announcement of events changes: pure planning, before anything is written.

Belongs here: which events are new and what becomes of the known ones. Does not: reading or writing them (`service`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import orjson

from clickstream_platform.registry.entities import Customer, Event, EventSample, EventState
from clickstream_platform.registry.refusals import InvalidRequestError
from clickstream_platform.registry.rules import check_slug, first_state, seen_display_name

Seen = Mapping[str, tuple[str, int]]
"""Event slug → (name as sent, number of records)."""
Samples = Mapping[str, Mapping[str, Any]]
"""Event slug → one record of it, its values masked."""
NO_SAMPLES: Samples = MappingProxyType({})
MAX_SAMPLE_BYTES = 20_000


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


def plan_sightings(
    customer: Customer,
    hour: str,
    seen: Seen,
    known: Iterable[Event],
    now: datetime,
    skipped: Collection[str] = frozenset(),
) -> Sightings:
    """Plan the announcement of one customer-hour; a known event keeps its state and its display name.

    `skipped` are events that were not loaded, by an older state than the present one. Where that was their first, they
    count as having come into use again, so that somebody fills in what was skipped.
    """
    known_by_slug = {event.slug: event for event in known}
    state = first_state(customer)
    new, moved, changes_content = [], [], False
    for slug, (name, records) in seen.items():
        event = known_by_slug.get(slug)
        if event is None:
            shown = seen_display_name(name, slug)
            first = _seen(Event(customer.slug, slug, shown, state, None, now, hour), hour, records)
            new.append(_made_up_for(first) if slug in skipped else first)
            continue
        seen_event = _seen(event, hour, records)
        if slug in skipped:
            seen_event = _made_up_for(seen_event)
        changes_content = changes_content or _content(seen_event) != _content(event)
        moved.append(seen_event)
    return Sightings(tuple(new), tuple(moved), changes_content or bool(new))


def plan_samples(
    customer: str, samples: Samples, seen: Seen, sampled: Collection[str], now: datetime
) -> list[EventSample]:
    """Return the samples to keep: those of announced events that have none."""
    return [
        EventSample(customer, event, dict(sample), now)
        for event, sample in samples.items()
        if event in seen and event not in sampled and _is_keepable(sample)
    ]


def _is_keepable(sample: Mapping[str, Any]) -> bool:
    """Whether a sample is short enough and of what can be stored; it is a help, so it fails nothing."""
    try:
        return len(orjson.dumps(sample)) <= MAX_SAMPLE_BYTES
    except orjson.JSONEncodeError:
        return False


def _made_up_for(event: Event) -> Event:
    return replace(event, activation=2) if event.state is EventState.ACTIVE and event.activation == 1 else event


def _content(event: Event) -> tuple[str | None, int]:
    """Return what an announcement can change of an event besides its advisory counts."""
    return event.first_seen_hour, event.activation


def _seen(event: Event, hour: str, records: int) -> Event:
    waiting = 0 if event.state is EventState.ACTIVE else records
    return replace(
        event,
        first_seen_hour=min(hour, event.first_seen_hour or hour),
        last_seen_hour=max(hour, event.last_seen_hour or hour),
        seen_records=event.seen_records + records,
        waiting_records=event.waiting_records + waiting,
    )
