"""What the watch says while something is away, damaged or not read yet: nothing is over, nobody else is concerned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from clickstream_platform.doctor.streams import check_streams
from clickstream_platform.errors import ObjectStoreUnavailableError, WarehouseUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.load.port import Warehouse
from clickstream_platform.model.hours import Hour, hour_range
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness import histories
from clickstream_platform.pipeline.freshness.ledgers import WarehouseLedgers
from clickstream_platform.pipeline.freshness.opening import open_watch
from clickstream_platform.pipeline.freshness.page_states import WatchedStates
from clickstream_platform.pipeline.freshness.report import NoLinks
from clickstream_platform.pipeline.freshness.silence import Presence
from clickstream_platform.pipeline.freshness.watched import WatchOptions
from clickstream_platform.pipeline.freshness.watching import FreshnessWatch
from clickstream_platform.pipeline.platform_watches import observation_of
from clickstream_platform.registry.entities import Destination
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.pipeline.freshness.parts import in_memory, ledger_row, put, write_ledger
from clickstream_platform_tests.pipeline.stand_ins import NINE, NOW, TEN

SALE = Stream("acme", "sale")
OPTIONS = WatchOptions(default_deadline_minutes=60, window_hours=24)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def wiring(tmp_path: Path, clock: FixedClock) -> Iterator[Wiring]:
    with in_memory(Settings(home=tmp_path, hours_lookback=24), clock) as opened:
        add(opened, "acme")
        yield opened


def add(wiring: Wiring, *customers: str) -> None:
    for customer in customers:
        wiring.registry_service.add_customer(customer)
        wiring.registry_service.add_event(customer, "sale", freshness_deadline_minutes=60)


def arrive(wiring: Wiring, stream: Stream, *hours: Hour, number: int = 1) -> None:
    """Put an object into each hour, written when the hour ended."""
    clock = wiring.clock
    assert isinstance(clock, FixedClock)
    now = clock.now()
    for hour in hours:
        clock.advance(hour.end - clock.now())
        put(wiring, stream, hour, number)
    clock.advance(now - clock.now())


def load(wiring: Wiring, stream: Stream, *hours: Hour) -> None:
    write_ledger(Path(wiring.settings.duckdb), [ledger_row(stream, hour) for hour in hours])


class AwayLedgers(WarehouseLedgers):
    """Ledgers of warehouses that can be away."""

    away: frozenset[str] = frozenset()

    def _open(self, destination: Destination) -> Warehouse:
        if destination.name in self.away:
            raise WarehouseUnavailableError("connecting", cause="no route")
        return super()._open(destination)


def test_a_process_that_starts_while_the_warehouse_is_away_ends_no_alert(wiring: Wiring, clock: FixedClock) -> None:
    arrive(wiring, SALE, NINE)
    ledgers = AwayLedgers(wiring)
    ledgers.away = frozenset({"default"})
    watch = FreshnessWatch(wiring.registry, wiring.objects, ledgers, clock, OPTIONS)
    report = watch.look()
    assert report.is_complete
    seen = observation_of(report, NoLinks())
    assert seen.findings == []  # nothing is known yet, and a moment is no trouble
    assert not any(seen.covers(kind, "acme") for kind in ("stream_late", "stream_blocked", "stream_silent"))
    assert not seen.covers("warehouse_away", None)
    ledgers.away = frozenset()
    seen = observation_of(watch.look(), NoLinks())
    assert [finding.kind for finding in seen.findings] == ["stream_late"]
    assert seen.covers("stream_silent", "acme")
    assert seen.covers("warehouse_away", None)


def test_a_history_that_is_read_again_ends_the_trouble(wiring: Wiring, clock: FixedClock) -> None:
    past = list(hour_range(NINE.plus(-60), NINE.plus(-4)))
    arrive(wiring, SALE, *past[-10:])
    load(wiring, SALE, *past)
    ledgers = AwayLedgers(wiring)
    watch = FreshnessWatch(wiring.registry, wiring.objects, ledgers, clock, OPTIONS)
    watch.look()
    watch._memory.histories = histories.Histories()
    ledgers.away = frozenset({"default"})
    report = watch.look()
    assert ([each.kind for each in report.troubles], report.histories_waiting) == (["warehouse_away"], 1)
    assert not observation_of(report, NoLinks()).covers("stream_silent", "other")
    ledgers.away = frozenset()
    assert (watch.look().troubles, watch.look().histories_waiting) == ((), 0)
    clock.advance(timedelta(minutes=5))
    assert [finding.kind for finding in watch.look().findings()] == ["stream_silent"]


def test_one_ledger_that_is_damaged_concerns_its_customer_alone(wiring: Wiring, clock: FixedClock) -> None:
    others = [f"c{number:02}" for number in range(24)]
    add(wiring, *others)
    for customer in ("acme", *others):
        arrive(wiring, Stream(customer, "sale"), NINE)
        load(wiring, Stream(customer, "sale"), NINE.plus(-1))
    with duckdb.connect(wiring.settings.duckdb) as connection:
        connection.execute("ALTER TABLE c03._loads DROP COLUMN bytes")
    watch = open_watch(wiring, OPTIONS)
    report = watch.look()
    assert report.unseen == {"c03"}
    assert {state.stream.customer for state in report.offenders()} == {"acme", *others} - {"c03"}
    clock.advance(timedelta(minutes=3))
    trouble = next(each for each in watch.look().findings() if each.kind == "warehouse_away")
    assert (trouble.since, trouble.detail["customers"]) == (NOW, 1)


def test_histories_of_a_warehouse_that_is_away_keep_no_others_waiting(
    wiring: Wiring, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "MAX_STREAMS_PER_QUESTION", 1)
    monkeypatch.setattr(histories, "MAX_QUESTIONS", 1)
    registry = wiring.registry_service
    registry.add_destination(Destination("other", "duckdb", {"path": str(wiring.settings.home / "other.duckdb")}))
    registry.add_customer("a_first", destination="other")
    registry.add_event("a_first", "sale", freshness_deadline_minutes=60)
    past = list(hour_range(NINE.plus(-60), NINE.plus(-4)))
    for customer, path in (("a_first", "other.duckdb"), ("acme", "warehouse.duckdb")):
        stream = Stream(customer, "sale")
        registry.record_seen(customer, past[-1], {"sale": ("sale", 1)})
        write_ledger(Path(wiring.settings.home) / path, [ledger_row(stream, hour) for hour in past])
    ledgers = AwayLedgers(wiring)
    ledgers.away = frozenset({"other"})
    watch = FreshnessWatch(wiring.registry, wiring.objects, ledgers, clock, OPTIONS)
    assert watch.look().histories_waiting == 2
    report = watch.look()
    assert ([str(each.stream) for each in report.offenders()], report.histories_waiting) == (["acme/sale"], 1)


def test_what_a_history_says_of_an_hour_is_worked_out_once(
    wiring: Wiring, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = [hour for hour in hour_range(NINE.plus(-28 * 24), NINE.plus(-40)) if hour.start.hour == 12]
    wiring.registry_service.record_seen("acme", past[-1], {"sale": ("sale", 1)})
    load(wiring, SALE, *past)
    asked: list[Hour] = []
    chance = Presence.chance

    def counted(self: Presence, hour: Hour) -> float | None:
        asked.append(hour)
        return chance(self, hour)

    monkeypatch.setattr(Presence, "chance", counted)
    watch = open_watch(wiring, OPTIONS)
    watch.look()
    assert len(asked) > 20
    asked.clear()
    watch.look()
    assert asked == []
    clock.advance(timedelta(hours=1))
    watch.look()
    assert len(asked) == 1


def test_an_old_hour_that_was_loaded_with_an_object_that_came_since_is_not_late(wiring: Wiring) -> None:
    old = TEN.plus(-12)
    arrive(wiring, SALE, old)
    watch = open_watch(wiring, OPTIONS)
    assert [state.status.value for state in watch.look().states()] == ["late"]
    watch = FreshnessWatch(
        wiring.registry, wiring.objects, WarehouseLedgers(wiring), wiring.clock, memory=watch._memory
    )
    arrive(wiring, SALE, old, number=2)
    write_ledger(Path(wiring.settings.duckdb), [ledger_row(SALE, old, objects=2)])
    assert [state.status.value for state in watch.look().states()] == ["fresh"]


def test_the_doctor_does_not_call_fresh_what_it_could_not_read(wiring: Wiring) -> None:
    arrive(wiring, SALE, NINE)
    Path(wiring.settings.duckdb).write_bytes(b"no database" * 2000)
    found = list(check_streams(wiring))
    assert [(each.check, each.status.value) for each in found] == [("freshness", "warn"), ("default", "warn")]
    assert "1 customers are judged by what was known" in found[0].detail
    assert "LoadError" in found[1].detail


def test_the_doctor_names_the_runbook_of_a_pause(wiring: Wiring) -> None:
    arrive(wiring, SALE, NINE)
    wiring.registry_service.pause_event("acme", "sale")
    assert [each.remedy for each in check_streams(wiring)][1] == "See docs/runbooks/stream-paused.md."


def test_a_page_shows_nothing_of_a_customer_whose_ledger_does_not_answer(wiring: Wiring) -> None:
    arrive(wiring, SALE, NINE)
    Path(wiring.settings.duckdb).write_bytes(b"no database" * 2000)
    acme = wiring.registry_service.get_customer("acme")
    with closing(WatchedStates(wiring)) as states:
        states.of_customer(acme)
        states._worker.submit(lambda: None).result(10)  # the look before it is done
        assert states.of_customer(acme) == {}


def test_a_look_through_ends_when_the_store_is_away(wiring: Wiring) -> None:
    objects = wiring.objects
    assert isinstance(objects, MemoryObjectStore)
    for _ in range(100):
        objects.fail_next("list_objects", ObjectStoreUnavailableError("listing", cause="no route"))
    report = open_watch(wiring, OPTIONS).look_through()
    assert len(objects.story) <= 2
    assert report.doubt("acme").startswith("the object store with the raw objects does not answer")
