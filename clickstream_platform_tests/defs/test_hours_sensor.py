"""The hours sensor on a real instance: requests, partitions, cursor."""

from __future__ import annotations

import dagster as dg

from clickstream_platform_tests.defs.stand_ins import Workbench
from clickstream_platform_tests.pipeline.stand_ins import NINE, TEN


def test_one_run_per_customer_hour_over_the_range_of_its_events(bench: Workbench) -> None:
    bench.instance.add_dynamic_partitions("events/acme", ["zebra"])
    for event in ("order", "click"):
        bench.wiring.put("acme", event, NINE)
    bench.wiring.put("tiny", "order", NINE)
    result = bench.tick("hours")
    acme, tiny = result.run_requests
    assert bench.instance.get_dynamic_partitions("events/acme") == ["zebra", "click", "order"]
    assert acme.tags["dagster/asset_partition_range_start"] == "zebra|2026-11-22-09:00"
    assert acme.tags["dagster/asset_partition_range_end"] == "order|2026-11-22-09:00"
    assert (acme.tags["clickstream/customer"], acme.tags["clickstream/hour"]) == ("acme", "2026-11-22T09")
    assert (acme.tags["dagster/max_runtime"], acme.tags["dagster/priority"]) == ("7200", "-3")
    assert acme.asset_selection == [dg.AssetKey(["acme", s]) for s in ("raw_batches", "staged_batches", "event_tables")]
    assert tiny.tags["dagster/asset_partition_range_start"] == tiny.tags["dagster/asset_partition_range_end"]


def test_run_keys_are_deterministic_and_a_late_object_changes_exactly_one(bench: Workbench) -> None:
    for customer in ("acme", "tiny"):
        bench.wiring.put(customer, "order", NINE)
    first, again = bench.tick("hours"), bench.tick("hours")
    assert [request.run_key for request in first.run_requests] == [request.run_key for request in again.run_requests]
    for request in first.run_requests:
        bench.run(request)
    bench.wiring.put("tiny", "order", NINE, number=2)
    late = bench.tick("hours", first.cursor)
    assert [request.tags["clickstream/customer"] for request in late.run_requests] == ["tiny"]
    assert late.run_requests[0].run_key not in {request.run_key for request in first.run_requests}


def test_the_same_objects_request_nothing_again_with_or_without_the_cursor(bench: Workbench) -> None:
    bench.wiring.put("acme", "order", NINE)
    first = bench.tick("hours")
    bench.run(first.run_requests[0])
    for cursor in (first.cursor, None):
        result = bench.tick("hours", cursor)
        assert not result.run_requests
        assert result.skip_message == "nothing new in 25 hours"


def test_a_customer_without_assets_waits_for_the_reload(bench: Workbench) -> None:
    bench.wiring.put("newcomer", "order", NINE)
    first = bench.tick("hours")
    assert first.skip_message == "nothing new in 25 hours; 1 customers have no assets yet"
    bench.register("newcomer")
    (request,) = bench.tick("hours", first.cursor).run_requests
    assert request.tags["clickstream/customer"] == "newcomer"


def test_a_tick_requests_no_more_than_its_limit_and_the_next_one_goes_on(bench: Workbench) -> None:
    bench.wiring.settings = bench.wiring.settings.model_copy(update={"max_runs_per_tick": 2})
    for hour in (NINE, TEN, NINE.plus(-1)):
        bench.wiring.put("acme", "order", hour)
    first = bench.tick("hours")
    assert [request.tags["clickstream/hour"] for request in first.run_requests] == ["2026-11-22T08", "2026-11-22T10"]
    for request in first.run_requests:
        bench.run(request)
    (request,) = bench.tick("hours", first.cursor).run_requests
    assert request.tags["clickstream/hour"] == "2026-11-22T09"
