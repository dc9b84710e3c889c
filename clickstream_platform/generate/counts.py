"""Exact counts of what is generated, so that tests and benchmarks can check every row.

Belongs here: counting. Does not: anything that writes a record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from clickstream_platform.generate.damage import damage_of
from clickstream_platform.generate.plan import GeneratorSettings, LineKind, plan_hour
from clickstream_platform.generate.profiles import catalogue
from clickstream_platform.model.records import RejectReason


@dataclass(frozen=True)
class EventCounts:
    """Lines of one stream: raw = distinct (valid, each `messageId` once) + duplicates + malformed."""

    record_type: str
    raw: int
    distinct: int
    duplicates: int
    malformed: int


@dataclass(frozen=True)
class GenerationSummary:
    """Counts per event and of the particular kinds of lines; an event without a line is left out.

    `rejected` counts malformed lines by the reason for which they must be rejected.
    """

    events: dict[str, EventCounts]
    rejected: dict[RejectReason, int]
    late: int
    conflicts: int
    new_properties: int

    @property
    def raw(self) -> int:
        """All lines."""
        return sum(each.raw for each in self.events.values())

    @property
    def distinct(self) -> int:
        """Valid records, each `messageId` once: what the tables must hold."""
        return sum(each.distinct for each in self.events.values())

    @property
    def duplicates(self) -> int:
        """Valid records whose `messageId` was there before."""
        return sum(each.duplicates for each in self.events.values())

    @property
    def malformed(self) -> int:
        """Lines that are no valid record."""
        return sum(each.malformed for each in self.events.values())

    def as_dict(self) -> dict[str, object]:
        """Return totals and the counts of every event, ready for JSON."""
        totals = {name: getattr(self, name) for name in ("raw", "distinct", "duplicates", "malformed")}
        rest = {name: getattr(self, name) for name in ("late", "conflicts", "new_properties")}
        rejected = {reason.value: count for reason, count in self.rejected.items()}
        events = {name: asdict(each) for name, each in self.events.items()}
        return {**totals, **rest, "rejected": rejected, "events": events}


def expected_counts(settings: GeneratorSettings, hours: Iterable[int] | None = None) -> GenerationSummary:
    """Count what `generate_hour` yields for these hour indices (default: all hours), without writing a record."""
    streams = catalogue(settings.profile, settings.streams)
    per_stream = np.zeros((len(LineKind), len(streams)), dtype=np.int64)
    rejected: Counter[RejectReason] = Counter()
    for hour_index in range(settings.hours) if hours is None else hours:
        plan = plan_hour(settings, hour_index)
        for kind in LineKind:
            per_stream[kind] += np.bincount(plan.streams[plan.kinds == kind], minlength=len(streams))
        for position in np.flatnonzero(plan.kinds == LineKind.MALFORMED).tolist():
            record_type = streams[plan.streams[position]].record_type
            rejected[damage_of(record_type, int(plan.details[position])).reason] += 1
    events = {}
    for stream, of_kind in zip(streams, per_stream.T.tolist(), strict=True):
        raw, duplicates, malformed = sum(of_kind), of_kind[LineKind.DUPLICATE], of_kind[LineKind.MALFORMED]
        if raw:
            distinct = raw - duplicates - malformed
            events[stream.event_name] = EventCounts(stream.record_type, raw, distinct, duplicates, malformed)
    total = per_stream.sum(axis=1).tolist()
    return GenerationSummary(
        events, dict(rejected), total[LineKind.LATE], total[LineKind.CONFLICT], total[LineKind.NEW_PROPERTY]
    )
