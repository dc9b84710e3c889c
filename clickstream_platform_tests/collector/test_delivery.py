"""200 means durable: what a request is told when Kinesis throttles, is away, comes back, and when the disk is full."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from clickstream_platform.collector.options import DeliveryOptions, SpoolOptions
from clickstream_platform.collector.ports import SinkRecord
from clickstream_platform.model.kinesis_records import PAYLOAD_UNIT_BYTES, decode_events
from clickstream_platform_tests.collector.running import (
    KEY,
    OTHER_KEY,
    Collector,
    MemorySink,
    away,
    running_collector,
    throttled,
    track,
)


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


def ids(sink: MemorySink) -> list[str]:
    return [event.message_id for event in sink.events]


def wait_for(condition: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_events_of_a_request_share_kinesis_records(sink: MemorySink) -> None:
    batch = [track(n, properties={"text": "x" * 2_000}) for n in range(20)]
    with running_collector(sink) as collector:
        assert collector.post("/v1/batch", {"batch": batch}).status_code == 200
    assert len(sink.records) == 2
    assert all(len(record.data) <= PAYLOAD_UNIT_BYTES for record in sink.records)
    assert ids(sink) == [f"m-{n}" for n in range(20)]


def test_a_repeated_request_meets_itself_on_one_shard_and_customers_spread(sink: MemorySink) -> None:
    with running_collector(sink) as collector:
        for number in [*range(100), 7]:
            collector.post("/v1/t", track(number))
    keys = [record.partition_key for record in sink.records]
    assert keys[7] == keys[100]
    assert len(set(keys)) > 30


def test_only_the_records_that_were_not_taken_are_sent_again(sink: MemorySink) -> None:
    refused = {"m-1": 3, "m-4": 1}

    def some(records: Sequence[SinkRecord]) -> list[str | None]:
        codes: list[str | None] = []
        for record in records:
            first = decode_events(record.data)[0].message_id
            left = refused.get(first, 0)
            refused[first] = left - 1
            codes.append("ProvisionedThroughputExceededException" if left > 0 else None)
        return codes

    sink.behaviour = some
    batch = [track(n, properties={"text": "x" * PAYLOAD_UNIT_BYTES}) for n in range(6)]
    with running_collector(sink, delivery=DeliveryOptions(first_backoff_seconds=0.001)) as collector:
        assert collector.post("/v1/batch", {"batch": batch}).status_code == 200
        assert collector.metric("clickstream_collector_kinesis_failures_total", cause="throttled") == 4
    assert sorted(ids(sink)) == [f"m-{n}" for n in range(6)]


def test_a_busy_shard_does_not_hold_up_the_others(sink: MemorySink) -> None:
    def one_is_busy(records: Sequence[SinkRecord]) -> list[str | None]:
        busy = "ProvisionedThroughputExceededException"
        return [busy if record.partition_key.startswith("acme/") else None for record in records]

    sink.behaviour = one_is_busy
    delivery = DeliveryOptions(senders=1, first_backoff_seconds=3.0, max_backoff_seconds=3.0, spool_after_seconds=30.0)
    with running_collector(sink, delivery=delivery) as collector:
        client = httpx.Client(timeout=20, trust_env=False)
        blocked = threading.Thread(target=lambda: Collector(collector.url, client).post("/v1/t", track(1)))
        blocked.start()
        wait_for(lambda: sink.requests)
        started = time.monotonic()
        assert collector.post("/v1/t", track(2), key=OTHER_KEY).status_code == 200
        assert time.monotonic() - started < 0.5
        sink.behaviour = None
        blocked.join()
        client.close()
    assert ids(sink) == ["m-2", "m-1"]


def broken(_: Sequence[SinkRecord]) -> list[str | None]:
    """Behave as a sink with a defect of its own."""
    raise RuntimeError("a defect")


def silent(_: Sequence[SinkRecord]) -> list[str | None]:
    """Behave as a server that answers for fewer records than it was given."""
    return []


@pytest.mark.parametrize("behaviour", [away, throttled, broken, silent])
def test_what_kinesis_does_not_take_is_safe_on_disk_and_sent_later_in_order(
    sink: MemorySink, tmp_path: Path, behaviour: Any
) -> None:
    sink.behaviour = behaviour
    with running_collector(sink, spool=tmp_path) as collector:
        for number in range(10):
            assert collector.post("/v1/batch", {"batch": [track(number)]}).status_code == 200
        assert sink.records == []
        assert collector.metric("clickstream_collector_stored_records_total", way="spool") == 10
        sink.behaviour = None
        wait_for(lambda: len(sink.events) == 10)
        wait_for(lambda: collector.metric("clickstream_collector_spool_bytes") == 0)
    assert ids(sink) == [f"m-{n}" for n in range(10)]


def test_while_kinesis_is_away_nobody_waits_for_it(sink: MemorySink, tmp_path: Path) -> None:
    sink.behaviour = away
    with running_collector(sink, spool=tmp_path, delivery=DeliveryOptions(away_seconds=30)) as collector:
        collector.post("/v1/t", track(0))
        started = time.monotonic()
        for number in range(1, 21):
            assert collector.post("/v1/t", track(number)).status_code == 200
        assert time.monotonic() - started < 2


def test_a_restarted_collector_sends_what_the_last_one_left(sink: MemorySink, tmp_path: Path) -> None:
    sink.behaviour = away
    with running_collector(sink, spool=tmp_path) as collector:
        for number in range(5):
            assert collector.post("/v1/t", track(number)).status_code == 200
    sink.behaviour = None
    with running_collector(sink, spool=tmp_path):
        wait_for(lambda: len(sink.events) == 5)
    assert ids(sink) == [f"m-{n}" for n in range(5)]
    assert sink.is_closed


def test_with_queue_and_disk_full_the_client_is_told_to_come_again(sink: MemorySink, tmp_path: Path) -> None:
    sink.behaviour = away
    spool = SpoolOptions(tmp_path, max_bytes=3_000)
    delivery = DeliveryOptions(customer_share=1.0, spool_after_seconds=0.05, retry_after_seconds=7)
    with running_collector(sink, spool=spool, delivery=delivery) as collector:
        answers = [collector.post("/v1/t", track(n, properties={"a": "x" * 500})) for n in range(10)]
        stored = [n for n, answer in enumerate(answers) if answer.status_code == 200]
        assert 1 <= len(stored) < 10
        assert {answer.status_code for answer in answers} == {200, 503}
        assert (answers[-1].headers["Retry-After"], answers[-1].json()["code"]) == ("7", "overloaded")
        assert collector.metric("clickstream_collector_refused_requests_total", limit="storage") == 10 - len(stored)
        sink.behaviour = None
        wait_for(lambda: len(sink.events) == len(stored))
        assert collector.post("/v1/t", track(99)).status_code == 200
    assert ids(sink) == [*(f"m-{n}" for n in stored), "m-99"]


def test_without_a_spool_a_record_that_waits_too_long_is_refused(sink: MemorySink) -> None:
    sink.behaviour = throttled
    with running_collector(sink) as collector:
        assert collector.post("/v1/t", track(1)).status_code == 503
        sink.behaviour = None
        assert collector.post("/v1/t", track(1)).status_code == 200
    assert ids(sink) == ["m-1"]


def test_a_flood_of_one_customer_does_not_starve_another(sink: MemorySink, tmp_path: Path) -> None:
    """The flood fills its share of queue and spool and is refused; the other's every request is taken."""
    sink.behaviour = throttled
    spool = SpoolOptions(tmp_path, max_bytes=100_000)
    batch = [track(n, properties={"a": "x" * 500}) for n in range(20)]
    with running_collector(
        sink, spool=spool, delivery=DeliveryOptions(queue_bytes=60_000, spool_after_seconds=0.05)
    ) as c:
        codes: list[int] = []

        def flood() -> None:
            codes.extend(c.post("/v1/batch", {"batch": batch}).status_code for _ in range(15))

        threads = [threading.Thread(target=flood) for _ in range(3)]
        for thread in threads:
            thread.start()
        quiet = [c.post("/v1/t", track(1_000 + n), key=OTHER_KEY).status_code for n in range(10)]
        for thread in threads:
            thread.join()
    assert quiet == [200] * 10
    assert 503 in codes


