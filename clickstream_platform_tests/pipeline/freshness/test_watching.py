"""The watch on real parts (SQLite, DuckDB): what it finds, what it looks at, what it says when parts are away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from clickstream_platform.errors import ObjectStoreUnavailableError, WarehouseUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.load.port import Warehouse
from clickstream_platform.model.hours import Hour, hour_range
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.stream_status import StreamStatus
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.customer_hour import Order
from clickstream_platform.pipeline.freshness.facts import LoadFailure
from clickstream_platform.pipeline.freshness.ledgers import WarehouseLedgers
from clickstream_platform.pipeline.freshness.opening import open_watch
from clickstream_platform.pipeline.freshness.report import FreshnessReport
from clickstream_platform.pipeline.freshness.watched import WatchOptions
from clickstream_platform.pipeline.freshness.watching import FreshnessWatch
from clickstream_platform.pipeline.opening import open_pipeline
from clickstream_platform.registry.entities import Destination
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.pipeline.freshness.parts import in_memory, ledger_row, put, write_ledger
from clickstream_platform_tests.pipeline.stand_ins import ELEVEN, NINE, NOW, TEN

SALE, VIEW = Stream("acme", "sale"), Stream("acme", "view")
OPTIONS = WatchOptions(default_deadline_minutes=60, window_hours=24)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def wiring(tmp_path: Path, clock: FixedClock) -> Iterator[Wiring]:
    with in_memory(Settings(home=tmp_path), clock) as opened:
        opened.registry_service.add_customer("acme")
        for stream in (SALE, VIEW):
            opened.registry_service.add_event("acme", stream.event)
        yield opened


def path_of(wiring: Wiring) -> Path:
    return Path(wiring.settings.duckdb)


def objects_of(wiring: Wiring) -> MemoryObjectStore:
    assert isinstance(wiring.objects, MemoryObjectStore)
    return wiring.objects


def arrive(wiring: Wiring, stream: Stream, *hours: Hour, number: int = 1) -> None:
    """Put an object into each hour, written when the hour ended."""
    clock = wiring.clock
    assert isinstance(clock, FixedClock)
    now = clock.now()
    for hour in hours:
        set_to(clock, hour.end)
        put(wiring, stream, hour, number)
    set_to(clock, now)


def set_to(clock: FixedClock, moment: datetime) -> None:
    """Let a clock stand at a moment."""
    clock.advance(moment - clock.now())


def words(report: FreshnessReport) -> dict[str, str]:
    return {str(state.stream): state.status.value for state in report.states()}


def test_what_is_loaded_is_fresh_and_what_is_not_by_its_deadline_is_late(wiring: Wiring) -> None:
    arrive(wiring, SALE, NINE, TEN, ELEVEN)
    arrive(wiring, VIEW, NINE, TEN)
    write_ledger(path_of(wiring), [ledger_row(SALE, NINE), ledger_row(SALE, TEN), ledger_row(VIEW, TEN)])
    report = open_watch(wiring, OPTIONS).look()
    assert words(report) == {"acme/sale": "fresh", "acme/view": "late"}
    (late,) = report.offenders()
    assert (late.stream, late.newest_loaded_hour, late.deadline) == (VIEW, None, NINE.end + timedelta(hours=1))
    assert [finding.key for finding in report.findings()] == ["stream_late|acme|view"]
    assert report.is_complete


def test_an_event_without_records_was_never_seen_and_one_without_deadline_is_not_watched(wiring: Wiring) -> None:
    watch = open_watch(wiring, OPTIONS)
    assert words(watch.look()) == {"acme/sale": "never_seen", "acme/view": "never_seen"}
    unwatched = open_watch(wiring, WatchOptions(default_deadline_minutes=0, window_hours=24))
    wiring.registry_service.update_event("acme", "sale", freshness_deadline_minutes=30)
    report = unwatched.look()
    assert words(report) == {"acme/sale": "never_seen"}
    assert report.customers["acme"].unwatched == 1


def test_the_deadline_of_the_registry_decides(wiring: Wiring) -> None:
    arrive(wiring, SALE, TEN)
    wiring.registry_service.update_event("acme", "sale", freshness_deadline_minutes=91)
    watch = open_watch(wiring, OPTIONS)
    assert words(watch.look())["acme/sale"] == "fresh"
    wiring.registry_service.update_event("acme", "sale", freshness_deadline_minutes=90)
    assert words(watch.look())["acme/sale"] == "late"


def test_a_late_object_and_an_hour_that_must_be_loaded_again_are_missing(wiring: Wiring, clock: FixedClock) -> None:
    arrive(wiring, SALE, NINE)
    arrive(wiring, VIEW, NINE)
    write_ledger(path_of(wiring), [ledger_row(SALE, NINE), ledger_row(VIEW, NINE, digest="")])
    watch = open_watch(wiring, OPTIONS)
    assert words(watch.look()) == {"acme/sale": "fresh", "acme/view": "late"}
    put(wiring, SALE, NINE, 2)
    set_to(clock, NOW + timedelta(minutes=59))
    assert words(watch.look())["acme/sale"] == "fresh"
    set_to(clock, NOW + timedelta(minutes=60))
    assert words(watch.look())["acme/sale"] == "late"


def test_a_late_stream_is_fresh_as_soon_as_it_is_loaded_and_then_the_ledger_is_left_alone(wiring: Wiring) -> None:
    arrive(wiring, SALE, NINE)
    watch = open_watch(wiring, OPTIONS)
    assert words(watch.look())["acme/sale"] == "late"
    write_ledger(path_of(wiring), [ledger_row(SALE, NINE)])
    report = watch.look()
    assert words(report)["acme/sale"] == "fresh"
    assert report.figures["ledger_rows_read"] == 1
    assert watch.look().figures["ledger_rows_read"] == 0


def test_a_failed_load_is_blocked_until_it_is_loaded(wiring: Wiring, clock: FixedClock) -> None:
    arrive(wiring, SALE, ELEVEN)
    failure = LoadFailure("acme", "sale", ELEVEN, NOW - timedelta(minutes=1), "TooManyRejectedError", "run1")
    watch = open_watch(wiring, OPTIONS)
    report = watch.look([failure])
    assert words(report)["acme/sale"] == "blocked"
    assert [finding.kind for finding in report.findings()] == ["stream_blocked"]
    write_ledger(path_of(wiring), [ledger_row(SALE, ELEVEN)])
    set_to(clock, NOW + timedelta(minutes=5))
    assert words(watch.look([failure]))["acme/sale"] == "fresh"


def test_a_paused_event_is_blocked_only_while_records_wait(wiring: Wiring) -> None:
    arrive(wiring, SALE, NINE)
    wiring.registry_service.pause_event("acme", "sale")
    wiring.registry_service.pause_event("acme", "view")
    report = open_watch(wiring, OPTIONS).look()
    assert words(report) == {"acme/sale": "blocked", "acme/view": "never_seen"}
    assert [finding.kind for finding in report.findings()] == ["stream_paused"]


def test_a_stream_that_stops_is_silent_and_one_that_is_often_quiet_is_not(wiring: Wiring, clock: FixedClock) -> None:
    past = list(hour_range(NINE.plus(-20 * 24), NINE))
    quiet = [hour for hour in past if hour.start.hour == NINE.start.hour]
    write_ledger(path_of(wiring), [ledger_row(SALE, hour) for hour in past])
    write_ledger(path_of(wiring), [ledger_row(VIEW, hour) for hour in quiet])
    arrive(wiring, SALE, *past[-24:])
    arrive(wiring, VIEW, NINE)
    watch = open_watch(wiring, OPTIONS)
    assert words(watch.look()) == {"acme/sale": "fresh", "acme/view": "fresh"}
    set_to(clock, NOW + timedelta(hours=4))
    report = watch.look()
    assert words(report) == {"acme/sale": "silent", "acme/view": "fresh"}
    (silent,) = report.offenders()
    assert silent.newest_loaded_hour == NINE
    assert silent.deadline == TEN.end + timedelta(hours=1)
    arrive(wiring, SALE, ELEVEN.plus(4))
    assert words(watch.look())["acme/sale"] == "fresh"


def test_a_stream_that_was_quiet_for_longer_than_the_window_is_still_silent(wiring: Wiring) -> None:
    last = NINE.plus(-40)
    wiring.registry_service.record_seen("acme", last, {"sale": ("sale", 10)})
    write_ledger(path_of(wiring), [ledger_row(SALE, hour) for hour in hour_range(last.plus(-600), last)])
    report = open_watch(wiring, OPTIONS).look()
    assert words(report)["acme/sale"] == "silent"
    assert report.offenders()[0].newest_loaded_hour == last


def test_a_short_history_is_said_and_no_alarm(wiring: Wiring) -> None:
    past = list(hour_range(NINE.plus(-30), NINE.plus(-6)))
    write_ledger(path_of(wiring), [ledger_row(SALE, hour) for hour in past])
    arrive(wiring, SALE, *past[-10:])
    (state,) = (state for state in open_watch(wiring, OPTIONS).look().states() if state.stream == SALE)
    assert (state.status, state.reason) == (StreamStatus.FRESH, "quiet; its history is too short to say more")


class AwayLedgers(WarehouseLedgers):
    """Ledgers of a warehouse that can be away."""

    is_away = False

    def _open(self, destination: Destination) -> Warehouse:
        if self.is_away:
            raise WarehouseUnavailableError("connecting", cause="no route")
        return super()._open(destination)


def test_a_warehouse_that_is_away_makes_nobody_late_and_is_told_after_minutes(
    wiring: Wiring, clock: FixedClock
) -> None:
    arrive(wiring, SALE, NINE)
    arrive(wiring, VIEW, ELEVEN)
    ledgers = AwayLedgers(wiring)
    watch = FreshnessWatch(wiring.registry, wiring.objects, ledgers, clock, OPTIONS)
    assert words(watch.look()) == {"acme/sale": "late", "acme/view": "fresh"}
    ledgers.is_away = True
    set_to(clock, NOW + timedelta(hours=2))
    report = watch.look()
    assert words(report) == {"acme/sale": "late", "acme/view": "fresh"}
    assert [finding.kind for finding in report.findings()] == ["stream_late"]
    set_to(clock, NOW + timedelta(hours=2, minutes=5))
    (trouble,) = watch.look().troubles
    assert (trouble.kind, trouble.what, trouble.customers) == ("warehouse_away", "default", frozenset({"acme"}))
    assert watch.look().findings()[0].key == "warehouse_away||"
    ledgers.is_away = False
    report = watch.look()
    assert (report.troubles, words(report)["acme/view"]) == ((), "late")


def test_an_object_store_that_is_away_leaves_what_was_known(wiring: Wiring, clock: FixedClock) -> None:
    arrive(wiring, SALE, NINE)
    watch = open_watch(wiring, OPTIONS)
    assert words(watch.look())["acme/sale"] == "late"
    for at in (NOW, NOW + timedelta(minutes=10)):
        set_to(clock, at)
        objects_of(wiring).fail_next("list_objects", ObjectStoreUnavailableError("listing", cause="no route"))
        report = watch.look()
        assert words(report)["acme/sale"] == "late"
    assert [trouble.kind for trouble in report.troubles] == ["objects_away"]


def test_hours_are_listed_in_turn_once_all_were_seen(wiring: Wiring) -> None:
    slow = WatchOptions(default_deadline_minutes=60, window_hours=24, listing_seconds=0.0)
    watch = open_watch(wiring, slow)
    objects = objects_of(wiring)

    def listed() -> list[str]:
        objects.story.clear()
        watch.look()
        return [key.removeprefix("raw/hour=").rstrip("/") for method, key in objects.story if method == "list_objects"]

    recent = [str(TEN), str(ELEVEN)]
    looks = [listed() for _ in range(22)]
    assert all(look[:2] == recent for look in looks)
    assert [look[2] for look in looks] == [str(NINE.plus(-number)) for number in range(21)] + [str(NINE)]


def test_objects_outside_the_layout_and_of_unknown_streams_are_left_out(wiring: Wiring) -> None:
    wiring.objects.put(f"raw/hour={NINE}/customer=acme/event=sale/", b"")
    wiring.objects.put(f"raw/hour={NINE}/customer=acme/event=sale/readme.txt", b"hello")
    wiring.objects.put(f"raw/hour={NINE}/customer=nobody/event=sale/s-1-1.ndjson.gz", b"x")
    wiring.objects.put(f"raw/hour={NINE}/odd/s-1-1.ndjson.gz", b"x")
    report = open_watch(wiring, OPTIONS).look()
    assert words(report) == {"acme/sale": "never_seen", "acme/view": "never_seen"}
    assert report.figures["objects_listed"] == 4


def test_streams_that_are_removed_leave_the_report(wiring: Wiring) -> None:
    arrive(wiring, SALE, NINE)
    watch = open_watch(wiring, OPTIONS)
    watch.look()
    wiring.registry_service.remove_event("acme", "sale")
    assert words(watch.look()) == {"acme/view": "never_seen"}
    wiring.registry_service.remove_customer("acme")
    assert watch.look().customers == {}


def test_what_the_pipeline_loads_is_fresh(tmp_path: Path) -> None:
    """Nothing stands in here: records become rows, and the watch agrees with the ledger about their objects."""
    with open_pipeline(Settings(home=tmp_path), FixedClock(NOW)) as pipeline:
        pipeline.wiring.registry.add_customer("acme")
        at = f"{NINE.start:%Y-%m-%dT%H}:30:00Z"
        for number in (1, 2):
            line = {"type": "track", "event": "sale", "messageId": f"m{number}", "receivedAt": at, "properties": {}}
            key = str(RawObjectKey(NINE, SALE, "s", str(number), str(number))).removesuffix(".gz")
            pipeline.wiring.objects.put(key, json.dumps(line).encode() + b"\n")
        pipeline.wiring.registry.record_seen("acme", NINE, {"sale": ("sale", 2)})
        watch = open_watch(pipeline.wiring, OPTIONS)
        list(pipeline.customer_hours.process_many([Order("acme", NINE)], "run1"))
        report = watch.look()
        assert words(report) == {"acme/sale": "fresh"}
        (state,) = report.states()
        assert (state.newest_loaded_hour, state.lag_seconds) == (NINE, 2.5 * 3600)
        with duckdb.connect(pipeline.settings.duckdb) as connection:
            connection.execute("UPDATE acme._loads SET objects = 1")
        again = open_watch(pipeline.wiring, OPTIONS).look()
        assert again.customers["acme"].judgements[0].missing[0].hour == NINE
