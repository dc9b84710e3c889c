"""Which events of a customer-hour are loaded: the registry decides, and learns of events that it has not seen.

Belongs here: asking it, and saying why an event is not loaded. Does not: the registry's own rules (`registry.rules`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import UNIDENTIFIED
from clickstream_platform.pipeline.ports import EventRegistry
from clickstream_platform.pipeline.sampling import Sample
from clickstream_platform.registry.entities import Event, EventState

REASONS = {
    EventState.PAUSED: "the event is paused; its raw objects are kept. Resuming it back-fills them",
    EventState.DISCOVERED: "the event waits to be activated; its raw objects are kept. Activating it back-fills them",
    EventState.REMOVED: "the event was removed; its raw objects are kept. Adding it again back-fills them",
}


@dataclass(frozen=True, slots=True)
class Admission:
    """The events that are loaded, and why others are not."""

    events: tuple[str, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)


def announce(
    registry: EventRegistry,
    customer: str,
    hour: Hour,
    records: Mapping[str, int],
    samples: Mapping[str, Sample] | None = None,
) -> Admission:
    """Tell the registry what arrived, `{event: records}`, and return what it wants loaded.

    The names and records of `samples` go with it. `_unidentified` is always loaded: its lines go to quarantine and are
    counted. Raises RegistryError for a customer that the registry does not know.
    """
    samples = samples or {}
    names = {event: sample.name for event, sample in samples.items() if sample.name}
    seen = {event: (names.get(event, event), count) for event, count in records.items() if event != UNIDENTIFIED}
    documents: dict[str, Mapping[str, Any]] = {event: sample.document for event, sample in samples.items()}
    return _sort(records, registry.record_seen(customer, hour, seen, samples=documents) if seen else {})


def admit(registry: EventRegistry, customer: str, hour: Hour, events: Collection[str]) -> Admission:
    """Return which of these events the registry wants loaded; only those it never heard of are announced to it."""
    known = {event.slug: event for event in registry.list_events(customer)}
    unknown = {event: (event, 0) for event in events if event not in known and event != UNIDENTIFIED}
    if unknown:
        known |= registry.record_seen(customer, hour, unknown)
    return _sort(events, known)


def _sort(events: Collection[str], known: Mapping[str, Event]) -> Admission:
    skipped = {
        event: REASONS[known[event].state]
        for event in events
        if event != UNIDENTIFIED and known[event].state != EventState.ACTIVE
    }
    return Admission(tuple(event for event in events if event not in skipped), skipped)
