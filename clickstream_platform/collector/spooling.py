"""The spool in an asyncio process: many writers share one fsync, and one reader brings records back to Kinesis.

All disk work runs in one thread, so the event loop never waits for a disk and `Spool` needs no locks. Belongs here:
group commit, bounds, replay. Does not: the form on disk (`spool`), when records come here (`delivery`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from clickstream_platform.collector.options import SpoolOptions
from clickstream_platform.collector.spool import Segment, Spool, SpoolRecord
from clickstream_platform.model.kinesis_records import PAYLOAD_UNIT_BYTES
from clickstream_platform.observe.collector_metrics import CollectorMetrics

FRAME_BYTES = 300  # more than a frame is larger than its data
BATCH_RECORDS, BATCH_BYTES = 500, 4_000_000
_FAILED_READ_SECONDS = 5.0
_logger = logging.getLogger(__name__)
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_Waiting = tuple[Sequence[SpoolRecord], "asyncio.Future[None]"]

SendAll = Callable[[Sequence[SpoolRecord]], Awaitable[list[SpoolRecord]]]
"""Puts records on Kinesis in their order, however long it takes; returns those that Kinesis never takes."""


class Spooler:
    """One folder of records; made and used in one event loop."""

    def __init__(self, options: SpoolOptions, customer_share: float, metrics: CollectorMetrics) -> None:
        """Open the folder, counting what an earlier process left; raise ConfigurationError when that can't be."""
        self._spool = Spool(options.folder, options.segment_bytes)
        self._max_bytes, self._max_customer_bytes = options.max_bytes, int(options.max_bytes * customer_share)
        self._bytes_of = Counter(self._spool.bytes_of)
        self._bytes = sum(self._bytes_of.values())
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, "spool")
        self._waiting: list[_Waiting] = []
        self._work, self._records = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        metrics.spool_limit.set(options.max_bytes)
        metrics.spool_bytes.set(self._bytes)
        self._damaged_bytes = 0
        self._tell_damage()
        if self._bytes:
            self._records.set()

    @property
    def bytes(self) -> int:
        """Bytes on disk and on their way there."""
        return self._bytes

    @property
    def is_full(self) -> bool:
        """Whether a Kinesis record of the usual size no longer fits."""
        return self._bytes + PAYLOAD_UNIT_BYTES + FRAME_BYTES >= self._max_bytes

    def start(self, send_all: SendAll) -> None:
        """Begin to write, and to bring records back to Kinesis."""
        self._tasks = [asyncio.create_task(self._write_forever()), asyncio.create_task(self._replay_forever(send_all))]

    def has_room(self, customer: str, size: int, all_sizes: int) -> bool:
        """Whether so many bytes more of a customer, and of all together, stay within the bounds."""
        own = self._bytes_of.get(customer, 0) + size
        return self._bytes + all_sizes <= self._max_bytes and own <= self._max_customer_bytes

    async def append(self, records: Sequence[SpoolRecord]) -> None:
        """Return when records are synced to disk; raise OSError when the disk refused them."""
        sizes = [(record.customer, len(record.to_frame())) for record in records]
        self._count(sizes, 1)
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((records, future))
        self._work.set()
        try:
            await asyncio.shield(future)
        except OSError:
            self._count(sizes, -1)
            self._metrics.spool_failures.inc()
            raise

    async def close(self) -> None:
        """Stop replaying, finish writing, and let go of the folder."""
        for task in self._tasks[1:]:
            task.cancel()
        while self._waiting:
            await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._in_thread(self._spool.close)
        self._thread.shutdown()

    def _count(self, sizes: Sequence[tuple[str, int]], sign: int) -> None:
        for customer, size in sizes:
            self._bytes_of[customer] += sign * size
            self._bytes += sign * size
        self._metrics.spool_bytes.set(self._bytes)

    async def _write_forever(self) -> None:
        while True:
            await self._work.wait()
            group = self._waiting[:]
            error: OSError | None = None
            try:
                with self._metrics.spool_sync_duration.time():
                    await self._in_thread(self._spool.append, [r for records, _ in group for r in records])
            except Exception as refusal:  # whatever it is, the requests that wait must hear of it
                _logger.exception("The spool can't be written")
                error = refusal if isinstance(refusal, OSError) else OSError(str(refusal))
            del self._waiting[: len(group)]
            if not self._waiting:
                self._work.clear()
            for _, future in group:
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)
            if error is None:
                self._records.set()

    async def _replay_forever(self, send_all: SendAll) -> None:
        while True:
            await self._records.wait()
            try:
                segment = await self._in_thread(self._spool.oldest)
                if segment is None:
                    self._records.clear()
                    continue
                records = await self._read(segment)
                for batch in _batches(records):
                    refused = await send_all(batch)
                    if refused:
                        await self._set_aside(refused)
                    events = sum(record.events for record in batch) - sum(record.events for record in refused)
                    self._metrics.spool_replayed.inc(events)
                await self._in_thread(self._spool.remove, segment)
                self._count(list(segment.bytes_of.items()), -1)
            except Exception:  # whatever it is, replaying must go on
                _logger.exception("The spool can't be read")
                self._metrics.spool_failures.inc()
                await asyncio.sleep(_FAILED_READ_SECONDS)

    async def _read(self, segment: Segment) -> list[SpoolRecord]:
        """Return the records of a segment; let others come first when it can't be read."""
        try:
            records = await self._in_thread(self._spool.read, segment)
        except OSError:
            await self._in_thread(self._spool.postpone, segment)
            raise
        self._tell_damage()
        return records

    async def _set_aside(self, records: Sequence[SpoolRecord]) -> None:
        size = await self._in_thread(self._spool.set_aside, records)
        self._metrics.spool_damaged.inc(size)
        _logger.error("Kinesis refuses %d records of the spool for good; they are kept as *.refused", len(records))

    def _tell_damage(self) -> None:
        new = self._spool.damaged_bytes - self._damaged_bytes
        if new:
            self._damaged_bytes += new
            self._metrics.spool_damaged.inc(new)
            _logger.error("%d bytes of the spool are damaged; they will be kept as *.damaged", new)

    async def _in_thread(self, work: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *given, **named))


def _batches(records: Sequence[SpoolRecord]) -> Iterator[list[SpoolRecord]]:
    batch: list[SpoolRecord] = []
    size = 0
    for record in records:
        if batch and (len(batch) == BATCH_RECORDS or size + len(record.data) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record.data)
    if batch:
        yield batch
