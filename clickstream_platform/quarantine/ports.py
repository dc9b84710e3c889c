"""What reading the quarantine asks of an object store; `gateways.object_store.ObjectStore` provides it.

Belongs here: the few methods that are used. Does not: implementations.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO, Protocol


class StoredObject(Protocol):
    """What a listing tells about an object; size in bytes, modified aware and in UTC."""

    @property
    def key(self) -> str:
        """The object's key."""
        ...

    @property
    def size(self) -> int:
        """Bytes as stored."""
        ...

    @property
    def modified(self) -> datetime:
        """When it was written."""
        ...


class QuarantineStore(Protocol):
    """Where quarantine objects and manifests are read."""

    def get(self, key: str) -> bytes:
        """Return the whole object; raise ObjectNotFoundError when there is none."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Return the object as a stream; raise ObjectNotFoundError when there is none."""
        ...

    def list_objects(self, prefix: str) -> Iterator[StoredObject]:
        """List the objects below a prefix in key order."""
        ...
