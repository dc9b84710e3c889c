"""Real SDKs, unmodified: what they sent when it was recorded, and what they send now, each event exactly once."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import importlib
import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform.collector.ports import SinkRecord
from clickstream_platform_tests.collector.running import (
    CUSTOMER,
    FAST,
    KEY,
    Behaviour,
    Keys,
    MemorySink,
    running_collector,
    throttled,
)
from clickstream_platform_tests.shared_data import needs_shared_data, read_json_lines, shared_data

RECORDINGS = "3-sdk-calls"
# Each SDK was made to send these, in this order; the last holds NaN, Infinity, NUL and a large integer.
SENT = ["identifies", "order_completed", "pages", "screens", "groups", "aliases", "nan_event"]


def recordings() -> list[Path]:
    folder = shared_data(RECORDINGS)
    return sorted(folder.glob("*.jsonl")) if folder.is_dir() else []


def body_of(call: dict[str, Any]) -> bytes:
    """Return a recorded body's bytes: compressed again where the SDK compressed it."""
    text = call.get("body_text")
    body = (text if isinstance(text, str) else json.dumps(call["body"])).encode()
    return gzip.compress(body) if call["gzip"] else body


@needs_shared_data(RECORDINGS)
@pytest.mark.parametrize("path", recordings(), ids=lambda path: path.stem)
def test_recorded_calls_are_taken_as_they_were_sent(path: Path) -> None:
    calls, sink = read_json_lines(path), MemorySink()
    with running_collector(sink) as collector:
        for call in calls:
            headers = {name: value for name, value in call["headers"] if name not in ("Host", "Content-Length")}
            assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == f"{KEY}:"
            answer = collector.client.request(
                call["method"], collector.url + call["path"], content=body_of(call), headers=headers
            )
            assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert {event.customer for event in sink.events} == {CUSTOMER}
    sent = {item["messageId"] for call in calls for item in call["body"]["batch"]}
    assert {event.message_id for event in sink.events} == sent
    by_id = {event.message_id: event for event in sink.events}
    assert sorted(event.event for event in by_id.values()) == sorted(SENT)
    nan = next(json.loads(event.line) for event in by_id.values() if event.event == "nan_event")
    assert nan["properties"]["x"] is nan["properties"]["inf"] is None
    assert nan["properties"]["nul"] == "a\0b"
    if "segjs" in path.name:  # JavaScript writes NaN as null by itself, and halves of surrogate pairs as they are
        assert [note["reason"] for note in nan["_discarded"]] == ["lone_surrogate"]
    else:
        assert nan["properties"]["big"] == 2**70
        assert [note["value"] for note in nan["_discarded"]] == ["NaN", "Infinity"]


@needs_shared_data(RECORDINGS)
def test_a_property_of_any_script_stays() -> None:
    sink = MemorySink()
    call = read_json_lines(shared_data(RECORDINGS, "segpy_ok_plain.jsonl"))[0]
    with running_collector(sink) as collector:
        collector.post(call["path"], body_of(call))
    (order,) = (json.loads(event.line) for event in sink.events if event.event == "order_completed")
    assert order["properties"] == call["body"]["batch"][1]["properties"]


def segment_client(url: str, use_gzip: bool) -> Any:
    client = importlib.import_module("segment.analytics.client")
    return client.Client(KEY, host=url, gzip=use_gzip, max_retries=4, upload_interval=0.05, sync_mode=False)


def rudderstack_client(url: str, use_gzip: bool) -> Any:
    client = importlib.import_module("rudderstack.analytics.client")
    return client.Client(KEY, host=url, gzip=use_gzip, max_retries=4, upload_interval=0.05, sync_mode=False)


def send_all(client: Any) -> None:
    when = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    client.identify("u1", {"email": "a@b.c", "signup": when})
    client.track("u1", "Order Completed", {"total": 1.5, "Größe": "x", "products": [{"sku": "a"}]})
    client.page("u1", "Docs", "Home", {"path": "/x"})
    client.screen("u1", "App", "Main", {"w": 1})
    client.group("u1", "g1", {"employees": 7})
    client.alias("old1", "u1")
    client.track("u1", "Nan Event", {"x": float("nan"), "inf": float("inf"), "big": 2**70, "nul": "a\0b"})
    client.flush()
    client.join()


class SlowKeys(Keys):
    """Keys that are not read yet when they are first asked for."""

    def is_ready(self) -> bool:
        was_ready, self.ready = self.ready, True
        return was_ready


def busy_at_first() -> Behaviour:
    """Return Kinesis that throttles for longer than a request without a spool waits for it."""
    started: list[float] = []

    def answer(records: Sequence[SinkRecord]) -> list[str | None]:
        started.append(time.monotonic())
        is_busy = time.monotonic() - started[0] < 2 * FAST.spool_after_seconds
        return throttled(records) if is_busy else [None] * len(records)

    return answer


@pytest.mark.parametrize(
    ("trouble", "use_gzip"),
    [("none", False), ("none", True), ("storage", False), ("storage", True), ("rate", False), ("keys", True)],
)
@pytest.mark.parametrize(("package", "make_client"), [("segment", segment_client), ("rudderstack", rudderstack_client)])
def test_a_real_sdk_delivers_every_event_once(
    package: str, make_client: Callable[[str, bool], Any], trouble: str, use_gzip: bool
) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"the SDK {package} is not installed: install the dev dependencies")
    sink, keys = MemorySink(), SlowKeys(ready=trouble != "keys")
    delivery = dataclasses.replace(FAST, retry_after_seconds=1)
    with running_collector(sink, keys=keys, delivery=delivery) as collector:
        if trouble == "storage":
            sink.behaviour = busy_at_first()
        if trouble == "rate":
            keys.limits[CUSTOMER] = 7.0
            collector.post("/v1/batch", {"batch": [{"type": "page", "messageId": f"x{n}"} for n in range(75)]})
        send_all(make_client(collector.url, use_gzip))
        refusals = collector.metric("clickstream_collector_refused_requests_total", limit=trouble)
    events = [event for event in sink.events if not event.message_id.startswith("x")]
    assert sorted(event.event for event in events) == sorted(SENT)
    assert len({event.message_id for event in events}) == len(SENT)
    assert (refusals > 0) is (trouble != "none")
