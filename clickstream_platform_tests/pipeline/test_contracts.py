"""Contracts from the registry to the tables: the three modes, a change of contract, a retry, and the threshold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.ingest.ingest import IngestOptions
from clickstream_platform.ingest.retry import retry
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.streams import UNIDENTIFIED, Stream
from clickstream_platform.pipeline.customer_hour import Goal, Order
from clickstream_platform.pipeline.opening import Pipeline, open_pipeline
from clickstream_platform.pipeline.reports import CustomerHourReport, StreamReport
from clickstream_platform.pipeline.rules import TooManyRejectedError
from clickstream_platform.pipeline.schema_plan import DryWiring, open_planner
from clickstream_platform.quarantine.quarantine import Quarantine, Selection
from clickstream_platform.registry.entities import ContractMode, Policy
from clickstream_platform.settings import Settings
from clickstream_platform_tests.pipeline.stand_ins import NINE, NOW, TEN

PRICE = {"properties": {"price": {"type": "number"}}, "required": ["price"]}
GOOD, WRONG = {"price": 1, "colour": "red"}, {"price": "much", "colour": "red"}


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with open_pipeline(Settings(home=tmp_path), FixedClock(NOW)) as opened:
        opened.wiring.registry_service.add_customer("acme")
        for event in ("sale", "view"):
            opened.wiring.registry_service.add_event("acme", event)
        yield opened


def put(pipeline: Pipeline, event: str, *records: Mapping[str, Any], hour: Any = NINE, number: int = 1) -> None:
    """Put track records with these properties, named m0, m1, … each time."""
    lines = [
        {"type": "track", "event": event, "messageId": f"m{n}", "receivedAt": f"{hour}:30:00Z", "properties": found}
        for n, found in enumerate(records)
    ]
    key = str(RawObjectKey(hour, Stream("acme", event), "s", str(number), str(number))).removesuffix(".gz")
    pipeline.wiring.objects.put(key, "".join(f"{json.dumps(line)}\n" for line in lines).encode())


def load(pipeline: Pipeline, hour: Any = NINE, goal: Goal = Goal.LOAD) -> dict[str, StreamReport]:
    report: CustomerHourReport = pipeline.customer_hours.process(Order("acme", hour), "run1", goal=goal)
    return {stream.event: stream for stream in report.streams}


def agree(pipeline: Pipeline, mode: ContractMode, schema: dict[str, Any] = PRICE, event: str = "sale") -> None:
    pipeline.wiring.registry_service.add_contract("acme", event, mode, schema)


def bear(pipeline: Pipeline, percent: int) -> None:
    pipeline.wiring.registry_service.update_customer("acme", policy=Policy(load_threshold_percent=percent))


def rows_of(pipeline: Pipeline, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(pipeline.settings.duckdb) as connection:
        return connection.execute(sql).fetchall()


def numbers(report: StreamReport) -> tuple[int, int, int, int]:
    counts = report.counts
    assert counts is not None
    return counts.raw, counts.rows, counts.rejected, counts.discarded


@pytest.mark.parametrize(
    ("mode", "expected", "prices"),
    [
        ("evolve", (3, 3, 0, 0), ["1", "much", None]),
        ("freeze", (3, 3, 0, 1), [1, None, None]),
        ("reject", (3, 1, 2, 0), [1]),
    ],
)
def test_a_load_does_what_the_mode_says(
    pipeline: Pipeline, mode: ContractMode, expected: tuple[int, ...], prices: list[object]
) -> None:
    agree(pipeline, mode)
    put(pipeline, "sale", GOOD, WRONG, {"colour": "blue"})
    put(pipeline, "view", WRONG)
    reports = load(pipeline)
    assert {event: report.status.value for event, report in reports.items()} == {"sale": "loaded", "view": "loaded"}
    assert numbers(reports["sale"]) == expected
    assert (reports["sale"].contract_version, reports["sale"].broken_records) == (1, 2)
    assert (reports["view"].contract_version, reports["view"].broken_records) == (None, 0)
    assert [price for (price,) in rows_of(pipeline, "SELECT price FROM acme.sale ORDER BY id")] == prices
    assert rows_of(
        pipeline, "SELECT raw_records, loaded_rows, rejected_records FROM acme._loads WHERE event = 'sale'"
    ) == [expected[:3]]
    if expected[3]:
        found = rows_of(pipeline, "SELECT row_id, column_name, column_value, reason FROM acme._discards")
        assert found == [("m1", "price", '"much"', "contract")]
    assert pipeline.reconcile("acme", [NINE]) == []


def test_a_new_contract_speaks_of_new_loads_only(pipeline: Pipeline) -> None:
    put(pipeline, "sale", GOOD, WRONG)
    assert numbers(load(pipeline)["sale"]) == (2, 2, 0, 0)
    agree(pipeline, "reject")
    assert load(pipeline)["sale"].status == "already_loaded"
    put(pipeline, "sale", GOOD, WRONG, hour=TEN)
    assert numbers(load(pipeline, TEN)["sale"])[2] == 1
    put(pipeline, "sale", {"price": 2}, number=2)  # a late object: the hour is judged anew
    assert numbers(load(pipeline)["sale"])[2] == 1


def test_the_contract_in_force_counts_not_the_newest(pipeline: Pipeline) -> None:
    agree(pipeline, "reject")
    agree(pipeline, "reject", {"properties": {"colour": {"const": "green"}}})
    pipeline.wiring.registry_service.set_contract_version("acme", "sale", 1)
    put(pipeline, "sale", GOOD)
    report = load(pipeline)["sale"]
    assert (report.contract_version, report.broken_records) == (1, 0)
    pipeline.wiring.registry_service.set_contract_version("acme", "sale", None)
    put(pipeline, "sale", WRONG, hour=TEN)
    assert load(pipeline, TEN)["sale"].contract_version is None


def test_a_schema_plan_takes_contracts_into_account(pipeline: Pipeline) -> None:
    put(pipeline, "sale", GOOD)
    assert "colour" in planned_sql(pipeline)
    agree(pipeline, "freeze", {"properties": {"price": {}}, "additionalProperties": False})
    assert "price" in planned_sql(pipeline)
    assert "colour" not in planned_sql(pipeline)


def planned_sql(pipeline: Pipeline) -> str:
    with DryWiring(pipeline.settings, FixedClock(NOW)) as wiring:
        plan = open_planner(wiring, "acme", lambda _: None).plan(NINE)
    return "\n".join(statement.sql for statement in plan.statements)


def test_records_that_a_contract_rejected_are_loaded_after_it_was_mended(pipeline: Pipeline, tmp_path: Path) -> None:
    agree(pipeline, "reject")
    put(pipeline, "sale", GOOD, WRONG)
    assert numbers(load(pipeline)["sale"]) == (2, 1, 1, 0)
    agree(pipeline, "reject", {"properties": {"price": {"type": ["number", "string"]}}})
    assert load(pipeline)["sale"].status == "already_loaded"
    assert rejected_again(pipeline, tmp_path) == (1, 1, ["contract version 1: /price type"])
    again = load(pipeline)["sale"]
    assert numbers(again) == (3, 2, 0, 0)
    assert (again.contract_version, again.broken_records) == (2, 0)
    assert rows_of(pipeline, "SELECT id, price FROM acme.sale ORDER BY id") == [("m0", "1"), ("m1", "much")]
    assert pipeline.reconcile("acme", [NINE]) == []


def rejected_again(pipeline: Pipeline, folder: Path) -> tuple[int, int, list[str]]:
    """Retry what contracts rejected of the hour; return records, new objects and the details there were."""
    quarantine = Quarantine(pipeline.wiring.objects)
    (item,) = quarantine.objects(Selection("acme", "sale", reason=RejectReason.CONTRACT))
    details = [record.detail for record in quarantine.records(item, RejectReason.CONTRACT)]
    report = retry(pipeline.wiring.objects, lambda: quarantine.records(item), IngestOptions("acme", NINE, folder))
    return report.routed, report.new_objects, details


def test_a_correction_that_was_none_is_followed_by_one_that_is(pipeline: Pipeline, tmp_path: Path) -> None:
    agree(pipeline, "reject")
    put(pipeline, "sale", GOOD, WRONG)
    load(pipeline)
    agree(pipeline, "reject", {"properties": {"price": {"type": ["number", "null"]}}})
    assert rejected_again(pipeline, tmp_path)[:2] == (1, 1)
    assert numbers(load(pipeline)["sale"]) == (3, 1, 2, 0)
    agree(pipeline, "reject", {})
    assert rejected_again(pipeline, tmp_path)[:2] == (1, 1)
    assert rejected_again(pipeline, tmp_path)[:2] == (1, 0)
    assert numbers(load(pipeline)["sale"]) == (4, 2, 0, 0)


# The threshold


def test_a_stream_with_too_many_rejected_records_fails_alone_and_is_loaded_once_it_may(pipeline: Pipeline) -> None:
    agree(pipeline, "reject")
    bear(pipeline, 49)
    put(pipeline, "sale", GOOD, WRONG)
    put(pipeline, "view", GOOD, WRONG)
    pipeline.wiring.objects.put(f"raw/hour={NINE}/customer=acme/event={UNIDENTIFIED}/s-9-9.ndjson", b"no json\n")
    reports = load(pipeline)
    assert {event: report.status.value for event, report in reports.items()} == {
        UNIDENTIFIED: "loaded",
        "sale": "failed",
        "view": "loaded",
    }
    error = reports["sale"].error
    assert isinstance(error, TooManyRejectedError)
    assert "loading for acme/sale 2026-11-22T09: 1 of 2 records are rejected, more than the 49 %" in str(error)
    assert "quarantine show --customer acme --event sale" in str(error)
    assert numbers(reports["sale"]) == (2, 1, 1, 0)
    assert reports["sale"].quarantine_key is not None
    assert pipeline.wiring.objects.get(reports["sale"].quarantine_key)
    assert rows_of(pipeline, "SELECT event FROM acme._loads ORDER BY event") == [(UNIDENTIFIED,), ("view",)]
    assert rows_of(pipeline, "SELECT DISTINCT event FROM acme.tracks") == [("view",)]
    assert pipeline.reconcile("acme", [NINE]) == []
    assert load(pipeline)["sale"].status == "failed"
    bear(pipeline, 50)
    assert load(pipeline)["sale"].status == "loaded"
    assert pipeline.reconcile("acme", [NINE]) == []


def test_a_stream_alone_fails_and_staging_tells_too(pipeline: Pipeline) -> None:
    agree(pipeline, "reject")
    bear(pipeline, 0)
    put(pipeline, "sale", WRONG)
    assert load(pipeline, goal=Goal.STAGE)["sale"].status == "failed"
    assert load(pipeline)["sale"].status == "failed"
    put(pipeline, "view", GOOD, hour=TEN)
    assert load(pipeline, TEN)["view"].status == "loaded"


def test_any_share_is_borne_by_default(pipeline: Pipeline) -> None:
    agree(pipeline, "reject")
    put(pipeline, "sale", WRONG)
    assert numbers(load(pipeline)["sale"]) == (1, 0, 1, 0)
