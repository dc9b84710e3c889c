"""Loading raw hours again, on real parts: what is replaced, what stays, and what other loads do meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform.errors import WarehouseUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import MANIFEST_PREFIX, raw_prefix
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.customer_hour import CustomerHours
from clickstream_platform.pipeline.opening import Pipeline, open_pipeline
from clickstream_platform.pipeline.replays import EXPIRED, STILL_OPEN, UNKNOWN_CUSTOMER, Replays, Selection
from clickstream_platform.pipeline.reports import CustomerHourReport
from clickstream_platform.quarantine.quarantine import Quarantine
from clickstream_platform.quarantine.quarantine import Selection as InQuarantine
from clickstream_platform.settings import Settings
from clickstream_platform_tests.pipeline.stand_ins import NINE, NOW, TEN
from clickstream_platform_tests.pipeline.test_real_parts import load, put, rows_of

ALL = Selection(NINE, TEN)


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    clock = FixedClock(max(NOW, TEN.plus(3).start))
    with open_pipeline(Settings(home=tmp_path), clock) as opened:
        opened.wiring.registry.add_customer("acme")
        yield opened


def outcome(reports: Iterator[CustomerHourReport]) -> list[tuple[str, str, str, str]]:
    """Return hour, event, status and reason of everything reported."""
    return [(str(r.hour), s.event, s.status.value, s.reason) for r in reports for s in r.streams]


def tables(pipeline: Pipeline) -> list[tuple[object, ...]]:
    return rows_of(pipeline, "SELECT batch_hour, id, price FROM acme.sale ORDER BY ALL")


def forget(pipeline: Pipeline, prefix: str, limit: int = 1_000) -> None:
    for item in list(pipeline.wiring.objects.list_objects(prefix))[:limit]:
        pipeline.wiring.objects.delete(item.key)


def test_an_hour_is_made_again_from_its_raw_objects_and_nothing_is_there_twice(pipeline: Pipeline) -> None:
    for hour, ids in ((NINE, range(5)), (TEN, range(4, 8))):
        put(pipeline, "sale", hour, ids)
        load(pipeline, hour)
    before = tables(pipeline)
    rows_of(pipeline, "DELETE FROM acme.sale WHERE id = 'sale1'; UPDATE acme.sale SET price = 99 WHERE id = 'sale5'")
    for _ in range(2):
        found = outcome(pipeline.replays.replay(ALL, "again"))
        assert found == [(str(NINE), "sale", "loaded", ""), (str(TEN), "sale", "loaded", "")]
        assert tables(pipeline) == before
        assert pipeline.reconcile("acme", [NINE, TEN]) == []
    assert rows_of(pipeline, "SELECT DISTINCT run_id FROM acme._loads") == [("again",)]
    assert rows_of(pipeline, "SELECT count(*) FROM acme.tracks") == [(8,)]


def test_late_objects_and_hours_that_were_never_loaded_come_with_it(pipeline: Pipeline) -> None:
    put(pipeline, "sale", NINE, range(2))
    load(pipeline)
    put(pipeline, "sale", NINE, range(2, 4), number=2)
    put(pipeline, "sale", TEN, range(4, 5))
    assert [each[2] for each in outcome(pipeline.replays.replay(ALL, "again"))] == ["loaded", "loaded"]
    assert [row[1] for row in tables(pipeline)] == [f"sale{n}" for n in range(5)]


def test_only_what_is_selected_is_loaded_again(pipeline: Pipeline) -> None:
    pipeline.wiring.registry.add_customer("other")
    for hour in (NINE, TEN):
        for event in ("sale", "view"):
            put(pipeline, event, hour, range(2))
    for only, expected in (
        (replace(ALL, last=NINE), {(str(NINE), "sale"), (str(NINE), "view")}),
        (replace(ALL, events=("view",)), {(str(NINE), "view"), (str(TEN), "view")}),
        (replace(ALL, customer="other"), set()),
        (Selection(TEN.plus(1), TEN.plus(5)), set()),
    ):
        assert {each[:2] for each in outcome(pipeline.replays.replay(only, "again"))} == expected


@pytest.mark.parametrize("has_manifests", [True, False])
def test_hours_of_which_raw_objects_are_gone_keep_their_rows(pipeline: Pipeline, *, has_manifests: bool) -> None:
    put(pipeline, "sale", NINE, range(3))
    for number in range(3):
        put(pipeline, "sale", TEN, range(3 + number, 4 + number), number=number)
    put(pipeline, "view", TEN, range(2))
    load(pipeline)
    load(pipeline, TEN)
    before, ledger = tables(pipeline), rows_of(pipeline, "SELECT * FROM acme._loads WHERE event = 'sale' ORDER BY ALL")
    forget(pipeline, raw_prefix(NINE))
    forget(pipeline, raw_prefix(TEN, Stream("acme", "sale")), limit=2)
    put(pipeline, "sale", TEN, range(20, 21), number=9)
    if not has_manifests:
        forget(pipeline, MANIFEST_PREFIX)
    some = f"{2 if has_manifests else 1} of {4 if has_manifests else 3} of {EXPIRED}"
    assert outcome(pipeline.replays.replay(ALL, "again")) == [
        (str(NINE), "sale", "skipped", EXPIRED),
        (str(TEN), "sale", "skipped", some),
        (str(TEN), "view", "loaded", ""),
    ]
    assert tables(pipeline) == before
    assert rows_of(pipeline, "SELECT * FROM acme._loads WHERE event = 'sale' ORDER BY ALL") == ledger


def test_open_hours_and_customers_that_nobody_knows_are_left_alone(tmp_path: Path) -> None:
    with open_pipeline(Settings(home=tmp_path), FixedClock(NINE.end)) as pipeline:
        pipeline.wiring.registry.add_customer("acme")
        put(pipeline, "sale", NINE, range(3))
        pipeline.wiring.objects.put(f"raw/hour={NINE}/customer=nobody/event=sale/s-1-1.ndjson", b"{}\n")
        assert outcome(pipeline.replays.replay(ALL, "again")) == [
            (str(NINE), "sale", "skipped", STILL_OPEN),
            (str(NINE), "sale", "skipped", UNKNOWN_CUSTOMER),
        ]


def test_events_that_are_not_in_use_stay_as_they_are(pipeline: Pipeline) -> None:
    put(pipeline, "sale", NINE, range(3))
    load(pipeline)
    pipeline.wiring.registry_service.pause_event("acme", "sale")
    before = rows_of(pipeline, "SELECT * FROM acme._loads")
    ((_, event, status, reason),) = outcome(pipeline.replays.replay(ALL, "again"))
    assert (event, status) == ("sale", "skipped")
    assert "paused" in reason
    assert rows_of(pipeline, "SELECT * FROM acme._loads") == before


def test_hours_that_had_lost_rows_to_this_one_follow(pipeline: Pipeline) -> None:
    put(pipeline, "sale", NINE, range(5))
    put(pipeline, "sale", TEN, range(3, 8))
    load(pipeline)
    load(pipeline, TEN)
    put(pipeline, "sale", NINE, range(2))  # the same object, now with fewer records
    found = outcome(pipeline.replays.replay(Selection(NINE, NINE), "again"))
    assert [each[0] for each in found] == [str(NINE), str(TEN)]
    assert [row[1] for row in tables(pipeline)] == [f"sale{n}" for n in (0, 1, 3, 4, 5, 6, 7)]


def test_records_that_are_rejected_no_more_leave_quarantine(pipeline: Pipeline) -> None:
    service = pipeline.wiring.registry_service
    service.add_event("acme", "sale")
    service.add_event("acme", "view")
    service.add_contract("acme", "sale", "reject", {"properties": {"price": {"maximum": 1}}})
    put(pipeline, "sale", NINE, range(4))
    put(pipeline, "view", NINE, range(2))
    load(pipeline)
    quarantine = Quarantine(pipeline.wiring.objects)
    assert [each.records for each in quarantine.counts(InQuarantine("acme"))] == [2]
    service.add_contract("acme", "sale", "reject", {"properties": {"price": {"maximum": 2}}})
    list(pipeline.replays.replay(ALL, "again"))
    assert [each.records for each in quarantine.counts(InQuarantine("acme"))] == [1]
    service.add_contract("acme", "sale", "evolve", {"properties": {"price": {"maximum": 2}}})
    list(pipeline.replays.replay(ALL, "again"))
    assert quarantine.counts(InQuarantine("acme")) == []
    assert len(tables(pipeline)) == 4
    assert pipeline.reconcile("acme", [NINE]) == []


def interrupted(pipeline: Pipeline, meanwhile: Callable[[], object]) -> Replays:
    """Return replays in which something happens once, between the staging of an hour and its load."""
    stager, events = pipeline.wiring.transformer, [meanwhile]

    class Interrupted:
        def stage(self, *inputs: Any) -> Any:
            staged = stager.stage(*inputs)
            if events:
                events.pop()()
            return staged

    wiring = pipeline.wiring
    hours = CustomerHours(wiring.objects, wiring.registry, Interrupted(), wiring.open_loader, wiring.clock)
    return replace(pipeline.replays, customer_hours=hours)


@pytest.mark.parametrize("was_loaded", [True, False])
def test_another_load_that_knew_more_is_not_undone(pipeline: Pipeline, *, was_loaded: bool) -> None:
    put(pipeline, "sale", NINE, range(2))
    if was_loaded:
        load(pipeline)

    def meanwhile() -> None:
        put(pipeline, "sale", NINE, range(2, 4), number=2)
        load(pipeline)

    (report,) = interrupted(pipeline, meanwhile).replay(ALL, "again")
    (failed,) = report.failed
    assert isinstance(failed.error, WarehouseUnavailableError)
    assert "Replay the hour again" in str(failed.error)
    assert len(tables(pipeline)) == 4
    assert [each[2] for each in outcome(pipeline.replays.replay(ALL, "again"))] == ["loaded"]
    assert len(tables(pipeline)) == 4


def test_another_load_of_the_same_input_will_do(pipeline: Pipeline) -> None:
    put(pipeline, "sale", NINE, range(2))
    reports = list(interrupted(pipeline, lambda: load(pipeline)).replay(ALL, "again"))
    assert [(stream.status.value, stream.counts and stream.counts.rows) for stream in reports[0].streams] == [
        ("loaded", 2)
    ]
    assert rows_of(pipeline, "SELECT run_id FROM acme._loads") == [("run1",)]
    assert len(tables(pipeline)) == 2


def test_replays_and_loads_at_the_same_time_leave_every_row_once(tmp_path: Path) -> None:
    settings, hours = Settings(home=tmp_path), [NINE, TEN]
    with open_pipeline(settings, FixedClock(TEN.plus(3).start)) as pipeline:
        pipeline.wiring.registry.add_customer("acme")
        for hour in hours:
            put(pipeline, "sale", hour, range(3), number=1)
    failures: list[BaseException] = []

    def replay() -> None:
        try:
            with open_pipeline(settings, FixedClock(TEN.plus(3).start)) as other:
                for _ in range(3):
                    list(other.replays.replay(ALL, "again"))
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    thread = threading.Thread(target=replay)
    with open_pipeline(settings, FixedClock(TEN.plus(3).start)) as pipeline:
        thread.start()
        for number in range(2, 5):
            for hour in hours:
                first = 10 * number
                put(pipeline, "sale", hour, range(first, first + 2), number=number)
                load(pipeline, hour)
        thread.join(60)
        assert failures == []
        assert not thread.is_alive()
        list(pipeline.replays.replay(ALL, "last"))
        assert [row[1] for row in tables(pipeline)] == sorted(f"sale{n}" for n in (0, 1, 2, 20, 21, 30, 31, 40, 41))
        assert pipeline.reconcile("acme", hours) == []


def test_the_first_and_last_hour_are_both_included() -> None:
    assert Selection(NINE, NINE).has("sale")
    assert not Selection(NINE, Hour.parse("2026-11-22T23"), events=("view",)).has("sale")
