"""Loading customer-hours: order of the steps, and what failures of one stream mean for the others."""

from __future__ import annotations

import pytest

from clickstream_platform.errors import StaleStagingError, WarehouseUnavailableError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest
from clickstream_platform.model.object_keys import manifest_key
from clickstream_platform.model.streams import UNIDENTIFIED, Stream
from clickstream_platform.pipeline.customer_hour import MAX_STAGINGS, CustomerHours, Goal, Order, is_worth_retrying
from clickstream_platform.pipeline.reports import CustomerHourReport
from clickstream_platform_tests.pipeline.stand_ins import NINE, TEN, StandInWiring


@pytest.fixture
def wiring() -> StandInWiring:
    wiring = StandInWiring()
    wiring.registry.add_customer("acme")
    for event in ("click", "order", "view"):
        wiring.put("acme", event, NINE)
    return wiring


def hours_of(wiring: StandInWiring) -> CustomerHours:
    return CustomerHours(wiring.objects, wiring.registry, wiring.transformer, wiring.open_loader, wiring.clock)


def process(wiring: StandInWiring, *events: str, goal: Goal = Goal.LOAD, hour: Hour = NINE) -> CustomerHourReport:
    return hours_of(wiring).process(Order("acme", hour, events or None), "run1", goal=goal)


def statuses(report: CustomerHourReport) -> dict[str, str]:
    return {stream.event: stream.status.value for stream in report.streams}


def test_an_hour_is_staged_and_loaded_in_one_batch_and_then_is_already_loaded(wiring: StandInWiring) -> None:
    first = process(wiring)
    assert statuses(first) == {"click": "loaded", "order": "loaded", "view": "loaded"}
    assert wiring.transformer.story == wiring.loader.story == [("click", "order", "view")]
    second = process(wiring)
    assert set(statuses(second).values()) == {"already_loaded"}
    assert [stream.counts for stream in second.streams] == [stream.counts for stream in first.streams]
    assert len(wiring.transformer.story) == 1


def test_a_late_object_freezes_again_and_reloads_its_stream_only(wiring: StandInWiring) -> None:
    process(wiring)
    wiring.put("acme", "order", NINE, number=2)
    assert statuses(process(wiring)) == {"click": "already_loaded", "order": "loaded", "view": "already_loaded"}
    manifest = Manifest.from_json(wiring.objects.get(manifest_key(NINE, Stream("acme", "order"))))
    assert len(manifest.objects) == 2


def test_a_stream_that_the_loader_refuses_fails_alone(wiring: StandInWiring) -> None:
    wiring.loader.refused = {"order"}
    report = process(wiring)
    assert statuses(report) == {"click": "loaded", "order": "failed", "view": "loaded"}
    assert [stream.event for stream in report.failed] == ["order"]
    assert not is_worth_retrying([report])


def test_a_stream_that_cannot_be_staged_fails_alone(wiring: StandInWiring) -> None:
    wiring.transformer.broken = {"order"}
    assert statuses(process(wiring)) == {"click": "loaded", "order": "failed", "view": "loaded"}
    assert wiring.transformer.story == [("click", "order", "view"), ("click",), ("order",), ("view",)]


def test_a_table_that_changed_meanwhile_is_staged_again(wiring: StandInWiring) -> None:
    stale = StaleStagingError("loading", cause="another column type", remedy="Stage again.")
    wiring.loader.next_errors = [stale]
    assert set(statuses(process(wiring)).values()) == {"loaded"}
    assert len(wiring.transformer.story) == 2
    wiring.put("acme", "order", NINE, number=2)
    wiring.loader.next_errors = [stale] * MAX_STAGINGS
    with pytest.raises(StaleStagingError):
        process(wiring)


def test_a_warehouse_that_is_away_is_raised_and_trying_again_finishes(wiring: StandInWiring) -> None:
    wiring.loader.next_errors = [WarehouseUnavailableError("loading", cause="no connection", remedy="Wait.")]
    with pytest.raises(WarehouseUnavailableError):
        process(wiring)
    assert set(statuses(process(wiring)).values()) == {"loaded"}


def test_events_without_objects_are_empty_and_events_not_asked_for_are_left_alone(wiring: StandInWiring) -> None:
    assert statuses(process(wiring, "order", "quiet")) == {"order": "loaded", "quiet": "empty"}
    assert wiring.transformer.story == [("order",)]
    assert statuses(process(wiring, "order", hour=TEN)) == {"order": "empty"}


def test_events_that_the_registry_does_not_want_are_skipped_and_unidentified_lines_never(wiring: StandInWiring) -> None:
    for event in ("click", "order"):
        wiring.registry.add_event("acme", event)
    wiring.registry.pause_event("acme", "click")
    wiring.registry.remove_event("acme", "order")
    wiring.put("acme", UNIDENTIFIED, NINE)
    report = process(wiring)
    assert statuses(report) == {UNIDENTIFIED: "loaded", "click": "skipped", "order": "skipped", "view": "loaded"}
    reasons = {stream.event: stream.reason for stream in report.streams}
    assert "paused" in reasons["click"]
    assert "removed" in reasons["order"]


@pytest.mark.parametrize(("goal", "status", "stagings"), [(Goal.FREEZE, "frozen", 0), (Goal.STAGE, "staged", 1)])
def test_the_goal_ends_the_work_early(wiring: StandInWiring, goal: Goal, status: str, stagings: int) -> None:
    assert set(statuses(process(wiring, goal=goal)).values()) == {status}
    assert len(wiring.transformer.story) == stagings
    assert wiring.loader.story == []


def test_several_hours_are_processed_in_order_with_progress(wiring: StandInWiring) -> None:
    wiring.put("acme", "order", TEN)
    lines: list[str] = []
    orders = [Order("acme", NINE), Order("acme", TEN)]
    reports = list(hours_of(wiring).process_many(orders, "run1", lines.append))
    assert [report.hour for report in reports] == [NINE, TEN]
    assert lines[2] == "acme 2026-11-22T09: 3 loaded (36 raw, 30 rows, 3 duplicates, 3 rejected)"
    assert set(reports[0].seconds) == {"freeze", "stage", "load"}


def test_hours_that_a_load_reopens_are_loaded_again_after_it(wiring: StandInWiring) -> None:
    wiring.put("acme", "order", TEN)
    orders = [Order("acme", TEN, ("order",)), Order("acme", NINE, ("order",))]
    assert [str(report.hour) for report in hours_of(wiring).process_many(orders, "run1")] == [str(NINE), str(TEN)]
    wiring.put("acme", "order", NINE, number=2)
    wiring.loader.reopens = {NINE: (TEN,)}
    reports = list(hours_of(wiring).process_many([Order("acme", NINE, ("order",))], "run2"))
    assert [(report.hour, statuses(report)) for report in reports] == [
        (NINE, {"order": "loaded"}),
        (TEN, {"order": "loaded"}),
    ]
