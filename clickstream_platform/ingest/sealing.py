"""Seals of what a source wrote: one per touched hour, after all of its raw objects.

Belongs here: making and putting seals. Does not: their written form (`model.manifests`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

from clickstream_platform.ingest.ports import RawStore
from clickstream_platform.ingest.uploads import WrittenObject
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import ObjectRef, Seal
from clickstream_platform.model.object_keys import seal_key
from clickstream_platform.model.streams import Stream

BATCH_SEALS = 256


def write_seals(store: RawStore, written: Iterable[WrittenObject]) -> tuple[int, int]:
    """Put one seal for each hour and shard of the objects; return how many there are and how many of them are new."""
    objects: dict[tuple[Hour, str], dict[Stream, list[ObjectRef]]] = defaultdict(lambda: defaultdict(list))
    for item in written:
        objects[item.key.hour, item.key.shard][item.key.stream].append(item.ref)
    new = 0
    entries = iter(sorted(objects.items(), key=lambda entry: entry[0]))
    while batch := list(islice(entries, BATCH_SEALS)):
        seals = [(seal_key(hour, shard), _seal(hour, shard, streams)) for (hour, shard), streams in batch]
        changed = list(_changed(store, seals))
        store.put_many(changed)
        new += len(changed)
    return len(objects), new


def watermark(hour: Hour) -> str:
    """Return the moment up to which the hour is complete: its end, so that the same source makes the same seal."""
    return hour.end.isoformat().replace("+00:00", "Z")


def _seal(hour: Hour, shard: str, streams: dict[Stream, list[ObjectRef]]) -> bytes:
    return Seal(hour, shard, watermark(hour), {stream: tuple(refs) for stream, refs in streams.items()}).to_json()


def _changed(store: RawStore, seals: list[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Yield the seals that are not in the store exactly like this."""
    infos = store.head_many(key for key, _ in seals)
    held = dict(store.get_many(key for (key, _), info in zip(seals, infos, strict=True) if info is not None))
    return ((key, data) for key, data in seals if held.get(key) != data)
