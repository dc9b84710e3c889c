"""Objects of Amazon Data Firehose in the layout: they have no seals, so their hours close by time; they are loaded."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.customer_hour import Order
from clickstream_platform.pipeline.discovery import Discovery
from clickstream_platform.pipeline.opening import open_pipeline
from clickstream_platform.settings import Settings

HOUR = Hour.parse("2026-11-22T09")
NAME = "events-to-s3-1-2026-11-22-09-02-03-8c0d3f1e-5b7a-4c39-9d0e-2f6a1b3c4d5e.ndjson.gz"
KEY = f"raw/hour=2026-11-22T09/customer=shop/event=order_completed/{NAME}"


def test_an_object_of_firehose_is_a_raw_object_of_its_stream_hour() -> None:
    key = RawObjectKey.parse(KEY)
    assert (key.hour, key.stream) == (HOUR, Stream("shop", "order_completed"))
    assert str(key) == KEY


def test_hours_of_firehose_close_by_time_and_a_late_object_opens_one_again() -> None:
    clock = FixedClock(datetime(2026, 11, 22, 10, 14, tzinfo=UTC))
    store = MemoryObjectStore(clock)
    discovery = Discovery(store, clock, first_hour=HOUR, lookback_hours=72, grace_minutes=15)
    store.put(KEY, gzip.compress(b'{"type":"track","event":"Order Completed"}\n'))
    before = discovery.look(HOUR)
    assert before is not None
    assert before.ready == ()
    assert before.open_customers == ("shop",)
    clock.advance(timedelta(minutes=1))
    closed = discovery.look(HOUR)
    assert closed is not None
    assert [each.customer for each in closed.ready] == ["shop"]
    store.put(KEY.replace("09-02-03", "09-58-59"), gzip.compress(b"{}\n"))
    later = discovery.look(HOUR, closed.fingerprint)
    assert later is not None
    assert later.ready[0].run_key != closed.ready[0].run_key


def test_what_firehose_delivers_becomes_rows_each_once(tmp_path: Path) -> None:
    """Lines as the Lambda of docs/batcher.md gives them; Firehose delivers at least once, so objects repeat lines."""
    clock = FixedClock(datetime(2026, 11, 22, 10, 30, tzinfo=UTC))
    lines = [
        {
            "type": "track",
            "event": "Order Completed",
            "properties": {"total": number},
            "receivedAt": f"2026-11-22T09:0{number}:03.931000Z",
            "messageId": f"4966{number}",
        }
        for number in range(5)
    ]
    with open_pipeline(Settings(home=tmp_path), clock) as pipeline:
        pipeline.wiring.registry.add_customer("shop")
        for key, part in ((KEY, lines[:3]), (KEY.replace("09-02-03", "09-07-04"), lines[2:])):
            data = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in part)
            pipeline.wiring.objects.put(key, gzip.compress(data.encode()))
        (found,) = pipeline.discovery.look(HOUR).ready  # type: ignore[union-attr]  # None would fail as well
        (report,) = pipeline.customer_hours.process_many([Order(found.customer, found.hour)], "run1")
        (stream,) = report.streams
        assert stream.counts is not None
        assert (stream.counts.objects, stream.counts.raw, stream.counts.rows, stream.counts.duplicates) == (2, 6, 5, 1)
        with duckdb.connect(pipeline.settings.duckdb) as connection:
            assert connection.execute("SELECT sum(total), count(*) FROM shop.order_completed").fetchall() == [(10, 5)]
