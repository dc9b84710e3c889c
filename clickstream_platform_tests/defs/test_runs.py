"""Runs over ranges of partitions: exact statuses, metadata, failures and the check."""

from __future__ import annotations

import dagster as dg
import pytest

from clickstream_platform.defs import failures
from clickstream_platform.errors import WarehouseUnavailableError
from clickstream_platform.pipeline.opening import Offender
from clickstream_platform_tests.defs.stand_ins import Workbench
from clickstream_platform_tests.pipeline.stand_ins import NINE, TEN

STEPS = ("raw_batches", "staged_batches", "event_tables")
TABLES = dg.AssetKey(["acme", "event_tables"])


def load_nine(bench: Workbench) -> dg.ExecuteInProcessResult:
    """Put three events into nine o'clock, tick and run."""
    for event in ("click", "order", "view"):
        bench.wiring.put("acme", event, NINE)
    return bench.run(bench.tick("hours").run_requests[0])


def statuses(bench: Workbench, key: dg.AssetKey) -> dict[str, set[str]]:
    """Return the partitions by the status that the UI shows."""
    from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

    partitions = bench.defs.resolve_asset_graph().get(key).partitions_def
    value = get_and_update_asset_status_cache_value(bench.instance, key, partitions)
    assert value is not None
    assert partitions is not None
    return {
        "materialized": set(value.deserialize_materialized_partition_subsets(partitions).get_partition_keys()),
        "failed": set(value.deserialize_failed_partition_subsets(partitions).get_partition_keys()),
    }


def test_every_stream_hour_has_its_own_materialization_in_every_step(bench: Workbench) -> None:
    assert load_nine(bench).success
    for step in STEPS:
        assert bench.materialized("acme", step) == {
            f"{e}|2026-11-22-09:00": "loaded" for e in ("click", "order", "view")
        }


def test_a_failed_event_leaves_the_others_materialized_and_is_listed_with_its_remedy(bench: Workbench) -> None:
    bench.wiring.loader.refused = {"order"}
    result = load_nine(bench)
    assert not result.success
    keys = {event: f"{event}|2026-11-22-09:00" for event in ("click", "order", "view")}
    assert statuses(bench, TABLES) == {"materialized": {keys["click"], keys["view"]}, "failed": {keys["order"]}}
    assert statuses(bench, dg.AssetKey(["acme", "staged_batches"])) == {
        "materialized": set(keys.values()),
        "failed": set(),
    }
    (failure,) = (event.step_failure_data for event in result.get_step_failure_events())
    assert failure.user_failure_data is not None
    text = failure.user_failure_data.description or ""
    assert text.startswith("1 of 3 streams failed; the others are loaded.\norder 2026-11-22T09: loading for acme/order")
    assert text.endswith("Mend it.")


def test_only_the_failed_partition_runs_again(bench: Workbench) -> None:
    bench.wiring.loader.refused = {"order"}
    load_nine(bench)
    bench.wiring.loader.refused, bench.wiring.loader.story = set(), []
    job = bench.defs.resolve_implicit_global_asset_job_def()
    key = "order|2026-11-22-09:00"
    assert job.execute_in_process(instance=bench.instance, partition_key=key, asset_selection=[TABLES]).success
    assert bench.wiring.loader.story == [("order",)]
    assert statuses(bench, TABLES)["failed"] == set()


def test_the_materialization_tells_what_a_data_engineer_asks(bench: Workbench) -> None:
    load_nine(bench)
    event = bench.instance.get_latest_materialization_event(TABLES)
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["dagster/row_count"].value == 10
    assert str(metadata["dagster/table_name"].value).startswith("acme.")
    assert [column.name for column in metadata["dagster/column_schema"].value.columns] == ["id", "received_at"]  # type: ignore[union-attr]
    counted = {name: metadata[name].value for name in ("raw_records", "rows", "duplicate_records", "rejected_records")}
    assert counted == {"raw_records": 12, "rows": 10, "duplicate_records": 1, "rejected_records": 1}
    raw = bench.instance.get_latest_materialization_event(dg.AssetKey(["acme", "raw_batches"]))
    assert raw is not None
    assert raw.asset_materialization is not None
    assert raw.asset_materialization.metadata["objects"].value == 1
    assert str(raw.asset_materialization.metadata["manifest"].value).startswith(
        "manifests/customer=acme/hour=2026-11-22T09/"
    )


