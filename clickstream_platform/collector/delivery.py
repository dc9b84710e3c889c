"""From judged events to durable ones: onto Kinesis, or into the spool while Kinesis is slow or away.

`deliver` returns when every event of a request is safe, and raises OverloadedError when that can't be had; the request
is then repeated by its SDK, and what was safe already is a duplicate by its messageId.

- Events of a request are cut into pieces of one Kinesis payload unit; pieces of one partition key that wait at the same
  time share a Kinesis record. The key is made of the first messageId, so a repeated batch meets itself on one shard.
- Kinesis takes some records of a request and not others: those not taken come first in their customer's line again,
  after a backoff with jitter.
- What waits longer than `spool_after_seconds`, and everything while Kinesis is away, goes to the spool.

Belongs here: these rules. Does not: who is next (`fair_queue`), disks (`spooling`), Amazon's client (the sink).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

from clickstream_platform.collector.fair_queue import FairQueue, Parcel, Piece
from clickstream_platform.collector.options import DeliveryOptions
from clickstream_platform.collector.ports import RecordSink, SinkRecord, SinkUnavailableError
from clickstream_platform.collector.spool import SpoolRecord
from clickstream_platform.collector.spooling import FRAME_BYTES, Spooler
from clickstream_platform.errors import RetryableError
from clickstream_platform.model.kinesis_records import PAYLOAD_UNIT_BYTES, KinesisEvent, encode_event
from clickstream_platform.observe.collector_metrics import CollectorMetrics

_logger = logging.getLogger(__name__)
_NO_ANSWER = "UnexpectedAnswer"  # for another number of records than were sent
# Of PutRecords: 500 records, 5 MiB with their keys.
PUT_RECORDS, PUT_BYTES = 500, 5_000_000
# Of requests that Kinesis does not take however often they are sent, for one record in them.
_REFUSED = frozenset({"ValidationException", "InvalidArgumentException", "SerializationException"})
_CAUSES = {
    "ProvisionedThroughputExceededException": "throttled",
    "ThrottlingException": "throttled",
    "KMSThrottlingException": "throttled",
    "LimitExceededException": "throttled",
    "InternalFailure": "internal",
    "ServiceUnavailable": "unavailable",
}


class OverloadedError(RetryableError):
    """No more records can be made durable now; the client is to repeat its request after `retry_after` seconds."""

    def __init__(self, cause: str, retry_after: int) -> None:
        """Keep how long to wait."""
        self.retry_after = retry_after
        super().__init__("storing events", cause=cause, remedy="Repeat the request later; nothing of it is lost.")


class _Shared(NamedTuple):
    """A Kinesis record and the pieces that it is made of."""

    record: SinkRecord
    pieces: list[Piece]


class Delivery:
    """Made and used in one event loop."""

    def __init__(
        self, sink: RecordSink, spooler: Spooler | None, options: DeliveryOptions, metrics: CollectorMetrics
    ) -> None:
        """Take the sink and, if there is one, the spool; nothing runs yet."""
        self._sink, self._spooler, self._options, self._metrics = sink, spooler, options, metrics
        self._queue = FairQueue(options.queue_bytes, options.customer_share)
        self._filled = asyncio.Event()
        self._senders: list[asyncio.Task[None]] = []
        self._watch: asyncio.Task[None] | None = None
        self._taken: set[Piece] = set()
        self._failures_in_a_row, self._away_until = 0, 0.0
        self._successes = 0
        self.is_closing = False

    @property
    def can_store(self) -> bool:
        """Whether anything more can be made durable: readiness."""
        has_space = self._spooler is None or not self._spooler.is_full
        return not self.is_closing and (has_space or not self._is_away())

    def start(self) -> None:
        """Begin to send, and to replay what an earlier process left in the spool."""
        self._senders = [asyncio.create_task(self._send_forever()) for _ in range(self._options.senders)]
        if self._spooler is not None:
            self._watch = asyncio.create_task(self._watch_forever())
            self._spooler.start(self._send_all)

    async def deliver(self, customer: str, events: Sequence[KinesisEvent]) -> None:
        """Return when all events of a request are durable; raise OverloadedError when they can't be made so."""
        if not events:
            return
        if self.is_closing:
            raise self._overloaded("the collector is stopping")
        loop = asyncio.get_running_loop()
        parcel = Parcel(0, loop.create_future())
        pieces = list(self._cut(customer, events, parcel, loop.time()))
        parcel.pieces = len(pieces)
        size = sum(len(piece.data) for piece in pieces)
        if self._has_spool_room(customer, size) and (self._is_away() or not self._queue.has_room(customer, size)):
            await self._spool(pieces)
        elif self._queue.has_room(customer, size):
            for piece in pieces:
                self._queue.push(piece)
            self._metrics.queue_bytes.set(self._queue.bytes)
            self._filled.set()
        else:
            raise self._overloaded("queue and spool are full")
        await parcel.future

    async def close(self) -> None:
        """Send what waits, as far as the time for it allows, put the rest into the spool, and stop."""
        self.is_closing = True
        self._filled.set()
        if self._senders:
            await asyncio.wait(self._senders, timeout=self._options.drain_seconds)
        tasks = [*self._senders, *([self._watch] if self._watch is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        left = [
            *sorted(self._taken, key=lambda piece: piece.since),
            *self._queue.take(1_000_000_000, 1_000_000_000_000),
        ]
        if left:
            await self._spool(left)
        if self._spooler is not None:
            await self._spooler.close()
        await self._sink.close()

    def _cut(self, customer: str, events: Sequence[KinesisEvent], parcel: Parcel, now: float) -> Iterator[Piece]:
        """Yield the pieces of a request, each of one payload unit, or of one event that is larger."""
        place = crc32(events[0].message_id.encode("utf-8", "replace")) % self._options.partition_keys
        key = f"{customer}/{place}"
        parts: list[bytes] = []
        size = 0
        for event in events:
            part = encode_event(event)
            if parts and size + len(part) > PAYLOAD_UNIT_BYTES:
                yield Piece(customer, key, b"".join(parts), len(parts), parcel, now)
                parts, size = [], 0
            parts.append(part)
            size += len(part)
        yield Piece(customer, key, b"".join(parts), len(parts), parcel, now)

    async def _send_forever(self) -> None:
        while True:
            pieces = self._queue.take(PUT_RECORDS, PUT_BYTES)
            if pieces:
                self._taken.update(pieces)
                await self._try_to_send(pieces)
                continue
            if self.is_closing:
                return
            self._filled.clear()
            await self._filled.wait()

    async def _try_to_send(self, pieces: list[Piece]) -> None:
        try:
            if self._spooler is not None and self._is_away():  # while they waited; the replay finds out when it is back
                await self._repeat(pieces)
            else:
                await self._send(pieces)
        except Exception:  # whatever it is, the requests that wait must not hang, nor those of later
            _logger.exception("Sending failed")
            for piece in pieces:
                if piece in self._taken:
                    self._fail(piece, "a fault of the collector")

    async def _watch_forever(self) -> None:
        """Put into the spool what waits too long because every sender waits for a Kinesis that does not answer."""
        longest = self._options.spool_after_seconds
        while True:
            await asyncio.sleep(max(longest / 4, 0.05))
            late = self._queue.take_older(asyncio.get_running_loop().time() - longest)
            self._taken.update(late)
            fitting = set(self._fitting(late))
            self._push_back([piece for piece in late if piece not in fitting])
            await self._append([piece for piece in late if piece in fitting])

    async def _send(self, pieces: list[Piece]) -> None:
        shared = list(_share(pieces))
        codes = await self._put([each.record for each in shared])
        failed: list[Piece] = []
        for each, code in zip(shared, codes, strict=True):
            if code is None:
                self._finish(each.pieces, "kinesis")
            else:
                failed.extend(each.pieces)
        if failed:
            await self._repeat(failed)

    async def _put(self, records: Sequence[SinkRecord]) -> list[str | None]:
        """Return what became of each record; a failure of the request as a whole counts for Kinesis being away."""
        codes: list[str | None] = []
        failure: str | None = None
        try:
            with self._metrics.put_duration.time():
                codes = await self._sink.put(records)
            failure = None if len(codes) == len(records) else _NO_ANSWER
        except SinkUnavailableError as error:
            failure = error.code
        except Exception as error:  # whatever it is, the requests that wait must not hang
            _logger.exception("Putting records on Kinesis failed")
            failure = type(error).__name__
        if failure is None or failure in _REFUSED:  # it is not away
            self._failures_in_a_row, self._away_until = 0, 0.0
        if failure is None:
            self._successes += None in codes
        else:
            codes = [failure] * len(records)
            self._failures_in_a_row += failure not in _REFUSED
            if self._failures_in_a_row >= self._options.away_after_failures:
                self._away_until = asyncio.get_running_loop().time() + self._options.away_seconds
        self._metrics.put_records.observe(len(records))
        for code in codes:
            if code is not None:
                self._metrics.put_failures.labels(_CAUSES.get(code, "other")).inc()
        return codes

    async def _repeat(self, failed: list[Piece]) -> None:
        """Put what waited too long into the spool; let the rest wait and come first again."""
        now = asyncio.get_running_loop().time()
        overdue: list[Piece] = []
        waiting: list[Piece] = []
        for piece in failed:
            piece.attempts += 1
            is_overdue = now - piece.since >= self._options.spool_after_seconds or self._is_away()
            (overdue if is_overdue else waiting).append(piece)
        if overdue:
            await self._spool(overdue)
        if waiting:
            pause = self._backoff(max(piece.attempts for piece in waiting))
            asyncio.get_running_loop().call_later(pause, self._push_back, waiting)
            if self._failures_in_a_row:  # nothing was taken at all; else a busy shard must not hold up the others
                await asyncio.sleep(pause)

    def _push_back(self, pieces: list[Piece]) -> None:
        """Let pieces come first again, unless the end of the collector was faster."""
        waiting = [piece for piece in pieces if piece in self._taken]
        self._taken.difference_update(waiting)
        self._queue.push_back(waiting)
        self._filled.set()

    async def _spool(self, pieces: list[Piece]) -> None:
        """Make pieces durable on disk, whether they were in the queue or come directly; fail those that it refuses."""
        fitting = set(self._fitting(pieces))
        for piece in pieces:
            if piece not in fitting:
                self._fail(piece, "Kinesis does not take them and the spool is full")
        await self._append([piece for piece in pieces if piece in fitting])

    def _fitting(self, pieces: Sequence[Piece]) -> Iterator[Piece]:
        """Yield the pieces for which the spool has room, for all of them together."""
        planned, total = Counter[str](), 0
        for piece in pieces:
            own, size = planned[piece.customer], len(piece.data) + FRAME_BYTES
            if self._spooler is not None and self._spooler.has_room(piece.customer, own + size, total + size):
                planned[piece.customer] += size
                total += size
                yield piece

    async def _append(self, fitting: list[Piece]) -> None:
        if not fitting or self._spooler is None:
            return
        try:
            await self._spooler.append([SpoolRecord(p.customer, p.partition_key, p.data, p.events) for p in fitting])
        except OSError as error:
            for piece in fitting:
                self._fail(piece, f"the spool can't be written: {error.strerror}")
        else:
            self._finish(fitting, "spool")

    async def _send_all(self, records: Sequence[SpoolRecord]) -> list[SpoolRecord]:
        """Put records of the spool on Kinesis, in their order, until all are taken.

        Return those that it refuses though it takes others: they are searched for by halves.
        """
        left, later, refused = list(records), list[list[SpoolRecord]](), list[SpoolRecord]()
        attempts, before = 0, self._successes
        while left:
            codes = await self._put([SinkRecord(record.partition_key, record.data) for record in left])
            is_refused = _REFUSED.issuperset(codes)
            if is_refused and len(left) > 1:
                half = len(left) // 2
                later.append(left[half:])
                left = left[:half]
                continue
            if is_refused and self._successes > before:
                refused += left
                left = []
            left = [record for record, code in zip(left, codes, strict=False) if code is not None]
            if left:
                attempts += 1
                await asyncio.sleep(self._backoff(attempts))
            elif later:
                left, attempts = later.pop(), 0
        return refused

    def _finish(self, pieces: list[Piece], way: str) -> None:
        for piece in pieces:
            self._release(piece)
            piece.parcel.done()
        self._metrics.stored.labels(way).inc(sum(piece.events for piece in pieces))

    def _fail(self, piece: Piece, cause: str) -> None:
        self._release(piece)
        piece.parcel.fail(self._overloaded(cause))

    def _release(self, piece: Piece) -> None:
        if piece in self._taken:
            self._taken.remove(piece)
            self._queue.release(piece)
            self._metrics.queue_bytes.set(self._queue.bytes)

    def _overloaded(self, cause: str) -> OverloadedError:
        return OverloadedError(cause, self._options.retry_after_seconds)

    def _has_spool_room(self, customer: str, size: int) -> bool:
        return self._spooler is not None and self._spooler.has_room(customer, size + FRAME_BYTES, size + FRAME_BYTES)

    def _is_away(self) -> bool:
        if asyncio.get_running_loop().time() < self._away_until:
            return True
        # As long as there is something to replay, the replay alone tries: nobody's request is to wait for that.
        is_replaying = self._spooler is not None and self._spooler.bytes > 0
        return is_replaying and self._failures_in_a_row >= self._options.away_after_failures

    def _backoff(self, attempts: int) -> float:
        """Return a random wait of up to a limit that doubles with each attempt ("full jitter"), in seconds."""
        longest = self._options.first_backoff_seconds * 2.0 ** min(attempts, 30)
        return random.uniform(0.2, 1.0) * min(longest, self._options.max_backoff_seconds)  # noqa: S311 - no secret


def _share(pieces: Sequence[Piece]) -> Iterator[_Shared]:
    """Yield Kinesis records of up to one payload unit: pieces with one key share one, in their order."""
    by_key: dict[str, list[Piece]] = {}
    for piece in pieces:
        waiting = by_key.setdefault(piece.partition_key, [])
        if waiting and sum(len(each.data) for each in waiting) + len(piece.data) > PAYLOAD_UNIT_BYTES:
            yield _shared(waiting)
            waiting = by_key[piece.partition_key] = []
        waiting.append(piece)
    yield from map(_shared, by_key.values())


def _shared(pieces: list[Piece]) -> _Shared:
    return _Shared(SinkRecord(pieces[0].partition_key, b"".join(piece.data for piece in pieces)), pieces)
