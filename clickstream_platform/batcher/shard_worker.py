"""Works on one shard: reads, writes batches, moves the checkpoint, seals hours.

Belongs here: the order of these steps, which is what makes a crash harmless. Does not: the steps themselves, leases
(`instance`).

1. Records are gathered; nothing is written.
2. The batch is due: its end and bounds are recorded in the lease, on condition that the lease is still ours.
3. Objects are written and verified, then the notes.
4. The checkpoint moves to the batch's end, on the same condition, together with the hours that have to be sealed.

A crash or a lost lease before 2 leaves nothing. Between 2 and 4 the next owner finds the plan, reads the same records
and writes the same names; an owner that lost the lease meanwhile can write only what its successor writes as well.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from clickstream_platform.batcher.batch import Batch
from clickstream_platform.batcher.batch_spans import record_batch
from clickstream_platform.batcher.bounds import BatchPlan
from clickstream_platform.batcher.config import BatcherConfig
from clickstream_platform.batcher.consumer import (
    ShardCursor,
    ShardGoneError,
    ShardRead,
    ShardReader,
    ShardRecord,
    ShardsUnavailableError,
)
from clickstream_platform.batcher.id_arrays import HOUR_MS
from clickstream_platform.batcher.known_ids import load_ids
from clickstream_platform.batcher.leases import Lease, LeaseLostError, LeaseTable
from clickstream_platform.batcher.names import hour_of_number, shard_name
from clickstream_platform.batcher.notes import Notes, WrittenObject
from clickstream_platform.batcher.ports import BatchStore
from clickstream_platform.batcher.sealing import due_hours, write_seals
from clickstream_platform.batcher.seen_ids import SeenIds
from clickstream_platform.batcher.spool import Spool
from clickstream_platform.batcher.writing import write_objects
from clickstream_platform.model.hours import Hour, hour_range
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.observe.batcher_metrics import BatcherMetrics

WATERMARK_SECONDS = 5.0  # an idle shard's watermark moves that often
READ_PAUSE_SECONDS, MAX_READ_PAUSE_SECONDS = 0.1, 10.0  # when Kinesis throttles or is away


@dataclass(frozen=True, slots=True)
class Parts:
    """What all workers of an instance share."""

    config: BatcherConfig
    reader: ShardReader
    table: LeaseTable
    store: BatchStore
    clock: Clock
    metrics: BatcherMetrics


class ShardWorker:
    """Holds one lease. Not to be shared by threads; after an error call `forget` before the next step."""

    def __init__(self, lease: Lease, parts: Parts, is_ours: Callable[[], bool], folder: Path) -> None:
        """Work in a folder of its own; `is_ours` tells whether the lease was renewed in time."""
        self.lease, self._parts, self._is_ours, self._folder = lease, parts, is_ours, folder
        self.shard = shard_name(parts.config.kinesis_stream, lease.shard_id)
        self._notes = Notes(parts.store, parts.config.application)
        self._seen: SeenIds | None = None
        self._seen_batches = 0
        self._cursor: ShardCursor | None = None
        self._rest: ShardRead | None = None
        self._batch: Batch | None = None
        self._spool: Spool | None = None
        self._began_ms = self._read_until_ms = self._failed_reads = 0
        self._is_writing = False

    def step(self) -> float:
        """Do the next piece of work; return the seconds to wait before the following one."""
        if self.lease.is_finished:
            return self._parts.config.poll_seconds
        if self._is_writing:  # the object store did not answer the last time
            self.complete()
        try:
            read, self._rest = self._next(), None
            self._failed_reads = 0
        except ShardsUnavailableError:
            return self._without_kinesis()
        except ShardGoneError:
            if any(shard.shard_id == self.lease.shard_id for shard in self._parts.reader.list_shards()):
                raise
            self._give_up()
            return 0.0
        plan = self.lease.plan
        records, rest = (read.records, ()) if plan is None else _split(read.records, plan.end)
        self._take(records)
        self._read_until_ms = self._until_ms(read, rest)
        if plan is not None and not (rest or read.is_end or self._has_planned(plan, read)):
            return 0.0 if read.behind_ms else self._parts.config.poll_seconds
        self._rest = replace(read, records=rest) if rest else None
        if self._batch is not None and (plan is not None or read.is_end or self._is_due()):
            self.complete()
        elif plan is not None:  # nothing of the planned batch is left on the Kinesis stream
            self._change(replace(self.lease, plan=None))
        if self._batch is None and self._rest is None:
            self._settle(read)
        return 0.0 if self._rest or read.behind_ms or read.is_end else self._parts.config.poll_seconds

    def finish(self) -> None:
        """Write what was gathered, unless it is the beginning of a batch that has to be repeated as a whole."""
        if self.lease.plan is None or self._last_sequence() == self.lease.plan.end:
            self.complete()

    def complete(self) -> None:
        """Write the open batch, if there is one, and move the checkpoint behind it.

        After ObjectStoreUnavailableError it may be called again; after any other error call `forget`.
        """
        batch, spool, seen = self._batch, self._spool, self._seen
        if batch is None or spool is None or seen is None:
            return
        self._is_writing = True
        started_ms = self._now_ms()
        if self.lease.plan is None:
            objects = self._parts.config.objects
            window = self._parts.config.window_seconds
            plan = BatchPlan(batch.last_sequence, objects.max_bytes, objects.max_records, window)
            self._change(replace(self.lease, plan=plan))
        self._check_ours()
        number = self.lease.batches + 1
        application = self._parts.config.application
        written = []
        for item in write_objects(self._parts.store, application, self.shard, spool.objects()):
            written.append(item)
            self._check_ours()  # thousands of objects take minutes, and tell meanwhile that this thread is alive
        self._check_ours()
        self._notes.write(self.shard, number, written, seen.stored(batch.last_arrived_ms))
        self._change(
            replace(
                self.lease,
                position=str(batch.last_sequence),
                plan=None,
                batches=number,
                watermark_ms=max(self._read_until_ms, self.lease.watermark_ms or 0),
                unsealed=_with_batch(self.lease, number, written),
            )
        )
        seen.commit(batch.last_arrived_ms)
        self._seen_batches = number
        self._measure(batch, len(written), started_ms)
        record_batch(self.shard, number, written, self._began_ms, self._now_ms())
        self._close_batch()

    def seal(self, common_watermark_ms: int | None) -> int:
        """Seal the hours that are due and return how many; their seals name all of the shard's objects."""
        config = self._parts.config
        hours = due_hours(self.lease, common_watermark_ms, int(config.grace_seconds * 1_000))
        if not hours:
            return 0
        self._check_ours()
        self._change(self.lease)  # refuses an owner that lost the lease without noticing
        self._parts.metrics.seals.inc(write_seals(self._parts.store, self._notes, self.shard, hours, self.lease))
        unsealed = {hour: numbers for hour, numbers in self.lease.unsealed.items() if hour not in hours}
        # A late record's hour is no newer than what is sealed already; a future one's says nothing of those before.
        sealed_through = self.lease.sealed_through
        while sealed_through is not None and sealed_through.plus(1) in hours:
            sealed_through = sealed_through.plus(1)
        self._change(replace(self.lease, unsealed=unsealed, sealed_through=sealed_through))
        return len(hours)

    def forget(self) -> None:
        """Drop what was gathered and not written; the next step begins behind the checkpoint."""
        self._cursor, self._rest = None, None
        self._close_batch()
        if self._seen is not None:
            self._seen.forget_open()

    def _without_kinesis(self) -> float:
        """Keep what was gathered, for the cursor goes on where it stands; write it when it is due."""
        self._failed_reads += 1
        self._parts.metrics.failures.labels("reading").inc()
        if self.lease.plan is None and self._is_due():
            self.complete()
        longest = min(MAX_READ_PAUSE_SECONDS, READ_PAUSE_SECONDS * 2.0**self._failed_reads)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret

    def _next(self) -> ShardRead:
        if self._rest is not None:
            return self._rest
        if self._cursor is None:
            self._cursor = self._resume()
        return self._cursor.read()

    def _give_up(self) -> None:
        """Go on with the children of a shard that Kinesis forgot before it was read to its end."""
        self._parts.metrics.forgotten.inc()
        self.complete()
        self._change(replace(self.lease, plan=None))
        self._finish(max(self._now_ms(), self.lease.watermark_ms or 0))

    def _resume(self) -> ShardCursor:
        leases = {lease.shard_id: lease for lease in self._parts.table.list_leases()}
        mine = leases.get(self.lease.shard_id)
        if mine is None or (mine.owner, mine.fence) != (self.lease.owner, self.lease.fence):
            raise _lost(self.lease)
        self.lease = mine
        if self._seen is None or self._seen_batches != mine.batches:
            shutil.rmtree(self._folder / "ids", ignore_errors=True)
            self._seen = load_ids(self._folder / "ids", mine, leases, self._notes, self._parts.config)
            self._seen_batches = mine.batches
        return self._parts.reader.open(mine.shard_id, mine.position)

    def _take(self, records: Sequence[ShardRecord]) -> None:
        if not records or self._seen is None:
            return
        if self._batch is None:
            plan, config = self.lease.plan, self._parts.config
            bounds = plan.object_bounds if plan else config.objects
            self._spool = Spool(self._folder, bounds, config.memory_bytes)
            window = plan.window_seconds if plan else config.window_seconds
            self._batch = Batch(records[0], self._seen, self._spool, window)
            self._began_ms = self._now_ms()
        self._batch.add(records)

    def _is_due(self) -> bool:
        """Whether a bound is reached, or the hour in which the batch began can be sealed once it is written."""
        config, now_ms = self._parts.config, self._now_ms()
        grace_ms = int(config.grace_seconds * 1_000)
        is_hour_over = (now_ms - grace_ms) // HOUR_MS > (self._began_ms - grace_ms) // HOUR_MS
        batch = self._batch
        if batch is None:
            return False
        events = batch.counts.records + batch.counts.duplicates + batch.counts.strays
        age_seconds = (now_ms - self._began_ms) / 1_000
        return is_hour_over or config.batch.is_due(batch.size_bytes, events, age_seconds, batch.objects)

    def _settle(self, read: ShardRead) -> None:
        """Everything read is written: finish a closed shard, or tell that an idle one has nothing up to now."""
        mark = max(read.asked_ms, self.lease.watermark_ms or 0)
        if read.is_end:
            self._finish(mark)
        elif read.behind_ms == 0 and mark - (self.lease.watermark_ms or 0) >= WATERMARK_SECONDS * 1_000:
            self._change(replace(self.lease, watermark_ms=mark))

    def _finish(self, closed_ms: int) -> None:
        # All shards and not only the children: a child's other parent may be new as well, and has to be read before it.
        shards = self._parts.reader.list_shards()
        closing = hour_of_number(closed_ms // HOUR_MS)
        first = (self.lease.sealed_through or closing).plus(1)
        empty: dict[Hour, tuple[int, ...]] = dict.fromkeys(hour_range(first, closing), ())
        after = replace(
            self.lease,
            is_finished=True,
            watermark_ms=closed_ms,
            sealed_through=closing,
            unsealed={**empty, **self.lease.unsealed},
        )
        self.lease = self._parts.table.change(self.lease, after, shards)

    def _change(self, after: Lease) -> None:
        self.lease = self._parts.table.change(self.lease, after)

    def _check_ours(self) -> None:
        if not self._is_ours():
            raise _lost(self.lease)

    def _until_ms(self, read: ShardRead, rest: Sequence[ShardRecord]) -> int:
        if read.behind_ms == 0 and not rest:
            return read.asked_ms
        return self._batch.last_arrived_ms if self._batch is not None else 0

    def _has_planned(self, plan: BatchPlan, read: ShardRead) -> bool:
        # Where a batch has begun, its end is still to come, whatever Kinesis says: it forgets the oldest records first.
        return self._last_sequence() == plan.end or (self._batch is None and read.behind_ms == 0)

    def _last_sequence(self) -> int | None:
        return self._batch.last_sequence if self._batch is not None else None

    def _close_batch(self) -> None:
        if self._spool is not None:
            self._spool.close()
        self._spool = self._batch = None
        self._is_writing = False

    def _measure(self, batch: Batch, objects: int, started_ms: int) -> None:
        metrics, counts = self._parts.metrics, batch.counts
        metrics.records.labels("written").inc(counts.records)
        metrics.records.labels("duplicate").inc(counts.duplicates)
        metrics.strays.inc(counts.strays)
        metrics.objects.inc(objects)
        metrics.batch_lines.observe(batch.size_bytes)
        metrics.batch_records.observe(counts.records)
        metrics.batch_age.observe((started_ms - self._began_ms) / 1_000)
        metrics.writing.observe((self._now_ms() - started_ms) / 1_000)

    def _now_ms(self) -> int:
        return to_ms(self._parts.clock.now())


def to_ms(moment: datetime) -> int:
    """Return an aware moment in ms since 1970."""
    return int(moment.timestamp() * 1_000)


def _split(records: Sequence[ShardRecord], end: int) -> tuple[Sequence[ShardRecord], Sequence[ShardRecord]]:
    count = sum(record.sequence <= end for record in records)
    return records[:count], records[count:]


def _with_batch(lease: Lease, number: int, written: Sequence[WrittenObject]) -> dict[Hour, tuple[int, ...]]:
    unsealed = dict(lease.unsealed)
    for hour in {item.hour for item in written}:
        unsealed[hour] = (*unsealed.get(hour, ()), number)
    return unsealed


def _lost(lease: Lease) -> LeaseLostError:
    return LeaseLostError(
        "working on a shard",
        where=lease.shard_id,
        cause="the lease was not renewed in time, or is another's",
        remedy="It goes on there; nothing is lost.",
    )
