"""What the transform needs of an object store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol


class ObjectSize(Protocol):
    """The part of an object's description that the transform reads."""

    @property
    def size(self) -> int:
        """Size in bytes."""
        ...


class Objects(Protocol):
    """Reads raw objects and writes staged ones."""

    def open(self, key: str) -> BinaryIO:
        """Open an object for streamed reading."""
        ...

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Read small objects in parallel, in the order given."""
        ...

    def put(self, key: str, data: bytes) -> ObjectSize:
        """Write a small object."""
        ...

    def put_file(self, key: str, path: Path) -> ObjectSize:
        """Write an object from a file."""
        ...
