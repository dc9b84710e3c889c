"""Seals of a shard: which hours are due, and what a seal holds.

Belongs here: that, and sealing again after a late record. Does not: the written form (`model.manifests`).

An hour is due when *every* shard is written up to its end and a grace beyond it, not only this one: a shard that holds
objects of a customer and sealed early would let the loader start before another shard has written its part. Hours
without objects are sealed too. A late record's objects are added to the seal that is there: new bytes, a new version.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from clickstream_platform.batcher.leases import Lease
from clickstream_platform.batcher.names import end_ms, hour_before_ms
from clickstream_platform.batcher.notes import Notes
from clickstream_platform.batcher.ports import BatchStore
from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.hours import Hour, hour_range
from clickstream_platform.model.manifests import ObjectRef, Seal
from clickstream_platform.model.object_keys import seal_key
from clickstream_platform.model.streams import Stream

MAX_HOURS_AT_ONCE = 48


def due_hours(lease: Lease, common_watermark_ms: int | None, grace_ms: int) -> list[Hour]:
    """Return the hours that a shard has to seal now, oldest first, at most MAX_HOURS_AT_ONCE."""
    if common_watermark_ms is None:
        return []
    passed = common_watermark_ms - grace_ms
    hours = {hour for hour in lease.unsealed if end_ms(hour) <= passed}
    if not lease.is_finished and lease.sealed_through is not None and passed > 0:
        first, last = lease.sealed_through.plus(1), hour_before_ms(passed)
        hours |= set(hour_range(first, min(last, first.plus(MAX_HOURS_AT_ONCE))))
    return sorted(hours)[:MAX_HOURS_AT_ONCE]


def write_seals(store: BatchStore, notes: Notes, shard: str, hours: Iterable[Hour], lease: Lease) -> int:
    """Put the seals of these hours where they are not exactly like this; return how many were written.

    Raises ObjectChangedError when somebody else sealed the same hour for the first time meanwhile: an owner that lost
    the lease while it was sealing must not replace what its successor wrote. Seal again then.
    """
    seals = [(seal_key(hour, shard), hour) for hour in hours]
    held = {info.key for info in store.head_many(key for key, _ in seals) if info is not None}
    before = dict(store.get_many(key for key, _ in seals if key in held))
    numbers = sorted({number for _, hour in seals for number in lease.unsealed.get(hour, ())})
    objects: dict[Hour, dict[Stream, dict[str, ObjectRef]]] = defaultdict(lambda: defaultdict(dict))
    for key, hour in seals:
        for stream, refs in _streams(before.get(key)).items():
            objects[hour][stream].update((ref.key, ref) for ref in refs)
    wanted = {hour for _, hour in seals}
    for item in notes.read_objects(shard, numbers):
        if item.hour in wanted:
            objects[item.hour][item.stream][item.ref.key] = item.ref
    written = [(key, _seal(hour, shard, objects[hour])) for key, hour in seals]
    changed = [(key, data) for key, data in written if before.get(key) != data]
    for key, data in changed:
        store.put(key, data, if_absent=key not in before)
    return len(changed)


def _streams(data: bytes | None) -> Mapping[Stream, tuple[ObjectRef, ...]]:
    """Return what a seal holds. A damaged one is replaced: the loader finds all objects by listing them as well."""
    try:
        return {} if data is None else Seal.from_json(data).streams
    except (InvalidNameError, KeyError, TypeError, ValueError):
        return {}


def _seal(hour: Hour, shard: str, streams: dict[Stream, dict[str, ObjectRef]]) -> bytes:
    # The hour's end and not the shard's own watermark: sealing again after a crash gives the same bytes.
    watermark = hour.end.isoformat().replace("+00:00", "Z")
    return Seal(hour, shard, watermark, {key: tuple(refs.values()) for key, refs in streams.items()}).to_json()
