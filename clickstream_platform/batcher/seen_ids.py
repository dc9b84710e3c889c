"""Which ids a shard has written within the window of de-duplication, in bounded memory.

Belongs here: the window, the ids of the open batch, and keeping the rest on disk. Does not: the form of the arrays
(`id_arrays`), where they are stored for a restart (`journal`).

The answer for a record depends on the complete batches and on the records of its own batch, never on the clock: a batch
that is repeated after a crash, here or elsewhere, loses the same duplicates. So ids expire by hours of arrival, as a
whole, measured from the first arrival of the batch that asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clickstream_platform.batcher.id_arrays import HOUR_MS, ID_BYTES, IdArray, IdQueries

MAX_OPEN_IDS = 65_536  # as Python objects: some 8 MB
MAX_ARRAYS = 8
MAPPED_BYTES = 1 << 18  # below, some kilobytes in memory are cheaper than a file


class _Bucket:
    """The ids of one hour of arrival: few arrays, large ones in files."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._files = 0
        self.arrays: list[IdArray] = []

    def add(self, ids: IdArray) -> None:
        old: list[Path] = []
        if len(self.arrays) >= MAX_ARRAYS:
            ids, old, self.arrays = IdArray.merge([*self.arrays, ids]), self._paths(), []
        if len(ids) * ID_BYTES >= MAPPED_BYTES:
            self._files += 1
            ids = IdArray.mapped(self._folder / f"{self._name}-{self._files}.ids", ids)
        self.arrays.append(ids)
        for path in old:
            path.unlink()  # still there for whoever has it mapped

    def delete(self) -> None:
        self.arrays = []
        for path in self._paths():
            path.unlink()

    def _paths(self) -> list[Path]:
        return list(self._folder.glob(f"{self._name}-*.ids"))


class SeenIds:
    """The ids of one shard and of those it came from."""

    def __init__(self, folder: Path) -> None:
        """Keep what is large in a folder of its own, which is this object's alone."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._buckets: dict[int, _Bucket] = {}
        self._open: set[bytes] = set()
        self._open_arrays: list[IdArray] = []
        self._oldest_end_ms = 0

    def load(self, stored: bytes) -> None:
        """Take in the ids of a complete batch."""
        ids, last_arrived_ms = IdArray.from_bytes(stored)
        self._add(ids, last_arrived_ms)

    def begin(self, first_arrived_ms: int, window_seconds: int) -> None:
        """Begin a batch whose first record arrived then: older ids than the window before it do not count."""
        self._oldest_end_ms = first_arrived_ms - window_seconds * 1_000
        for hour, bucket in list(self._buckets.items()):
            # An hour longer than they count: arrivals are not strictly in order.
            if (hour + 2) * HOUR_MS <= self._oldest_end_ms:
                bucket.delete()
                del self._buckets[hour]

    def are_new(self, ids: Sequence[bytes]) -> list[bool]:
        """Return for each id in order whether it is the first of its kind, and remember those for the open batch."""
        if not ids:
            return []
        queries, seen = IdQueries.of(ids), np.zeros(len(ids), dtype=np.bool_)
        for array in self._counting():
            seen |= array.contains(queries)
        opened, answers = self._open, []
        for each, is_seen in zip(ids, seen.tolist(), strict=True):
            is_new = not is_seen and each not in opened
            if is_new:
                opened.add(each)
            answers.append(is_new)
        if len(opened) >= MAX_OPEN_IDS:
            self._close_open()
        return answers

    def stored(self, last_arrived_ms: int) -> bytes:
        """Return the open batch's ids in their stored form; `last_arrived_ms` is that of its last record."""
        self._close_open()
        arrays = self._open_arrays
        return (IdArray.merge(arrays) if arrays else IdArray.of([])).to_bytes(last_arrived_ms)

    def commit(self, last_arrived_ms: int) -> None:
        """Make the open batch one of the complete ones."""
        self._close_open()
        for array in self._open_arrays:
            self._add(array, last_arrived_ms)
        self._open_arrays = []

    def forget_open(self) -> None:
        """Drop the ids of the open batch, which is going to be repeated."""
        self._open, self._open_arrays = set(), []

    def _counting(self) -> list[IdArray]:
        arrays = list(self._open_arrays)
        for hour, bucket in self._buckets.items():
            if (hour + 1) * HOUR_MS > self._oldest_end_ms:
                arrays += bucket.arrays
        return arrays

    def _close_open(self) -> None:
        if self._open:
            self._open_arrays.append(IdArray.of(list(self._open)))
            self._open = set()
        if len(self._open_arrays) > MAX_ARRAYS:
            self._open_arrays = [IdArray.merge(self._open_arrays)]

    def _add(self, ids: IdArray, last_arrived_ms: int) -> None:
        hour = last_arrived_ms // HOUR_MS
        if hour not in self._buckets:
            self._buckets[hour] = _Bucket(self._folder, str(hour))
        if len(ids):
            self._buckets[hour].add(ids)
