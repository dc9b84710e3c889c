"""The checks of the unusual: told without runs, executed for one customer, and quiet where there is no history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from clickstream_platform.defs.customers import assemble
from clickstream_platform.defs.state import read_state
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.hours import hour_range
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.opening import Pipeline
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.defs.stand_ins import platform_on
from clickstream_platform_tests.pipeline.freshness.parts import ledger_row, write_ledger
from clickstream_platform_tests.pipeline.stand_ins import ELEVEN, NOW, TEN

SALE = Stream("acme", "sale")
TABLES = dg.AssetKey(["acme", "event_tables"])


@pytest.fixture
def wiring(tmp_path: Path) -> Iterator[Wiring]:
    with Wiring(Settings(home=tmp_path), FixedClock(NOW)) as opened:
        for customer in ("acme", "tiny"):
            opened.registry_service.add_customer(customer)
        past = list(hour_range(TEN.plus(-35 * 24), TEN.plus(-1)))
        write_ledger(Path(opened.settings.duckdb), [ledger_row(SALE, hour, raw=500) for hour in past])
        write_ledger(Path(opened.settings.duckdb), [ledger_row(SALE, TEN, raw=90_000, seconds=900.0)])
        yield opened


@pytest.fixture
def defs(wiring: Wiring) -> dg.Definitions:
    state = read_state(wiring.settings, wiring.registry.snapshot(), NOW)
    return assemble(state, platform_on(Pipeline(wiring)))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(str(tmp_path)) as opened:
        yield opened


def tick(defs: dg.Definitions, instance: dg.DagsterInstance, wiring: Wiring, cursor: str | None = None) -> Any:
    definition = defs.resolve_sensor_def("unusual")
    resources = {"platform": platform_on(Pipeline(wiring))}
    with dg.build_sensor_context(instance, cursor=cursor, definitions=defs, resources=resources) as context:
        return definition.evaluate_tick(context)


def test_a_tick_tells_each_check_once_with_a_row_for_each_finding(
    defs: dg.Definitions, instance: dg.DagsterInstance, wiring: Wiring
) -> None:
    data = tick(defs, instance, wiring)
    assert data.skip_message == "2 findings in the newest hour of 1 streams"
    results = {event.check_name: event for event in data.asset_events}
    assert {name: event.passed for name, event in results.items()} == {
        "duration": False, "volume": False, "content": True,
    }  # fmt: skip
    assert {event.asset_key for event in data.asset_events} == {TABLES}
    assert {event.severity for event in data.asset_events} == {dg.AssetCheckSeverity.WARN}
    (row,) = results["volume"].metadata["offenders"].value.records
    assert (row.data["kind"], row.data["hour"], row.data["value"]) == ("volume_surge", str(TEN), 90_000)
    assert tick(defs, instance, wiring, data.cursor).asset_events == []
    write_ledger(Path(wiring.settings.duckdb), [ledger_row(SALE, ELEVEN, raw=510)])
    again = tick(defs, instance, wiring, data.cursor)
    assert {event.check_name: event.passed for event in again.asset_events} == {
        "duration": True, "volume": True, "content": True,
    }  # fmt: skip


def test_the_checks_can_be_executed_one_by_one(defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
    job = defs.resolve_implicit_global_asset_job_def()
    key = dg.AssetCheckKey(TABLES, "volume")
    (found,) = (
        job.get_subset(asset_check_selection={key}).execute_in_process(instance=instance).get_asset_check_evaluations()
    )
    assert (found.check_name, found.passed) == ("volume", False)
    keys = {dg.AssetCheckKey(dg.AssetKey(["tiny", "event_tables"]), name) for name in ("volume", "content")}
    done = job.get_subset(asset_check_selection=keys).execute_in_process(instance=instance)
    assert [each.passed for each in done.get_asset_check_evaluations()] == [True, True]
