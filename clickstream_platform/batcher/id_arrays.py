"""Sorted arrays of 128-bit ids: the form in which ids are searched, kept on disk and stored beside each batch.

Belongs here: hashing an id, sorting, merging, searching, the stored form. Does not: which ids count (`seen_ids`).

Ids are BLAKE2b of customer and messageId: with 128 bits, two different ids of a year of the busiest shard are equal
with a probability of about 10^-18. Sixteen bytes for each, and a search of many at once costs some hundred nanoseconds
for each, whatever is in memory: the arrays may be memory-mapped files.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickstream_platform.batcher.mapped_files import map_file
from clickstream_platform.errors import InvalidNameError

ID_BYTES = 16
HOUR_MS = 3_600_000
_HEADER = struct.Struct("<8sqq")
_MAGIC = b"csids-1\n"
_U64 = NDArray[np.uint64]


def hash_id(customer: str, message_id: str, *, is_rejected: bool = False) -> bytes:
    """Return the 16 bytes that stand for a customer's messageId, among good events or among rejected ones."""
    text = f"{customer}\0{message_id}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=ID_BYTES, person=b"rejected" if is_rejected else b"").digest()


@dataclass(frozen=True, slots=True)
class IdArray:
    """Ids in order of their first halves: `high` and `low` have the same length."""

    high: _U64
    low: _U64

    def __len__(self) -> int:
        return len(self.high)

    @classmethod
    def of(cls, ids: Sequence[bytes]) -> IdArray:
        """Sort ids of 16 bytes."""
        return _sorted(_halves(ids))

    @classmethod
    def merge(cls, arrays: Sequence[IdArray]) -> IdArray:
        """Return all ids of several arrays in one."""
        high = np.concatenate([each.high for each in arrays])
        low = np.concatenate([each.low for each in arrays])
        return _sorted(np.column_stack((high, low)))

    @classmethod
    def mapped(cls, path: Path, ids: IdArray) -> IdArray:
        """Write ids into a file and return them as views of it, which the system may drop from memory."""
        with path.open("wb") as target:
            target.write(ids.high.tobytes())
            target.write(ids.low.tobytes())
        data = map_file(path)
        return cls(data[: len(ids)], data[len(ids) :])

    def contains(self, queries: IdQueries) -> NDArray[np.bool_]:
        """Return for each query whether it is here, in the order of the queries."""
        found = np.zeros(len(queries.order), dtype=np.bool_)
        if len(self):
            places = np.searchsorted(self.high, queries.high)
            inside = np.minimum(places, len(self) - 1)
            same_high = self.high[inside] == queries.high
            hits = same_high & (self.low[inside] == queries.low)
            for index in np.flatnonzero(same_high & ~hits):  # as good as never: two ids with one first half
                hits[index] = self._scan(int(places[index]), queries.high[index], queries.low[index])
            found[queries.order] = hits
        return found

    def _scan(self, place: int, high: np.uint64, low: np.uint64) -> bool:
        while place < len(self) and self.high[place] == high:
            if self.low[place] == low:
                return True
            place += 1
        return False

    def to_bytes(self, last_arrived_ms: int) -> bytes:
        """Return the stored form: a header with the last arrival (ms since 1970) and the count, then both halves."""
        header = _HEADER.pack(_MAGIC, last_arrived_ms, len(self))
        return header + self.high.astype("<u8").tobytes() + self.low.astype("<u8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> tuple[IdArray, int]:
        """Read the stored form: the ids and the last arrival; raises InvalidNameError when it is damaged."""
        if len(data) >= _HEADER.size:
            magic, last_arrived_ms, count = _HEADER.unpack_from(data)
            if magic == _MAGIC and len(data) == _HEADER.size + count * ID_BYTES:
                values: Any = np.frombuffer(data, dtype="<u8", offset=_HEADER.size)
                return cls(values[:count], values[count:]), last_arrived_ms
        remedy = "Restore the object, or delete it: its ids are then not known as duplicates here, only to the loader."
        raise InvalidNameError("reading the ids of a batch", cause="the object is damaged", remedy=remedy)


@dataclass(frozen=True, slots=True)
class IdQueries:
    """Ids to look for, sorted, which makes searching many arrays faster; `order` leads back."""

    high: _U64
    low: _U64
    order: NDArray[np.intp]

    @classmethod
    def of(cls, ids: Sequence[bytes]) -> IdQueries:
        """Prepare ids of 16 bytes."""
        halves = _halves(ids)
        order = np.argsort(halves[:, 0], kind="stable")
        return cls(halves[order, 0], halves[order, 1], order)


def _halves(ids: Sequence[bytes]) -> _U64:
    values: Any = np.frombuffer(b"".join(ids), dtype="<u8").reshape(-1, 2)
    return values  # type: ignore[no-any-return]


def _sorted(halves: _U64) -> IdArray:
    order = np.argsort(halves[:, 0], kind="stable")
    return IdArray(np.ascontiguousarray(halves[order, 0]), np.ascontiguousarray(halves[order, 1]))
