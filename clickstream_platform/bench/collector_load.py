"""How many events a second the collector makes durable, and how long its answers take.

    python -m clickstream_platform.bench.collector_load [--seconds 10] [--kinesis ENDPOINT STREAM]
    python -m clickstream_platform.bench.collector_load --minutes 10 [--rate 1000] [--kinesis ENDPOINT STREAM]

The collector runs in a process of its own, as in production; this process is its clients: connections that send batches
one after another. Without `--kinesis` the sink takes everything and keeps nothing, so that the collector itself is
measured; with it, the server's own ceiling (PutRecords of the same data without a collector) is printed beside it.
With `--minutes` the load is a steady one, and each minute's answers and memory are printed (`collector_minutes`).

Belongs here: the load and the figures. Does not: the comparison with dlt (`measure`).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import multiprocessing
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from clickstream_platform.bench.collector_minutes import Minutes, send_steadily
from clickstream_platform.collector.options import DeliveryOptions, HttpOptions, SpoolOptions
from clickstream_platform.collector.ports import KeyHolder, RecordSink, SinkRecord
from clickstream_platform.collector.running import run_collector
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.gateways.kinesis_producer import KinesisProducer

BATCH_EVENTS = 20
CONNECTIONS = 32
FIRST_STEADY = 50_000_000  # ids of batches of the steady load begin here; those of the first second are others
_ID_PLACE = "@@@@@@@@"


class AnyKey:
    """Takes every write key for the one customer's."""

    def find(self, key_hash: str, now: datetime) -> KeyHolder | None:  # noqa: ARG002 - the port's form
        """Return that customer."""
        return KeyHolder("acme", "wk_bench")

    def is_ready(self) -> bool:
        """Answer yes."""
        return True


class NoSink:
    """Takes every record and keeps none."""

    async def put(self, records: Sequence[SinkRecord]) -> list[str | None]:
        """Say that all were taken."""
        return [None] * len(records)

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""
        return


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run measured."""

    events_per_second: float
    median_ms: float
    p99_ms: float
    worst_ms: float
    cpu_seconds_per_1000_events: float
    memory_mb: float


def request_bytes() -> bytes:
    """Return one request of 20 events of 700 bytes, with places for the ids."""
    event = {
        "type": "track",
        "event": "Order Completed",
        "userId": "user-4711",
        "messageId": f"bench-{_ID_PLACE}-",
        "timestamp": "2026-11-22T09:02:03.931Z",
        "context": {"library": {"name": "bench", "version": "1"}, "page": {"url": "https://shop.example/" + "p" * 60}},
        "properties": {"orderId": "o-1", "total": 99.95, "products": [{"sku": f"s{n}", "price": n} for n in range(12)]},
        "integrations": {},
    }
    batch = [{**event, "messageId": f"{event['messageId']}{n:02d}"} for n in range(BATCH_EVENTS)]
    body = json.dumps({"batch": batch, "sentAt": "2026-11-22T09:02:04.000Z"}).encode()
    key = base64.b64encode(b"bench:").decode()
    head = (
        f"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _client(port: int, number: int, request: bytes, until: float, waits: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = number
    while time.perf_counter() < until:
        started = time.perf_counter()
        await _send(reader, writer, request, sent)
        waits.append(time.perf_counter() - started)
        sent += CONNECTIONS
    writer.close()


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, number: int) -> None:
    writer.write(request.replace(_ID_PLACE.encode(), b"%08d" % number))
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"the collector answered {head[:60]!r}")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    await reader.readexactly(length)


async def _load(port: int, seconds: float) -> tuple[list[float], float]:
    waits: list[float] = []
    request, started = request_bytes(), time.perf_counter()
    await asyncio.gather(*(_client(port, n, request, started + seconds, waits) for n in range(CONNECTIONS)))
    return waits, time.perf_counter() - started


def _collect(listener: socket.socket, kinesis: tuple[str, str] | None, folder: str) -> None:
    sink: RecordSink = NoSink()
    if kinesis is not None:
        sink = KinesisProducer(kinesis[1], endpoint_url=kinesis[0], region="us-east-1")
    run_collector(
        listener,
        keys=AnyKey(),
        sink=sink,
        clock=SystemClock(),
        http=HttpOptions(),
        delivery=DeliveryOptions(spool_after_seconds=30.0),
        spool=SpoolOptions(Path(folder)),
    )


@contextmanager
def _collecting(kinesis: tuple[str, str] | None) -> Iterator[tuple[int, int]]:
    """Run a collector in a process of its own; give its port and process id."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.get_context("fork").Process(target=_collect, args=(listener, kinesis, folder))
        process.start()
        try:
            yield listener.getsockname()[1], process.pid or 0
        finally:
            process.terminate()
            process.join()
            listener.close()


