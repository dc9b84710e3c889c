"""The pipeline on real parts: folder, SQLite, DuckDB. From raw objects to tables, and what reconciling finds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import UNIDENTIFIED, Stream
from clickstream_platform.pipeline.customer_hour import Order
from clickstream_platform.pipeline.opening import Pipeline, open_pipeline
from clickstream_platform.pipeline.reports import CustomerHourReport
from clickstream_platform.settings import Settings
from clickstream_platform_tests.pipeline.stand_ins import NINE, NOW, TEN


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with open_pipeline(Settings(home=tmp_path), FixedClock(NOW)) as opened:
        opened.wiring.registry.add_customer("acme")
        yield opened


def put(pipeline: Pipeline, event: str, hour: Hour, ids: range, number: int = 1) -> None:
    """Put track records of these ids."""
    at = f"{hour.start:%Y-%m-%dT%H}:30:00Z"
    lines = [
        {"type": "track", "event": event, "messageId": f"{event}{n}", "receivedAt": at, "properties": {"price": n}}
        for n in ids
    ]
    key = str(RawObjectKey(hour, Stream("acme", event), "s", str(number), str(number))).removesuffix(".gz")
    pipeline.wiring.objects.put(key, "".join(f"{json.dumps(line)}\n" for line in lines).encode())


def load(pipeline: Pipeline, hour: Hour = NINE) -> dict[str, CustomerHourReport]:
    """Load an hour and whatever it re-opens; return the reports by hour."""
    reports = pipeline.customer_hours.process_many([Order("acme", hour)], "run1")
    return {str(report.hour): report for report in reports}


def rows_of(pipeline: Pipeline, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(pipeline.settings.duckdb) as connection:
        return connection.execute(sql).fetchall()


def test_rows_duplicates_and_rejected_records_are_reported_as_they_are_in_the_tables(pipeline: Pipeline) -> None:
    put(pipeline, "sale", NINE, range(5))
    put(pipeline, "sale", NINE, range(3, 7), number=2)
    pipeline.wiring.objects.put(f"raw/hour={NINE}/customer=acme/event={UNIDENTIFIED}/s-9-9.ndjson", b"no json\n{}\n")
    streams = {stream.event: stream for stream in load(pipeline)[str(NINE)].streams}
    sale, unidentified = streams["sale"], streams[UNIDENTIFIED]
    assert sale.counts is not None
    assert unidentified.counts is not None
    assert (sale.counts.objects, sale.counts.raw, sale.counts.rows, sale.counts.duplicates) == (2, 9, 7, 2)
    assert (sale.table, [c.name for c in sale.columns if c.name == "price"]) == ("sale", ["price"])
    assert (unidentified.counts.raw, unidentified.counts.rejected, unidentified.table) == (2, 2, None)
    assert unidentified.quarantine_key is not None
    assert rows_of(pipeline, "SELECT count(*), sum(price) FROM acme.sale") == [(7, 21)]
    assert {stream.status.value for stream in load(pipeline)[str(NINE)].streams} == {"already_loaded"}


def test_reconciling_finds_nothing_until_a_table_is_changed_by_hand(pipeline: Pipeline) -> None:
    put(pipeline, "sale", NINE, range(5))
    load(pipeline)
    assert pipeline.reconcile("acme", [NINE, TEN]) == []
    rows_of(pipeline, "DELETE FROM acme.sale WHERE id = 'sale3'")
    (offender,) = pipeline.reconcile("acme", [NINE, TEN])
    assert (offender.event, offender.hour) == ("sale", NINE)
    assert offender.problem == "rows in its table: expected 5, found 4"


def test_an_hour_that_gives_records_up_is_followed_by_the_hours_that_had_lost_them(pipeline: Pipeline) -> None:
    put(pipeline, "sale", NINE, range(5))
    put(pipeline, "sale", TEN, range(3, 8))
    load(pipeline)
    load(pipeline, TEN)
    put(pipeline, "sale", NINE, range(2))  # the same object, now with fewer records
    reports = load(pipeline)
    assert list(reports) == [str(NINE), str(TEN)]
    assert rows_of(pipeline, "SELECT batch_hour, count(*) FROM acme.sale GROUP BY ALL ORDER BY ALL") == [
        (NINE.start.replace(tzinfo=None), 2),
        (TEN.start.replace(tzinfo=None), 5),
    ]
    assert pipeline.reconcile("acme", [NINE, TEN]) == []
