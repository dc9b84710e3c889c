"""Which records of a batch repeat another: exact, whatever the ids look like, in memory that does not grow with them.

A record takes 36 bytes, of which 8 are looked through again and again; large lots of them are kept on disk.

Records of one stream with the same messageId are one record. The one that arrived first wins: the smallest
`receivedAt`, then the smallest hash of the line. So the winner does not depend on the order of objects or lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clickstream_platform.transform.shreds import Shred
from clickstream_platform.transform.texts import Bools, Ints
from clickstream_platform.transform.timestamps import parse_timestamps

Hashes = npt.NDArray[np.uint64]
_NEVER = np.iinfo(np.int64).max
# Lots of up to so many records are merged, and those of more than half as many lie on disk.
MAX_TIER_RECORDS = 500_000
_SALT = np.uint64(0x9E3779B97F4A7C15)  # spreads stream numbers over all bits


@dataclass(slots=True)
class _Records:
    """Records as columns: 128 bits of identity (stream, messageId), rank (arrival in microseconds, hash), position."""

    first: Hashes
    second: Hashes
    arrived: Ints
    line_hash: npt.NDArray[np.uint32]
    position: Ints

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: Ints | Bools) -> _Records:
        return _Records(
            self.first[rows], self.second[rows], self.arrived[rows], self.line_hash[rows], self.position[rows]
        )

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        return self.first, self.second, self.arrived, self.line_hash, self.position

    @classmethod
    def join(cls, parts: Iterable[_Records]) -> _Records:
        return cls(*map(np.concatenate, zip(*(part.columns for part in parts), strict=True)))

    @classmethod
    def merge(cls, one: _Records, other: _Records) -> _Records:
        """Join two tiers into one that is sorted by identity."""
        order = np.argsort(np.concatenate((one.first, other.first)), kind="stable")
        return cls(*(np.concatenate(pair)[order] for pair in zip(one.columns, other.columns, strict=True)))

    def on_disk(self, folder: Path, number: int) -> _Records:
        """Write the columns into files and return them as views of these, which can be written to."""
        views = []
        for index, column in enumerate(self.columns):
            path = folder / f"seen-{number:05d}-{index}.npy"
            np.save(path, column)
            views.append(np.load(path, mmap_mode="r+"))
        return _Records(*views)


@dataclass(slots=True)
class SeenRecords:
    """The records that won so far, in tiers sorted by identity that merge as they grow.

    Large tiers lie in `folder`, if there is one. `losers` are positions of records that were kept before one that
    arrived earlier was found.
    """

    folder: Path | None = None
    losers: list[int] = field(default_factory=list)
    _tiers: list[_Records] = field(default_factory=list)
    _written: int = 0

    def add(self, shreds: Iterable[Shred]) -> list[Bools]:
        """Remember the records of one chunk; return for each shred which rows win, as far as is known yet."""
        shreds = list(shreds)
        if not shreds:
            return []
        records = _Records.join(_records_of(shred) for shred in shreds)
        order = np.lexsort((records.position, records.line_hash, records.arrived, records.second, records.first))
        ordered = records.take(order)
        same = (ordered.first[1:] == ordered.first[:-1]) & (ordered.second[1:] == ordered.second[:-1])
        wins = np.concatenate(([True], ~same))
        known = np.zeros(len(ordered), bool)
        for tier in self._tiers:
            place = np.minimum(np.searchsorted(tier.first, ordered.first), len(tier) - 1)
            hit = wins & (tier.first[place] == ordered.first) & (tier.second[place] == ordered.second)
            for row in np.flatnonzero(hit).tolist():
                wins[row] = self._contest(tier, int(place[row]), ordered, row)
            known |= hit
        self._remember(ordered.take(wins & ~known))
        keep = np.empty(len(ordered), bool)
        keep[order] = wins
        return list(np.split(keep, np.cumsum([len(shred) for shred in shreds])[:-1]))

    def _contest(self, tier: _Records, place: int, records: _Records, row: int) -> bool:
        """Decide between the winner so far and a record of its identity; return whether the record wins."""
        rank = (records.arrived[row], records.line_hash[row])
        if rank >= (tier.arrived[place], tier.line_hash[place]):
            return False
        self.losers.append(int(tier.position[place]))
        tier.arrived[place], tier.line_hash[place] = rank
        tier.position[place] = records.position[row]
        return True

    def forget(self) -> None:
        """Free everything but the losers: no more records come."""
        self._tiers.clear()

    def _remember(self, tier: _Records) -> None:
        if not len(tier):
            return
        while self._tiers and len(self._tiers[-1]) <= min(2 * len(tier), MAX_TIER_RECORDS - len(tier)):
            tier = _Records.merge(self._tiers.pop(), tier)
        if self.folder is not None and 2 * len(tier) > MAX_TIER_RECORDS:
            tier = tier.on_disk(self.folder, self._written)
            self._written += 1
        self._tiers.append(tier)


def _records_of(shred: Shred) -> _Records:
    """Identify records by two hashes of 64 bits: Python's own, which are keyed anew in each process."""
    texts = shred.columns["id"].to_pylist()
    salt = shred.stream.astype(np.uint64) * _SALT
    first = np.array([hash(text) for text in texts], np.int64).view(np.uint64) ^ salt
    second = np.array([hash(text[::-1]) for text in texts], np.int64).view(np.uint64) ^ salt
    return _Records(first, second, _arrivals(shred), shred.line_hash.astype(np.uint32), shred.position)


def _arrivals(shred: Shred) -> Ints:
    """Return arrivals in microseconds since 1970; records without one rank last."""
    column = shred.columns.get("received_at")
    if column is None:
        return np.full(len(shred), _NEVER)
    return np.asarray(parse_timestamps(column).cast("int64").fill_null(_NEVER))