def test_a_stopping_collector_answers_what_is_open(sink: MemorySink, tmp_path: Path) -> None:
    """Requests that wait for Kinesis when the process is asked to stop end as 200, from the spool."""
    sink.behaviour = throttled
    answers: list[int] = []
    delivery = DeliveryOptions(spool_after_seconds=1.0, drain_seconds=0.3)
    with running_collector(sink, spool=tmp_path, delivery=delivery) as collector:

        def send() -> None:
            with httpx.Client(timeout=20, trust_env=False) as client:
                answers.append(Collector(collector.url, client).post("/v1/t", track(1)).status_code)

        thread = threading.Thread(target=send)
        thread.start()
        wait_for(lambda: sink.requests)
    thread.join()
    sink.behaviour = None
    with running_collector(sink, spool=tmp_path):
        wait_for(lambda: len(sink.events) == 1)
    assert answers == [200]


def test_a_full_spool_makes_it_unready(sink: MemorySink, tmp_path: Path) -> None:
    sink.behaviour = away
    spool = SpoolOptions(tmp_path, max_bytes=30_000)
    with running_collector(
        sink, spool=spool, delivery=DeliveryOptions(customer_share=1.0, spool_after_seconds=0.0, away_seconds=30)
    ) as collector:
        ready = collector.url + "/readyz"
        assert collector.client.get(ready).status_code == 200
        for number in range(5):
            assert collector.post("/v1/t", track(number, properties={"a": "x" * 2_000})).status_code == 200
        wait_for(lambda: collector.client.get(ready).status_code == 503)
        assert collector.client.get(collector.url + "/healthz").status_code == 200
        assert KEY not in collector.client.get(ready).text
