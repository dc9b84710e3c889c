"""What the batcher asks of an object store and of a clock; `gateways.object_store` and `gateways.clock` provide it.

Belongs here: the few methods that are used. Does not: Kinesis (`consumer`), the lease table (`leases`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from clickstream_platform.model.shared_ports import StoredObject


class BatchStore(Protocol):
    """Where raw objects, seals and the batcher's own notes are kept."""

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> StoredObject:
        """Write an object at once; with if_absent raise ObjectChangedError when another is there."""
        ...

    def put_file(self, key: str, path: Path) -> StoredObject:
        """Write an object of any size from a local file."""
        ...

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> Sequence[StoredObject]:
        """Write many small objects, results in the order of the items."""
        ...

    def head_many(self, keys: Iterable[str]) -> Sequence[StoredObject | None]:
        """Look up many objects, results in the order of the keys."""
        ...

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Read many small objects in the order of the keys."""
        ...

    def list_objects(self, prefix: str) -> Iterator[StoredObject]:
        """List the objects whose key starts with prefix, in key order."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object; none to delete is a normal result. Only for the batcher's own notes."""
        ...
