"""One request of the tracking API, from its body to the answer that it is durable.

In this order: room for the request, the write key, its customer's rate limit, the items, and then the wait until they
are on Kinesis or in the spool. Belongs here: that order. Does not: routes (`app`), each step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from clickstream_platform.collector.answers import accepted
from clickstream_platform.collector.completing import Arrival
from clickstream_platform.collector.delivery import Delivery
from clickstream_platform.collector.judging import Judged, judge_items, reject
from clickstream_platform.collector.options import HttpOptions
from clickstream_platform.collector.ports import KeyDirectory, KeyHolder
from clickstream_platform.collector.proxies import TrustedProxies
from clickstream_platform.collector.rate_limits import RateLimits
from clickstream_platform.collector.reading import Body, read_batch, read_single
from clickstream_platform.collector.requests import (
    NOBODY,
    OpenRequests,
    RefusedRequestError,
    decompress,
    hash_of_key,
    key_of_body,
    key_of_request,
    read_body,
)
from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.observe.collector_metrics import CollectorMetrics
from clickstream_platform.observe.tracing import Span, Thinning, is_tracing, record

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_NOT_READY_SECONDS = 5
# A longer body is read and judged in a thread, so that others are answered meanwhile; few at once, for their memory.
_SLOW_BYTES, _SLOW_AT_ONCE = 500_000, 2


class Collecting:
    """Takes the requests of all customers."""

    def __init__(
        self, keys: KeyDirectory, delivery: Delivery, clock: Clock, options: HttpOptions, metrics: CollectorMetrics
    ) -> None:
        """Take the ports and the limits."""
        self._keys, self._delivery, self._clock = keys, delivery, clock
        self._options, self._metrics = options, metrics
        self._open = OpenRequests(options)
        metrics.open_requests.set_function(lambda: self._open.requests)
        self._limits = RateLimits(options.events_per_second, options.burst_seconds)
        self._thinning = Thinning()
        self._slow = asyncio.Semaphore(_SLOW_AT_ONCE)
        self._proxies = TrustedProxies(options.trusted_proxies)

    async def collect(self, request: Request, kind: str | None) -> Response:
        """Store the items of a request; `kind` is the record type that the path names, None for batches.

        Raises RefusedRequestError or OverloadedError; the answer of a whole body in quarantine is the former's.
        """
        with self._open.open() as opened:
            key = key_of_request(request)
            holder = self.holder_of(key) if key is not None else None
            opened.belongs_to(NOBODY if holder is None else holder.customer)
            if holder is not None:
                self._limit(holder, 0)  # reading costs more than anything that follows
            raw = await read_body(request, self._options, opened)
            arrival_at = self._clock.now()
            arrival_at = arrival_at.replace(microsecond=arrival_at.microsecond // 1000 * 1000)
            client = self._proxies.client_of(
                request.client.host if request.client else None, ",".join(request.headers.getlist("x-forwarded-for"))
            )
            try:
                data = decompress(raw, request.headers.get("content-encoding", ""), self._options)
                self._metrics.request_body.observe(len(data))
                opened.add(max(0, len(data) - len(raw)))
                body = await self._in_turn(len(data), self._read, data, kind)
            except RefusedRequestError:
                raise
            except RejectedRecordError as error:
                if holder is None:  # nobody's: there is no customer to keep it for
                    raise self._unknown_key("the request names no write key") from error
                raise await self._quarantined(raw, Arrival(holder.customer, arrival_at), holder, error) from error
            if holder is None:
                holder = self.holder_of(key_of_body(body.fields, body.items))
            opened.belongs_to(holder.customer)
            if len(body.items) > self._options.max_items:
                raise RefusedRequestError(413, "too_large", f"a request has {self._options.max_items} items at most")
            self._limit(holder, len(body.items))
            try:
                arrival = Arrival(holder.customer, arrival_at, client, kind, body.fields)
            except RejectedRecordError as error:  # of what the batch says for all of its items
                raise await self._quarantined(raw, Arrival(holder.customer, arrival_at), holder, error) from error
            added = arrival.shared_bytes * len(body.items)
            if added > self._options.max_shared_bytes:
                raise RefusedRequestError(413, "too_large", "the batch's own context is too long for so many items")
            opened.add(added)
            judged = await self._in_turn(
                len(data) + added, judge_items, body.items, arrival, self._options.max_event_bytes
            )
            await self._delivery.deliver(holder.customer, judged.events)
            self._trace(arrival, len(body.items), len(judged.rejected))
            return self._answer(len(body.items), judged)

    def holder_of(self, key: str | None) -> KeyHolder:
        """Return whose a write key is; raise RefusedRequestError, 401 for an unknown one."""
        if not self._keys.is_ready():
            raise RefusedRequestError(503, "starting", "the write keys are not read yet", _NOT_READY_SECONDS)
        holder = None if key is None else self._keys.find(hash_of_key(key), self._clock.now())
        if holder is None:
            raise self._unknown_key("the request names no write key" if key is None else "no such write key")
        return holder

    def _read(self, data: bytes, kind: str | None) -> Body:
        return read_batch(data, self._options.max_items) if kind is None else read_single(data)

    async def _in_turn(
        self, size: int, work: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs
    ) -> _Result:
        """Do what takes long for so many bytes."""
        if size <= _SLOW_BYTES:
            return work(*given, **named)
        async with self._slow:
            return await asyncio.to_thread(work, *given, **named)

    async def _quarantined(
        self, raw: bytes, arrival: Arrival, holder: KeyHolder, error: RejectedRecordError
    ) -> RefusedRequestError:
        """Keep a body that can't be taken apart, for its SDK won't send it again; return what it is answered."""
        self._limit(holder, 1)
        await self._delivery.deliver(holder.customer, list(reject(raw, 1, arrival, error)))
        self._metrics.items.labels("rejected").inc()
        self._metrics.rejected.labels(str(RejectReason(error.reason))).inc()
        return RefusedRequestError(400, error.reason, f"{error.detail}; the body is in quarantine")

    def _trace(self, arrival: Arrival, items: int, rejected: int) -> None:
        """Record a few of the requests of each customer-hour, from their arrival until they are durable."""
        if not is_tracing():
            return
        hour = Hour.of(arrival.received_at)
        if number := self._thinning.count(arrival.customer, hour):
            attributes = {"request": number, "items": items, "rejected": rejected}
            record(Span("collect", arrival.customer, hour, arrival.received_at, self._clock.now(), attributes))

    def _limit(self, holder: KeyHolder, items: int) -> None:
        wait = self._limits.take(holder.customer, items, holder.events_per_second)
        if wait:
            raise RefusedRequestError(429, "rate_limited", "more events than this customer may send", wait)

    def _unknown_key(self, detail: str) -> RefusedRequestError:
        self._metrics.unknown_keys.inc()
        return RefusedRequestError(401, "unknown_write_key", detail)

    def _answer(self, items: int, judged: Judged) -> Response:
        rejected = len(judged.rejected)
        self._metrics.items.labels("accepted").inc(items - rejected)
        if rejected:
            self._metrics.items.labels("rejected").inc(rejected)
            for reason in judged.rejected:
                self._metrics.rejected.labels(str(reason)).inc()
        return accepted(items - rejected, rejected)
