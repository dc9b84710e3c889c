"""A Kinesis stream in memory: the fake beside the port, with splits and merges; held to the same contract.

Belongs here: `MemoryShards`. Does not: anything a deployment uses; its records are gone with the process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import md5

from clickstream_platform.batcher.consumer import ShardGoneError, ShardInfo, ShardRead, ShardRecord

HASH_KEYS = 1 << 128
MAX_RECORDS_PER_READ = 1_000


class _Shard:
    def __init__(self, parents: tuple[str, ...], low: int, high: int) -> None:
        self.parents, self.low, self.high = parents, low, high
        self.records: list[ShardRecord] = []
        self.is_closed = False


class MemoryShards:
    """Records by shard; a record's partition key chooses its shard as Kinesis does, by MD5."""

    def __init__(self, now_ms: Callable[[], int], shards: int = 1) -> None:
        """Start with so many empty shards of equal width; `now_ms` tells the time of arrival."""
        self._now_ms = now_ms
        self._lock = threading.RLock()
        self._shards: dict[str, _Shard] = {}
        self._sequence = 49_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000
        self._failures: deque[Exception] = deque()
        width = HASH_KEYS // shards
        for number in range(shards):
            self._add((), number * width, HASH_KEYS if number == shards - 1 else (number + 1) * width)

    def _add(self, parents: tuple[str, ...], low: int, high: int) -> str:
        name = f"shardId-{len(self._shards):012d}"
        self._shards[name] = _Shard(parents, low, high)
        return name

    def put(self, partition_key: str, data: bytes, *, arrived_ms: int | None = None) -> tuple[str, int]:
        """Append a record; return its shard and sequence number."""
        key = int.from_bytes(md5(partition_key.encode(), usedforsecurity=False).digest(), "big")
        with self._lock:
            for name, shard in self._shards.items():
                if not shard.is_closed and shard.low <= key < shard.high:
                    self._sequence += 1
                    arrived = self._now_ms() if arrived_ms is None else arrived_ms
                    shard.records.append(ShardRecord(self._sequence, arrived, data))
                    return name, self._sequence
        raise ShardGoneError("putting a record", cause="no open shard holds its key", remedy="This is a fault.")

    def split(self, shard_id: str) -> tuple[str, str]:
        """Close a shard and open two in its place; return their names."""
        with self._lock:
            shard = self._open_shard(shard_id)
            middle = (shard.low + shard.high) // 2
            shard.is_closed = True
            return self._add((shard_id,), shard.low, middle), self._add((shard_id,), middle, shard.high)

    def merge(self, first: str, second: str) -> str:
        """Close two neighbours and open one in their place; return its name."""
        with self._lock:
            left, right = sorted((self._open_shard(first), self._open_shard(second)), key=lambda each: each.low)
            left.is_closed = right.is_closed = True
            return self._add((first, second), left.low, right.high)

    def fail_next(self, error: Exception) -> None:
        """Make the next read raise an error."""
        self._failures.append(error)

    def list_shards(self) -> list[ShardInfo]:
        """See `ShardReader.list_shards`."""
        with self._lock:
            return [ShardInfo(name, shard.parents) for name, shard in self._shards.items()]

    def open(self, shard_id: str, position: str) -> MemoryCursor:
        """See `ShardReader.open`."""
        if shard_id not in self._shards:
            raise ShardGoneError(f"opening {shard_id}", cause="there is no such shard", remedy="List the shards again.")
        return MemoryCursor(self, shard_id, position)

    def _open_shard(self, shard_id: str) -> _Shard:
        shard = self._shards[shard_id]
        if shard.is_closed:
            raise ShardGoneError(f"changing {shard_id}", cause="it is closed", remedy="Name an open shard.")
        return shard

    def _read(self, shard_id: str, start: int) -> tuple[Sequence[ShardRecord], int, bool, int]:
        asked_ms = self._now_ms()
        with self._lock:
            if self._failures:
                raise self._failures.popleft()
            shard = self._shards[shard_id]
            found = shard.records[start : start + MAX_RECORDS_PER_READ]
            rest = shard.records[start + len(found) :]
            behind_ms = max(1, asked_ms - rest[0].arrived_ms) if rest else 0
            return found, behind_ms, shard.is_closed and not rest, asked_ms

    def _start(self, shard_id: str, position: str) -> int:
        records = self._shards[shard_id].records
        if position.startswith("@"):
            return sum(record.arrived_ms < int(position[1:]) for record in records)
        return sum(record.sequence <= int(position) for record in records) if position else 0


class MemoryCursor:
    """Reads one shard of `MemoryShards` onwards."""

    def __init__(self, shards: MemoryShards, shard_id: str, position: str) -> None:
        """Start behind a position."""
        self._shards, self._shard_id = shards, shard_id
        self._next = shards._start(shard_id, position)

    def read(self) -> ShardRead:
        """See `ShardCursor.read`."""
        records, behind_ms, is_end, asked_ms = self._shards._read(self._shard_id, self._next)
        self._next += len(records)
        return ShardRead(records, behind_ms, is_end, asked_ms)
