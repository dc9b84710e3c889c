"""The batcher's own notes beside each batch in the object store: its objects and its ids.

Belongs here: their form, reading and removing them. Does not: when they are written (`writing`), seals (`sealing`).

Notes count only when their number is at most that of the complete batches in the lease. They make a lease small and a
take-over possible anywhere: ids for the window of de-duplication, objects for the seals of hours not sealed yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from clickstream_platform.batcher.names import notes_key, notes_prefix
from clickstream_platform.batcher.ports import BatchStore
from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import ObjectRef
from clickstream_platform.model.shared_ports import StoredObject
from clickstream_platform.model.streams import Stream

OBJECTS, IDS = "objects.json", "ids"
GROUP_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WrittenObject:
    """A raw object of a batch that is in the store."""

    hour: Hour
    stream: Stream
    ref: ObjectRef


class Notes:
    """The notes of one application's batches."""

    def __init__(self, store: BatchStore, application: str) -> None:
        """Keep them below `batcher/<application>/`."""
        self._store, self._application = store, application

    def write(self, shard: str, number: int, written: Iterable[WrittenObject], ids: bytes) -> None:
        """Write both notes of a batch."""
        body = [
            {"hour": str(item.hour), "customer": item.stream.customer, "event": item.stream.event, **asdict(item.ref)}
            for item in written
        ]
        text = json.dumps({"version": 1, "objects": body}, ensure_ascii=False, separators=(",", ":")).encode()
        keys = (notes_key(self._application, shard, number, kind) for kind in (OBJECTS, IDS))
        self._store.put_many(zip(keys, (text, ids), strict=True))

    def read_objects(self, shard: str, numbers: Iterable[int]) -> Iterator[WrittenObject]:
        """Yield the objects of some batches; raises ObjectNotFoundError, or InvalidNameError for a damaged note."""
        keys = [notes_key(self._application, shard, number, OBJECTS) for number in numbers]
        for key, data in self._store.get_many(keys):
            try:
                items = json.loads(data)["objects"]
                for item in items:
                    stream = Stream(item.pop("customer"), item.pop("event"))
                    yield WrittenObject(Hour.parse(item.pop("hour")), stream, ObjectRef(**item))
            except (ValueError, KeyError, TypeError) as error:
                remedy = "Restore the object; the hour of its objects can't be sealed without it."
                raise InvalidNameError(f"reading {key}", cause=type(error).__name__, remedy=remedy) from error

    def read_ids(self, shard: str, complete: int, since_ms: int) -> Iterator[bytes]:
        """Yield the stored ids of a shard's complete batches that were written since a moment (ms since 1970)."""
        since = _EPOCH + timedelta(milliseconds=max(since_ms, 0))
        found = [
            item
            for item in self._store.list_objects(notes_prefix(self._application, shard))
            if item.key.endswith(f".{IDS}") and 0 < _number(item.key) <= complete and item.modified >= since
        ]
        for group in _groups(found):
            for _, data in self._store.get_many(item.key for item in group):
                yield data

    def remove(self, shard: str, before_ms: int, needed: Iterable[int]) -> int:
        """Delete the notes of batches written before a moment, but those with a number that is needed; count them."""
        before, kept, removed = _EPOCH + timedelta(milliseconds=max(before_ms, 0)), set(needed), 0
        for item in self._store.list_objects(notes_prefix(self._application, shard)):
            if item.modified < before and _number(item.key) not in {0, *kept}:
                self._store.delete(item.key)
                removed += 1
        return removed


def _groups(items: Iterable[StoredObject]) -> Iterator[list[StoredObject]]:
    """Yield the objects in groups of GROUP_BYTES or one object: a store may hold a whole group in memory."""
    group: list[StoredObject] = []
    for item in items:
        if group and sum(each.size for each in group) + item.size > GROUP_BYTES:
            yield group
            group = []
        group.append(item)
    if group:
        yield group


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _number(key: str) -> int:
    """Return the number of a note's batch; 0 for what somebody else put there."""
    number = key.rpartition("/")[2].partition(".")[0]
    return int(number) if number.isdecimal() else 0