def measure(seconds: float, kinesis: tuple[str, str] | None = None) -> Figures:
    """Run the collector under full load for so long, and return what came of it."""
    with _collecting(kinesis) as (port, pid):
        asyncio.run(_load(port, 1.0))  # until everything is loaded and connected
        before = _cpu_seconds(pid)
        waits, elapsed = asyncio.run(_load(port, seconds))
        used, memory_mb = _cpu_seconds(pid) - before, _memory_mb(pid)
    events = len(waits) * BATCH_EVENTS
    cuts = statistics.quantiles(waits, n=100)
    return Figures(
        events_per_second=events / elapsed,
        median_ms=cuts[49] * 1000,
        p99_ms=cuts[98] * 1000,
        worst_ms=max(waits) * 1000,
        cpu_seconds_per_1000_events=used / events * 1000,
        memory_mb=memory_mb,
    )


def measure_minutes(minutes: float, rate: float, kinesis: tuple[str, str] | None = None) -> Minutes:
    """Send so many events a second for so many minutes, and return what came of it."""
    request = request_bytes()
    with _collecting(kinesis) as (port, pid):
        asyncio.run(_load(port, 1.0))
        return asyncio.run(
            send_steadily(
                port,
                minutes,
                rate / BATCH_EVENTS,
                CONNECTIONS,
                lambda reader, writer, number: _send(reader, writer, request, FIRST_STEADY + number),
                lambda: _memory_mb(pid),
            )
        )


def ceiling(seconds: float, kinesis: tuple[str, str]) -> float:
    """Return how many events a second the Kinesis server takes by itself, in records of 20 events."""
    producer = KinesisProducer(kinesis[1], endpoint_url=kinesis[0], region="us-east-1")
    data = request_bytes().partition(b"\r\n\r\n")[2]

    async def put(until: float) -> int:
        done = 0
        while time.perf_counter() < until:
            await producer.put([SinkRecord(f"acme/{n}", data) for n in range(8)])
            done += 8
        return done

    async def run() -> float:
        started = time.perf_counter()
        done = sum(await asyncio.gather(*(put(started + seconds) for _ in range(DeliveryOptions().senders))))
        elapsed = time.perf_counter() - started
        await producer.close()
        return done * BATCH_EVENTS / elapsed

    return asyncio.run(run())


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _memory_mb(pid: int) -> float:
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Load on the collector.")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--minutes", type=float, default=0.0, help="Steady load for so long, instead of full load.")
    parser.add_argument("--rate", type=float, default=1_000.0, help="Events a second of the steady load.")
    parser.add_argument("--kinesis", nargs=2, metavar=("ENDPOINT", "STREAM"))
    options = parser.parse_args()
    kinesis = (options.kinesis[0], options.kinesis[1]) if options.kinesis else None
    if options.minutes:
        found = measure_minutes(options.minutes, options.rate, kinesis)
        Console().print(found.table(options.rate, BATCH_EVENTS))
        return
    runs: list[tuple[str, Figures]] = [("sink that keeps nothing", measure(options.seconds))]
    if kinesis is not None:
        runs.append(("Kinesis server", measure(options.seconds, kinesis)))
    table = Table("sink", "events/s", "median ms", "p99 ms", "worst ms", "CPU s/1,000 events", "memory MB")
    for name, figures in runs:
        table.add_row(
            name,
            f"{figures.events_per_second:,.0f}",
            f"{figures.median_ms:.1f}",
            f"{figures.p99_ms:.1f}",
            f"{figures.worst_ms:.1f}",
            f"{figures.cpu_seconds_per_1000_events:.3f}",
            f"{figures.memory_mb:.0f}",
        )
    if kinesis is not None:
        table.add_row("Kinesis server without collector", f"{ceiling(options.seconds / 2, kinesis):,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
