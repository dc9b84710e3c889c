"""Measures the batcher: from shards in this process to gzip objects, on one core. Not a test.

    python -m clickstream_platform_tests.batcher.throughput

What belongs here: the workloads and the table. What does not: Kinesis, whose emulators are far slower than this.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from clickstream_platform.batcher.config import BatcherConfig
from clickstream_platform.batcher.consumer import ShardInfo, ShardRead, ShardRecord
from clickstream_platform.batcher.id_arrays import HOUR_MS, IdArray
from clickstream_platform.batcher.lease_table import SqlLeaseTable
from clickstream_platform.batcher.names import notes_key, shard_name
from clickstream_platform.batcher.shard_worker import Parts, ShardWorker, to_ms
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.gateways.stores import open_object_store
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.kinesis_records import KinesisEvent, encode_events
from clickstream_platform.observe.batcher_metrics import BatcherMetrics

# Name, events, streams, events in a Kinesis record, where objects go, ids in the window before.
WORKLOADS = (
    ("100 streams, one event a record", 200_000, 100, 1, "memory", 0),
    ("100 streams, 20 events a record", 300_000, 100, 20, "memory", 0),
    ("5,000 streams", 500_000, 5_000, 20, "memory", 0),
    ("5,000 streams, folder with fsync", 300_000, 5_000, 20, "folder", 0),
    ("100 streams, 20 million ids known", 200_000, 100, 20, "folder", 20_000_000),
)
SHARD = "shardId-000000000000"
_LINE = (
    b'{"receivedAt":"2026-11-22T09:02:03.931Z","messageId":"%s","type":"track","event":"Order Completed","userId":'
    b'"user-%d","anonymousId":"%032x","context":{"library":{"name":"analytics.js","version":"2.1.0"},"page":{"path":'
    b'"/products/%d","url":"https://shop.example/products/%d","title":"A product"},"userAgent":"Mozilla/5.0 (X11; '
    b'Linux x86_64) AppleWebKit/537.36 Chrome/120 Safari/537.36","ip":"10.0.0.%d","locale":"de-DE"},'
    b'"properties":{"order_id":"%d","total":%d.99,"currency":"EUR","products":[{"sku":"S-%d","price":19.9,"quantity":1}]}}'
)


class Source:
    """A shard that makes its events when it is read; `seconds` is what that took and is not counted."""

    def __init__(self, events: int, streams: int, per_record: int) -> None:
        self.left, self.seconds = events, 0.0
        self._streams, self._per_record = streams, per_record
        self._number, self._sequence = 0, 10**55

    def list_shards(self) -> list[ShardInfo]:
        return [ShardInfo(SHARD)]

    def open(self, shard_id: str, position: str) -> Source:
        return self

    def read(self) -> ShardRead:
        started = time.process_time()
        now = to_ms(SystemClock().now())
        records = []
        for _ in range(1_000 // self._per_record):
            self._sequence += 1
            data = encode_events(self._event(now) for _ in range(self._per_record))
            records.append(ShardRecord(self._sequence, now, data))
        self.left -= len(records) * self._per_record
        self.seconds += time.process_time() - started
        return ShardRead(records, max(0, self.left), is_end=False, asked_ms=now)

    def _event(self, now_ms: int) -> KinesisEvent:
        self._number += 1
        n = self._number
        stream, message_id = n * 7_919 % self._streams, f"{n:032x}"
        line = _LINE % (message_id.encode(), n % 9_999, n * 31_337, n % 511, n % 511, n % 255, n, n % 500, n % 77)
        return KinesisEvent(f"customer_{stream % 50}", f"event_{stream}", message_id, now_ms, line)


def measure(events: int, streams: int, per_record: int, place: str, known: int) -> str:
    """Run one workload and return its row."""
    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), SystemClock()
        store = open_object_store("memory://" if place == "memory" else str(folder / "objects"))
        table = SqlLeaseTable("sqlite://", "measure")
        source = Source(events, streams, per_record)
        config = BatcherConfig("measure", "events", folder / "work")
        table.add(source.list_shards(), Hour.of(clock.now()).plus(-1))
        lease = table.take(table.list_leases()[0], "me")
        if lease is None:
            raise RuntimeError("somebody else measures in this process")
        worker = ShardWorker(
            lease, Parts(config, source, table, store, clock, BatcherMetrics()), lambda: True, config.work_dir
        )
        if known:
            _prepare_ids(store, known, to_ms(clock.now()))
            table.change(lease, replace(lease, batches=24))
        started, started_cpu = time.perf_counter(), time.process_time()
        while source.left > 0:
            worker.step()
        worker.complete()
        seconds = time.perf_counter() - started - source.seconds
        cpu_seconds = time.process_time() - started_cpu - source.seconds
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        table.close()
        return f"{events / seconds:>10,.0f} {events / cpu_seconds:>14,.0f} {memory_mb:>10,}"


def _prepare_ids(store: ObjectStore, known: int, now_ms: int) -> None:
    for hour in range(24):
        ids = IdArray.of([os.urandom(16) for _ in range(known // 24)])
        key = notes_key("measure", shard_name("events", SHARD), hour + 1, "ids")
        store.put(key, ids.to_bytes(now_ms - hour * HOUR_MS))


def main() -> None:
    """Print the table; each workload has a process of its own, so that its peak of memory is its own."""
    if len(sys.argv) > 1:
        _, events, streams, per_record, place, known = WORKLOADS[int(sys.argv[1])]
        print(measure(events, streams, per_record, place, known))
        return
    print(f"{'':<36} {'events/s':>10} {'events/CPU-s':>14} {'peak MB':>10}")
    for number, (name, *_) in enumerate(WORKLOADS):
        command = [sys.executable, "-m", "clickstream_platform_tests.batcher.throughput", str(number)]
        row = subprocess.run(command, check=True, capture_output=True, text=True).stdout.rstrip()
        print(f"{name:<36} {row}", flush=True)


if __name__ == "__main__":
    main()
