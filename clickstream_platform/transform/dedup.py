"""Which records of a batch repeat an earlier one: exact, in memory of 24 bytes a record, whatever the ids look like.

A record repeats another when both are of one stream and have the same messageId. When the lines are the same too,
the later one is dropped at once. When they differ the ids are *contested*: all of them are kept until the batch is
read, and the one that arrived first wins (`receivedAt`, then the line's hash): the order of objects never matters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from clickstream_platform.transform.shreds import Shred
from clickstream_platform.transform.texts import Bools, Ints
from clickstream_platform.transform.timestamps import parse_timestamps

Hashes = npt.NDArray[np.uint64]
_NEVER = np.iinfo(np.int64).max


@dataclass(slots=True)
class _Tier:
    """Identities sorted by their first half; `second` and `line_hash` in the same order."""

    first: Hashes
    second: Hashes
    line_hash: Ints


@dataclass(slots=True)
class SeenRecords:
    """The identities of all records of the batch so far, in sorted tiers that merge as they grow."""

    _tiers: list[_Tier] = field(default_factory=list)
    _contested: list[Hashes] = field(default_factory=list)

    def add(self, shreds: Iterable[Shred]) -> list[Bools]:
        """Remember the records of one chunk; return for each shred which rows to keep (new or contested)."""
        shreds = list(shreds)
        identity, line_hash, position = _identities(shreds)
        if not len(position):
            return [np.ones(0, bool) for _ in shreds]
        bounds = np.cumsum([len(shred) for shred in shreds])[:-1]
        for shred, halves in zip(shreds, np.split(identity[:, 0], bounds), strict=True):
            shred.identity = halves.view(np.int64)
        order = np.lexsort((position, identity[:, 1], identity[:, 0]))
        first, second, line = identity[order, 0], identity[order, 1], line_hash[order]
        same = np.concatenate(([False], (first[1:] == first[:-1]) & (second[1:] == second[:-1])))
        heads = np.maximum.accumulate(np.where(same, 0, np.arange(len(same))))
        repeated, differs = same.copy(), same & (line != line[heads])
        for tier in self._tiers:
            place = np.minimum(np.searchsorted(tier.first, first), len(tier.first) - 1)
            hit = (tier.first[place] == first) & (tier.second[place] == second)
            differs |= hit & (tier.line_hash[place] != line)
            repeated |= hit
        self._remember(first[~repeated], second[~repeated], line[~repeated])
        if differs.any():
            self._contested.append(np.unique(first[differs]))
        keep = np.empty(len(order), bool)
        keep[order] = ~repeated | differs
        return list(np.split(keep, bounds))

    def losers(self, shreds: Iterable[Shred]) -> Ints:
        """Return the positions of contested records that lose, sorted; the shreds are all that were kept."""
        if not self._contested:
            return np.zeros(0, np.int64)
        contested = np.unique(np.concatenate(self._contested)).view(np.int64)
        found: dict[int, list[tuple[int, int, int]]] = {}
        for shred in shreds:
            rows = np.flatnonzero(np.isin(shred.identity, contested))
            if not len(rows):
                continue
            arrived = _arrivals(shred, rows)
            for row, time in zip(rows.tolist(), arrived, strict=True):
                rank = (time, int(shred.line_hash[row]), int(shred.position[row]))
                found.setdefault(int(shred.identity[row]), []).append(rank)
        return np.array(sorted(rank[2] for ranks in found.values() for rank in sorted(ranks)[1:]), np.int64)

    def _remember(self, first: Hashes, second: Hashes, line_hash: Ints) -> None:
        tier = _Tier(first, second, line_hash)
        while self._tiers and len(self._tiers[-1].first) <= 2 * len(tier.first):
            tier = _join(self._tiers.pop(), tier)
        if len(tier.first):
            self._tiers.append(tier)


def _join(left: _Tier, right: _Tier) -> _Tier:
    first = np.concatenate((left.first, right.first))
    order = np.argsort(first, kind="stable")
    second = np.concatenate((left.second, right.second))[order]
    return _Tier(first[order], second, np.concatenate((left.line_hash, right.line_hash))[order])


def _identities(shreds: list[Shred]) -> tuple[Hashes, Ints, Ints]:
    """Return per row: 128 bits over stream and messageId, the line's hash and the position."""
    digests: list[bytes] = []
    for shred in shreds:
        salts = {number: number.to_bytes(8, "little") for number in np.unique(shred.stream).tolist()}
        texts = shred.columns["id"].to_pylist()
        digests.extend(
            blake2b(text.encode(), digest_size=16, salt=salts[number]).digest()
            for text, number in zip(texts, shred.stream.tolist(), strict=True)
        )
    identity = np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2)
    joined = [np.concatenate([getattr(s, name) for s in shreds] or [np.zeros(0, np.int64)]) for name in _FIELDS]
    return identity, joined[0], joined[1]


_FIELDS = ("line_hash", "position")


def _arrivals(shred: Shred, rows: Ints) -> list[int]:
    column = shred.columns.get("received_at")
    if column is None:
        return [_NEVER] * len(rows)
    times = parse_timestamps(column.take(rows)).cast("int64").to_pylist()
    return [_NEVER if time is None else int(time) for time in times]
