"""Finished raw objects on their way into the store: in batches, each once.

Belongs here: what is there already, parallel puts, and what was written. Does not: what goes into an object (`writer`).

A raw object's name says all that its content depends on, so one that exists is a normal result. Only its size is
compared; where that differs (another compressor version, a damaged file ingested under another name) its lines are
counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clickstream_platform.codecs.gunzip import Gunzip
from clickstream_platform.errors import ObjectChangedError
from clickstream_platform.ingest.ports import RawStore
from clickstream_platform.model.manifests import ObjectRef
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.shared_ports import StoredObject

BATCH_OBJECTS = 256
BATCH_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FinishedObject:
    """A complete raw object: its compressed bytes, or a local file of many. `size_bytes` are those of its lines."""

    key: RawObjectKey
    records: int
    size_bytes: int
    body: bytes | Path

    @property
    def stored_bytes(self) -> int:
        """The compressed size in bytes."""
        return self.body.stat().st_size if isinstance(self.body, Path) else len(self.body)


@dataclass(frozen=True, slots=True)
class WrittenObject:
    """A raw object in the store; `is_new` unless an earlier ingest had written it. `size_bytes` of its lines."""

    key: RawObjectKey
    ref: ObjectRef
    records: int
    size_bytes: int
    is_new: bool


class Uploads:
    """Collects finished objects and puts them in batches."""

    def __init__(self, store: RawStore) -> None:
        """Write into a store."""
        self._store = store
        self._waiting: list[FinishedObject] = []
        self._waiting_bytes = 0
        self._written: list[WrittenObject] = []

    def add(self, item: FinishedObject) -> None:
        """Take one finished object; a local file is deleted once it is in the store."""
        self._waiting.append(item)
        self._waiting_bytes += item.stored_bytes
        if len(self._waiting) >= BATCH_OBJECTS or self._waiting_bytes >= BATCH_BYTES:
            self._flush()

    def finish(self) -> list[WrittenObject]:
        """Put what still waits and return everything that was written, in the order it came."""
        self._flush()
        return self._written

    def _flush(self) -> None:
        batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
        held = self._store.head_many(str(item.key) for item in batch)
        absent = [item for item, info in zip(batch, held, strict=True) if info is None]
        for item, info in zip(batch, held, strict=True):
            if info is not None and info.size != item.stored_bytes:
                self._check_lines(item)
        small = [(str(item.key), item.body) for item in absent if isinstance(item.body, bytes)]
        stored = {info.key: info for info in self._store.put_many(small)}
        for item in absent:
            if isinstance(item.body, Path):
                stored[str(item.key)] = self._store.put_file(str(item.key), item.body)
        for item, info in zip(batch, held, strict=True):
            self._written.append(_written(item, info or stored[str(item.key)], is_new=info is None))
            if isinstance(item.body, Path):
                item.body.unlink()

    def _check_lines(self, item: FinishedObject) -> None:
        found = Gunzip(lambda: self._store.open(str(item.key)))
        lines = sum(piece.count(b"\n") for piece in found)
        if found.damage is not None or lines != item.records:
            raise ObjectChangedError(
                "ingesting a file",
                where=f"{item.key.stream} {item.key.hour}",
                cause=f"{item.key} exists with {lines} lines where {item.records} belong",
                remedy="It was left as it is. Find out who wrote it; if it is wrong, delete it and ingest again.",
            )


def _written(item: FinishedObject, info: StoredObject, *, is_new: bool) -> WrittenObject:
    ref = ObjectRef(str(item.key), info.size, info.etag, item.records)
    return WrittenObject(item.key, ref, item.records, item.size_bytes, is_new)
