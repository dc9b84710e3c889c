"""What reading the quarantine asks of an object store; `gateways.object_store.ObjectStore` provides it.

Belongs here: the few methods that are used. Does not: implementations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from clickstream_platform.model.shared_ports import StoredObject


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