def test_a_run_over_several_hours_and_events_gives_quiet_streams_their_zero(bench: Workbench) -> None:
    load_nine(bench)
    bench.wiring.put("acme", "click", TEN)
    tags = {
        "dagster/asset_partition_range_start": "click|2026-11-22-09:00",
        "dagster/asset_partition_range_end": "view|2026-11-22-10:00",
    }
    job = bench.defs.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=bench.instance, tags=tags, asset_selection=[TABLES]).success
    found = bench.materialized("acme", "event_tables")
    assert {key: status for key, status in found.items() if key.endswith("10:00")} == {
        "click|2026-11-22-10:00": "loaded",
        "order|2026-11-22-10:00": "empty",
        "view|2026-11-22-10:00": "empty",
    }
    assert found["order|2026-11-22-09:00"] == "already_loaded"


def test_an_event_that_is_not_loaded_stays_missing(bench: Workbench) -> None:
    load_nine(bench)
    bench.wiring.registry.pause_event("acme", "order")
    bench.wiring.put("acme", "order", TEN)
    bench.wiring.put("acme", "click", TEN)
    (request,) = bench.tick("hours").run_requests
    assert bench.run(request).success
    assert "order|2026-11-22-10:00" not in bench.materialized("acme", "event_tables")


def test_a_step_alone_goes_no_further(bench: Workbench) -> None:
    load_nine(bench)
    bench.wiring.put("acme", "click", TEN)
    bench.wiring.transformer.story = []
    job = bench.defs.resolve_implicit_global_asset_job_def()
    raw = dg.AssetKey(["acme", "raw_batches"])
    job.execute_in_process(instance=bench.instance, partition_key="click|2026-11-22-10:00", asset_selection=[raw])
    assert bench.materialized("acme", "raw_batches")["click|2026-11-22-10:00"] == "frozen"
    assert bench.wiring.transformer.story == []


def test_reconciliation_passes_or_names_the_stream_hours_in_doubt(bench: Workbench) -> None:
    assert load_nine(bench).get_asset_check_evaluations()[0].passed
    bench.pipeline.offenders.append(Offender("order", TEN, "the table has 9 rows, the ledger says 10"))
    bench.wiring.put("acme", "order", TEN)
    result = bench.run(bench.tick("hours").run_requests[0])
    (evaluation,) = result.get_asset_check_evaluations()
    assert result.success
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (
        evaluation.description
        == "1 stream-hours don't add up, such as order 2026-11-22T10: the table has 9 rows, the ledger says 10"
    )


def test_the_check_alone_reconciles_the_recent_hours(bench: Workbench) -> None:
    load_nine(bench)
    bench.pipeline.offenders.append(Offender("order", NINE, "the table is gone"))
    job = bench.defs.resolve_implicit_global_asset_job_def()
    check = dg.AssetCheckKey(TABLES, "reconciliation")
    result = job.get_subset(asset_selection=set(), asset_check_selection={check}).execute_in_process(
        instance=bench.instance
    )
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert evaluation.metadata["hours"].value == 25


def test_a_warehouse_that_is_away_is_tried_again_in_the_same_run(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "FIRST_WAIT_SECONDS", 0)
    error = WarehouseUnavailableError("loading", cause="no connection", remedy="Wait.")
    bench.wiring.loader.next_errors = [error]
    for event in ("click", "order"):
        bench.wiring.put("acme", event, NINE)
    request = bench.tick("hours").run_requests[0]
    result = bench.run(request)
    assert result.success
    assert [event.event_type_value for event in result.all_events if event.is_step_event].count(
        "STEP_UP_FOR_RETRY"
    ) == 1
