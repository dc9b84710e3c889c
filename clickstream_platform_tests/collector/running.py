"""A collector on a free port of the loopback address, in a thread of the test; stand-ins for what it asks of others.

What belongs here: starting, stopping, sending, what was put. What does not: what is tested with it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from clickstream_platform.collector.options import DeliveryOptions, HttpOptions, SpoolOptions
from clickstream_platform.collector.ports import KeyHolder, RecordSink, SinkRecord, SinkUnavailableError
from clickstream_platform.collector.requests import hash_of_key
from clickstream_platform.collector.running import build_collector
from clickstream_platform.collector.serving import make_server
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.kinesis_records import KinesisEvent, decode_events
from clickstream_platform.model.shared_ports import Clock

KEY, OTHER_KEY = "WK_test", "WK_other"
CUSTOMER, OTHER_CUSTOMER = "acme", "globex"
NOW = datetime(2026, 11, 22, 9, 2, 3, 931_000, tzinfo=UTC)
FAST = DeliveryOptions(
    spool_after_seconds=0.2, first_backoff_seconds=0.005, max_backoff_seconds=0.05, away_seconds=0.1, drain_seconds=2.0
)
Behaviour = Callable[[Sequence[SinkRecord]], "list[str | None]"]


@dataclass
class Keys:
    """Two write keys; as many limits of their own as a test gives."""

    limits: dict[str, float] = field(default_factory=dict)
    ready: bool = True

    def find(self, key_hash: str, now: datetime) -> KeyHolder | None:
        for key, customer in ((KEY, CUSTOMER), (OTHER_KEY, OTHER_CUSTOMER)):
            if hash_of_key(key) == key_hash:
                return KeyHolder(customer, f"wk_{customer}", self.limits.get(customer))
        return None

    def is_ready(self) -> bool:
        return self.ready


class MemorySink:
    """Takes records into a list; what it answers is up to the test: codes per record, or a failure of the whole."""

    def __init__(self) -> None:
        self.records: list[SinkRecord] = []
        self.requests: list[list[SinkRecord]] = []
        self.behaviour: Behaviour | None = None
        self.is_closed = False

    async def put(self, records: Sequence[SinkRecord]) -> list[str | None]:
        await asyncio.sleep(0)
        self.requests.append(list(records))
        codes: list[str | None] = [None] * len(records)
        if self.behaviour is not None:
            codes = self.behaviour(records)
        self.records += [record for record, code in zip(records, codes, strict=True) if code is None]
        return codes

    async def close(self) -> None:
        self.is_closed = True

    @property
    def events(self) -> list[KinesisEvent]:
        return [event for record in self.records for event in decode_events(record.data)]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(event.line) for event in self.events]


def away(_: Sequence[SinkRecord]) -> list[str | None]:
    """Behave as Kinesis that nobody reaches."""
    raise SinkUnavailableError("EndpointConnectionError")


def throttled(records: Sequence[SinkRecord]) -> list[str | None]:
    """Behave as shards that are all too busy."""
    return ["ProvisionedThroughputExceededException"] * len(records)


@dataclass
class Collector:
    """A running collector as its clients see it."""

    url: str
    client: httpx.Client

    def post(self, path: str, body: object, key: str | None = KEY, **options: Any) -> httpx.Response:
        """Send a body (JSON unless it is bytes) with a write key in the header."""
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        if key is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(self.url + path, content=content, headers=headers, **options)

    def metric(self, name: str, **labels: str) -> float:
        """Return one value of the metrics page, 0 when it isn't there."""
        wanted = name + ("{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}" if labels else "") + " "
        lines = self.client.get(self.url + "/metrics").text.splitlines()
        return next((float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted)), 0.0)


@contextmanager
def running_collector(
    sink: RecordSink,
    *,
    keys: Keys | None = None,
    clock: Clock | None = None,
    spool: Path | SpoolOptions | None = None,
    http: HttpOptions | None = None,
    delivery: DeliveryOptions = FAST,
) -> Iterator[Collector]:
    """Start a collector, yield it, stop it as SIGTERM does."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = build_collector(
        keys=keys or Keys(),
        sink=sink,
        clock=clock or FixedClock(NOW),
        http=http or HttpOptions(),
        delivery=delivery,
        spool=SpoolOptions(spool) if isinstance(spool, Path) else spool,
    )
    server = make_server(app)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        with httpx.Client(timeout=20, trust_env=False) as client:
            yield Collector(f"http://127.0.0.1:{listener.getsockname()[1]}", client)
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()
        assert not thread.is_alive()


def track(number: int = 1, **members: Any) -> dict[str, Any]:
    """Return a track event with an id of its own."""
    return {"type": "track", "event": "Order Completed", "userId": "u", "messageId": f"m-{number}", **members}
