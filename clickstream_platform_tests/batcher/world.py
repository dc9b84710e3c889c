"""A small world for tests of the batcher: a Kinesis stream, an object store, a lease table and a clock.

What belongs here: making it, putting events, reading back what was written. What does not: what is expected of it.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clickstream_platform.batcher.bounds import BatchBounds, ObjectBounds
from clickstream_platform.batcher.config import BatcherConfig
from clickstream_platform.batcher.lease_table import SqlLeaseTable
from clickstream_platform.batcher.leases import Lease, common_watermark_ms, has_work
from clickstream_platform.batcher.memory_shards import MemoryShards
from clickstream_platform.batcher.shard_worker import Parts, ShardWorker, to_ms
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.kinesis_records import KinesisEvent, encode_events
from clickstream_platform.model.manifests import Seal
from clickstream_platform.model.object_keys import RAW_PREFIX, SEAL_PREFIX, RawObjectKey
from clickstream_platform.observe.batcher_metrics import BatcherMetrics

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
HOUR = Hour.of(NOW)


def event(
    number: int | str, *, customer: str = "shop", name: str = "order_completed", at: datetime = NOW, size: int = 0
) -> KinesisEvent:
    """Return an event whose messageId says its number."""
    message_id = f"m-{number}"
    line = json.dumps({"messageId": message_id, "customer": customer, "event": name, "pad": "x" * size}).encode()
    return KinesisEvent(customer, name, message_id, to_ms(at), line)


@dataclass
class World:
    """Everything that outlives a crash, and the clock."""

    folder: Path
    shards_at_first: int = 1
    batch: BatchBounds = field(default_factory=BatchBounds)
    objects: ObjectBounds = field(default_factory=ObjectBounds)
    options: dict[str, Any] = field(default_factory=dict)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))

    def __post_init__(self) -> None:
        """Make the parts."""
        self.shards = MemoryShards(lambda: to_ms(self.clock.now()), self.shards_at_first)
        self.store: Any = MemoryObjectStore(self.clock)
        self.table: Any = SqlLeaseTable("sqlite://", "test")
        self.metrics = BatcherMetrics()
        self.config = BatcherConfig(
            "test", "events", self.folder / "work", batch=self.batch, objects=self.objects, **self.options
        )
        self.workers: list[ShardWorker] = []

    def put(self, *events: KinesisEvent, key: str | None = None) -> None:
        """Put events as one Kinesis record."""
        self.shards.put(key or events[0].message_id, encode_events(events))

    def parts(self) -> Parts:
        """Return what workers share."""
        return Parts(self.config, self.shards, self.table, self.store, self.clock, self.metrics)

    def add_leases(self) -> None:
        """Add leases of all shards."""
        self.table.add(self.shards.list_shards(), Hour.of(self.clock.now()).plus(-1))

    def lease(self, shard_id: str = "shardId-000000000000") -> Lease:
        """Return a lease as the table has it."""
        leases: list[Lease] = self.table.list_leases()
        return next(lease for lease in leases if lease.shard_id == shard_id)

    def worker(self, shard_id: str = "shardId-000000000000") -> ShardWorker:
        """Take a lease, whoever holds it, and return a worker for it, which knows nothing of earlier ones."""
        self.add_leases()
        number = len(self.workers)
        taken = self.table.take(self.lease(shard_id), f"owner-{number}")
        assert taken is not None
        worker = ShardWorker(taken, self.parts(), lambda: True, self.folder / "work" / str(number))
        self.workers.append(worker)
        return worker

    def run(self, worker: ShardWorker, *, is_finishing: bool = True) -> None:
        """Step until nothing more comes; then write what was gathered."""
        while worker.step() == 0.0:
            continue
        if is_finishing:
            worker.complete()

    def run_all(self) -> None:
        """Work on every shard that can be read, parents first, until nothing more comes; then seal what is due."""
        workers: dict[str, ShardWorker] = {}
        while True:
            self.add_leases()
            leases = {lease.shard_id: lease for lease in self.table.list_leases()}
            new = [name for name, lease in leases.items() if name not in workers and has_work(lease, leases)]
            if not new:
                break
            for name in new:
                workers[name] = self.worker(name)
                self.run(workers[name])
        for worker in workers.values():
            self.run(worker)
            worker.seal(common_watermark_ms(self.table.list_leases()))

    def advance(self, **by: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**by))

    def raw(self) -> dict[RawObjectKey, list[bytes]]:
        """Return all raw objects with their lines."""
        found = {}
        for info in self.store.list_objects(RAW_PREFIX):
            text = gzip.decompress(self.store.get(info.key))
            assert text.endswith(b"\n")
            found[RawObjectKey.parse(info.key)] = text.splitlines()
        return found

    def lines(self) -> Counter[bytes]:
        """Return how often each line was written."""
        return Counter(line for lines in self.raw().values() for line in lines)

    def seals(self) -> dict[str, Seal]:
        """Return all seals by key."""
        return {info.key: Seal.from_json(self.store.get(info.key)) for info in self.store.list_objects(SEAL_PREFIX)}

    def check_seals(self) -> None:
        """Check that the seals name exactly the raw objects of the sealed hours, as they are stored."""
        seals = self.seals().values()
        named = {ref.key: ref for seal in seals for refs in seal.streams.values() for ref in refs}
        sealed = {seal.hour for seal in seals}
        assert set(named) == {str(key) for key in self.raw() if key.hour in sealed}
        for key, lines in self.raw().items():
            if key.hour in sealed:
                info = self.store.head(str(key))
                ref = named[str(key)]
                assert (ref.size, ref.etag, ref.records) == (info.size, info.etag, len(lines))

    def close(self) -> None:
        """Close files and connections."""
        self.forget_temporary()
        self.table.close()

    def forget_temporary(self) -> None:
        """Delete the temporary files, as a new machine has none."""
        for worker in self.workers:
            worker.forget()  # closes its spill file
        shutil.rmtree(self.folder / "work", ignore_errors=True)
