"""The freshness sensor and check: results without runs, told when they change, and the policy of the tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from clickstream_platform.defs.customers import assemble
from clickstream_platform.defs.freshness import choose, freshness_policy
from clickstream_platform.defs.run_records import ended_run
from clickstream_platform.defs.state import CustomerState, read_state
from clickstream_platform.defs.tags import CUSTOMER_TAG
from clickstream_platform.defs.telling import MAX_EVALUATIONS, TELL_AGAIN_AFTER, Told
from clickstream_platform.gateways.clock import FixedClock, SystemClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.opening import open_watch
from clickstream_platform.pipeline.opening import Pipeline
from clickstream_platform.registry.entities import EventState
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.defs.stand_ins import platform_on
from clickstream_platform_tests.pipeline.freshness.parts import ledger_row, put, write_ledger
from clickstream_platform_tests.pipeline.stand_ins import NINE, NOW

SALE, VIEW = Stream("acme", "sale"), Stream("acme", "view")
CHECK = dg.AssetCheckKey(dg.AssetKey(["acme", "event_tables"]), "freshness")


class Bench:
    """Definitions of `acme` (late by an hour) and `tiny` on a real ledger, and an instance."""

    def __init__(self, home: Path) -> None:
        self.clock = FixedClock(NOW)
        self.wiring = Wiring(Settings(home=home, hours_lookback=12), self.clock)
        self.wiring.__dict__["objects"] = MemoryObjectStore(self.clock)
        for customer in ("acme", "tiny"):
            self.wiring.registry_service.add_customer(customer)
        for stream in (SALE, VIEW):
            self.wiring.registry_service.add_event("acme", stream.event, freshness_deadline_minutes=60)
            self.clock.advance(NINE.end - self.clock.now())
            put(self.wiring, stream, NINE)
            self.clock.advance(NOW - self.clock.now())
        self.load(VIEW)
        self.pipeline = Pipeline(self.wiring)
        self.instance = dg.DagsterInstance.ephemeral(str(home))
        state = read_state(self.wiring.settings, self.wiring.registry.snapshot(), NOW)
        self.defs = assemble(state, platform_on(self.pipeline))

    def load(self, *streams: Stream) -> None:
        """Write the ledger rows of an hour."""
        write_ledger(Path(self.wiring.settings.duckdb), [ledger_row(stream, NINE) for stream in streams])

    def tick(self, cursor: str | None = None) -> Any:
        """Evaluate the sensor and report its events, as the daemon does."""
        definition = self.defs.resolve_sensor_def("freshness")
        resources = {"platform": platform_on(self.pipeline)}
        with dg.build_sensor_context(self.instance, cursor=cursor, definitions=self.defs, resources=resources) as each:
            data = definition.evaluate_tick(each)
        for event in data.asset_events:
            self.instance.report_runless_asset_event(event)
        return data

    def newest(self) -> dg.AssetCheckEvaluation:
        """Return the newest evaluation that the instance has."""
        (record,) = self.instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=1)
        assert record.event is not None
        evaluation = record.event.asset_check_evaluation
        assert evaluation is not None
        return evaluation

    def close(self) -> None:
        """Leave nothing open."""
        self.instance.dispose()
        self.wiring.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    opened = Bench(tmp_path)
    yield opened
    opened.close()


def names(data: Any) -> list[str]:
    return [event.asset_key.path[0] for event in data.asset_events]


def test_a_tick_reports_a_row_for_each_offending_stream_without_a_run(bench: Bench) -> None:
    data = bench.tick()
    assert data.skip_message == "1 fresh, 1 late"
    assert names(data) == ["acme", "tiny"]
    found = bench.newest()
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert found.description == "sale is late: the hour 2026-11-22T09 arrived and is not in the table"
    (row,) = found.metadata["offenders"].value.records  # type: ignore[union-attr]
    assert {name: row.data[name] for name in ("event", "status", "deadline", "missing_hours", "lag_minutes")} == {
        "event": "sale", "status": "late", "deadline": "2026-11-22T11:00:00+00:00", "missing_hours": 1,
        "lag_minutes": -1,
    }  # fmt: skip
    assert (found.metadata["late"].value, found.metadata["fresh"].value) == (1, 1)
    assert bench.instance.get_runs() == []


def test_a_result_is_told_again_when_it_changes_or_after_an_hour(bench: Bench) -> None:
    cursor = bench.tick().cursor
    bench.clock.advance(timedelta(minutes=5))
    data = bench.tick(cursor)
    assert names(data) == []
    bench.load(SALE)
    bench.clock.advance(timedelta(minutes=5))
    data = bench.tick(data.cursor)
    assert names(data) == ["acme"]
    assert bench.newest().passed
    bench.clock.advance(TELL_AGAIN_AFTER - timedelta(minutes=10))
    data = bench.tick(data.cursor)
    assert names(data) == ["tiny"]


def test_a_failed_run_blocks_its_streams_and_is_named(bench: Bench) -> None:
    now = SystemClock().now()  # Dagster dates its runs itself
    hour = Hour.of(now).plus(-1)
    bench.clock.advance(hour.end - bench.clock.now())
    put(bench.wiring, VIEW, hour)

    @dg.op
    def fail() -> None:
        rows = [dg.TableRecord({"event": "view", "hour": str(hour), "error": "LoadError", "text": "x = 'secret'"})]
        raise dg.Failure("no", metadata={"failed_streams": dg.MetadataValue.table(rows)})

    @dg.job
    def load() -> None:
        fail()

    run = load.execute_in_process(instance=bench.instance, tags={CUSTOMER_TAG: "acme"}, raise_on_error=False)
    bench.clock.advance(SystemClock().now() + timedelta(seconds=5) - bench.clock.now())
    bench.tick()
    found = bench.newest()
    rows = found.metadata["offenders"].value.records  # type: ignore[union-attr]
    assert [(row.data["event"], row.data["status"], row.data["run"]) for row in rows] == [
        ("view", "blocked", run.run_id)
    ]
    assert found.description == f"view is blocked: the load of the hour {hour} failed: LoadError"
    assert "secret" not in str(found)


def test_the_check_can_be_executed_and_looks_at_its_customer_alone(bench: Bench) -> None:
    job = bench.defs.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection={CHECK})
    done = job.execute_in_process(instance=bench.instance)
    (found,) = done.get_asset_check_evaluations()
    assert (found.passed, found.metadata["late"].value, found.metadata["streams"].value) == (False, 1, 2)
    objects = bench.wiring.objects
    assert isinstance(objects, MemoryObjectStore)
    listed = [key for method, key in objects.story if method == "list_objects"]
    assert listed
    assert all("customer=acme/" in key for key in listed)


def test_a_check_that_watches_and_fails_in_somebodys_run_is_no_failed_check(bench: Bench) -> None:
    job = bench.defs.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection={CHECK})
    done = job.execute_in_process(instance=bench.instance)
    assert not done.get_asset_check_evaluations()[0].passed
    (record,) = bench.instance.get_run_records(dg.RunsFilter(run_ids=[done.run_id]))
    assert ended_run(bench.instance, record, {"acme": "acme"}).checks == ()


def test_a_check_that_could_not_look_is_a_warning(bench: Bench) -> None:
    Path(bench.wiring.settings.duckdb).write_bytes(b"no database" * 2000)
    job = bench.defs.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection={CHECK})
    (found,) = job.execute_in_process(instance=bench.instance).get_asset_check_evaluations()
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == "Not known: the warehouse default does not answer: LoadError."
    assert "acme" not in names(bench.tick())  # and no good news is told


def test_silent_streams_are_a_warning_and_a_paused_event_is_none(bench: Bench) -> None:
    bench.wiring.registry_service.pause_event("acme", "sale")
    bench.tick()
    found = bench.newest()
    assert (found.passed, found.metadata["blocked"].value) == (True, 1)
    assert "offenders" in found.metadata


def test_more_results_than_a_tick_may_report_wait_with_bad_news_first(bench: Bench) -> None:
    for number in range(MAX_EVALUATIONS + 5):
        bench.wiring.registry_service.add_customer(f"c{number:03}")
    bench.defs = assemble(
        read_state(bench.wiring.settings, bench.wiring.registry.snapshot(), NOW), platform_on(bench.pipeline)
    )
    first = bench.tick()
    assert (names(first)[0], len(names(first))) == ("acme", MAX_EVALUATIONS)
    assert len(names(bench.tick(first.cursor))) == 7


@pytest.mark.parametrize("text", [None, "", "{}", "no json", "[]", '{"acme": 1}', '{"acme": ["x"]}', "1"])
def test_a_cursor_that_can_not_be_read_tells_everything_again(text: str | None) -> None:
    assert Told.from_cursor(text).results == {}


def test_the_tables_have_a_policy_by_the_latest_deadline_of_their_events(bench: Bench) -> None:
    registry = bench.wiring.registry_service
    registry.update_event("acme", "view", freshness_deadline_minutes=125)
    state = read_state(bench.wiring.settings, registry.snapshot(), NOW)
    acme, tiny = state.customers
    assert (acme.freshness_hours, tiny.freshness_hours) == (4, 3)
    defs = assemble(state, platform_on(bench.pipeline))
    policy = defs.resolve_asset_graph().get(CHECK.asset_key).freshness_policy
    assert policy == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=28), warn_window=timedelta(hours=4))
    assert freshness_policy(tiny) == dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=27), warn_window=timedelta(hours=3)
    )
    # A deadline that changes is no reason to reload everything.
    assert state == replace(state, customers=(replace(acme, freshness_hours=9), tiny))
    registry.pause_event("acme", "view")
    assert {event.state for event in registry.list_events("acme")} == {EventState.ACTIVE, EventState.PAUSED}


def test_while_hours_were_not_compared_good_news_waits(bench: Bench) -> None:
    report = open_watch(bench.wiring).look()
    customers = {each: CustomerState(each, each, "default", "duckdb") for each in ("acme", "tiny")}
    half = replace(report, hours_looked_at=1)
    told = Told()
    assert [found.customer for found in choose(told, half, customers, {})] == ["acme"]
    assert [found.customer for found in choose(told, report, customers, {})] == ["tiny"]
    assert choose(told, report, customers, {}) == []
    assert Told.from_cursor(told.to_cursor(customers)) == told
    # Dagster shows no result from before the newest materialization.
    seconds = timedelta(seconds=1)
    assert choose(told, report, customers, {"acme": report.at - seconds}) == []
    loaded = {"acme": report.at + seconds}
    assert [found.customer for found in choose(told, report, customers, loaded)] == ["acme"]
    assert Told.from_cursor(told.to_cursor({})).results == {}
