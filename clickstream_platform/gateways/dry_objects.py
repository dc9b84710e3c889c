"""An object store that is only read: what is written to it goes nowhere. For dry runs.

Belongs here: leaving every write out. Does not: any reading of its own; the store behind it answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from clickstream_platform.gateways.object_store import ObjectInfo, ObjectStore, content_etag, source_size
from clickstream_platform.model.shared_ports import Clock


class DryObjectStore:
    """Answers as another store does and forgets what is put; see `gateways.object_store.ObjectStore`."""

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        """Read from `store`; what is put is said to have been put now."""
        self._store, self._clock = store, clock

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        return self._store.get(key)

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """See `ObjectStore.get_range`."""
        return self._store.get_range(key, start, end)

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`."""
        return self._store.open(key)

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """Write nothing, and answer as if."""
        del if_absent
        return ObjectInfo(key, len(data), content_etag(data), self._clock.now())

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Write nothing, and answer as if; the etag is that of the key, for nobody reads the file."""
        return ObjectInfo(key, source_size(key, path), content_etag(key.encode()), self._clock.now())

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> list[ObjectInfo]:
        """Write nothing, and answer as if."""
        return [self.put(key, data) for key, data in items]

    def head_many(self, keys: Iterable[str]) -> list[ObjectInfo | None]:
        """See `ObjectStore.head_many`."""
        return self._store.head_many(keys)

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See `ObjectStore.get_many`."""
        return self._store.get_many(keys)

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        return self._store.head(key)

    def exists(self, key: str) -> bool:
        """See `ObjectStore.exists`."""
        return self._store.exists(key)

    def list_objects(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """See `ObjectStore.list_objects`."""
        return self._store.list_objects(prefix, after=after)

    def list_prefixes(self, prefix: str) -> Iterator[str]:
        """See `ObjectStore.list_prefixes`."""
        return self._store.list_prefixes(prefix)

    def delete(self, key: str) -> None:
        """Delete nothing."""

    def url(self, key: str) -> str:
        """See `ObjectStore.url`."""
        return self._store.url(key)
