"""What ingesting asks of an object store; `gateways.object_store.ObjectStore` provides it.

Belongs here: the few methods that are used. Does not: implementations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from clickstream_platform.model.shared_ports import StoredObject


class RawStore(Protocol):
    """Where raw objects and seals are written."""

    def open(self, key: str) -> BinaryIO:
        """Return the object as a stream; raise ObjectNotFoundError when there is none."""
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
