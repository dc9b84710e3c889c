"""Takes one record of an event that is new, masked, so that a person who decides about the event sees its form.

Belongs here: reading one record of a raw object, in bounded memory and time. Does not: what is masked (`masking`), and
which customer-hours are announced (`planning`). Reading fails quietly: a sample is never worth an hour.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableSet, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from clickstream_platform.codecs.gunzip import Gunzip
from clickstream_platform.errors import ClickstreamError
from clickstream_platform.ingest.routing import event_of, parse_record
from clickstream_platform.model.manifests import ObjectRef
from clickstream_platform.model.streams import UNIDENTIFIED
from clickstream_platform.pipeline.discovery import CustomerHour
from clickstream_platform.pipeline.masking import mask_record
from clickstream_platform.pipeline.ports import EventRegistry, HourStore

# Of one object, as stored and decompressed; a first line that is longer gives no sample.
MAX_SAMPLE_BYTES = 64 * 1024
MAX_SAMPLES_PER_TICK = 20
MAX_UNSAMPLED = 500


@dataclass(frozen=True, slots=True)
class Sample:
    """A masked record, and the event's name as it was sent (empty for record types without one)."""

    name: str
    document: Mapping[str, Any] = field(hash=False)


class Sampler:
    """Takes the samples of one tick, at most MAX_SAMPLES_PER_TICK."""

    def __init__(self, store: HourStore, unsampled: MutableSet[str]) -> None:
        """Read from a store; `unsampled` are events (`<customer>/<event>`) that earlier ticks had no time for."""
        self._store, self._unsampled, self._taken = store, unsampled, 0

    def take(self, registry: EventRegistry, hour: CustomerHour) -> dict[str, Sample]:
        """Return samples of the events that the registry has not seen before; raises RegistryError."""
        seen = {event.slug for event in registry.list_events(hour.customer) if event.first_seen_hour is not None}
        samples: dict[str, Sample] = {}
        for event, refs in hour.streams.items():
            name = f"{hour.customer}/{event}"
            if event == UNIDENTIFIED or (event in seen and name not in self._unsampled):
                continue
            if self._taken >= MAX_SAMPLES_PER_TICK:
                if len(self._unsampled) < MAX_UNSAMPLED:
                    self._unsampled.add(name)
                continue
            self._taken += 1
            self._unsampled.discard(name)
            if (sample := take_sample(self._store, event, refs)) is not None:
                samples[event] = sample
        return samples


def take_sample(store: HourStore, event: str, refs: Sequence[ObjectRef]) -> Sample | None:
    """Return a sample from the first object of an event; None when it can't be read or holds no record of the event."""
    if not refs:
        return None
    try:
        data = _read_start(store, refs[0].key)
    except ClickstreamError:
        return None
    for line in data.split(b"\n"):
        record = parse_record(line) if line.strip() else None
        if record is not None and event_of(record) == event:
            name = record.get("event") if record.get("type") == "track" else None
            return Sample(name if isinstance(name, str) else "", mask_record(record))
    return None


def _read_start(store: HourStore, key: str) -> bytes:
    """Return the first decompressed bytes, without a line that is cut; damage behind them is of no interest."""
    stored = store.get_range(key, 0, MAX_SAMPLE_BYTES)
    found = bytearray()
    for piece in Gunzip(lambda: BytesIO(stored)):
        found += piece[: MAX_SAMPLE_BYTES + 1 - len(found)]
        if len(found) > MAX_SAMPLE_BYTES:
            return bytes(found[: found.rfind(b"\n") + 1])
    return bytes(found)
