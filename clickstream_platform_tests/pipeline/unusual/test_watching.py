"""The watch over the unusual on a real registry and ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from clickstream_platform.bench.freshness_looks import Load, run
from clickstream_platform.bench.unusual_looks import measure
from clickstream_platform.errors import WarehouseUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.hours import hour_range
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.ledgers import WarehouseLedgers
from clickstream_platform.pipeline.freshness.ports import LedgerAnswer, LedgerQuestion
from clickstream_platform.pipeline.unusual import watching
from clickstream_platform.pipeline.unusual.hours import CONTENT, VOLUME
from clickstream_platform.pipeline.unusual.thresholds import ThresholdBook
from clickstream_platform.pipeline.unusual.watching import UnusualReport, UnusualWatch, comparable_hours
from clickstream_platform.registry.entities import Snapshot
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.pipeline.freshness.parts import ledger_row, write_ledger
from clickstream_platform_tests.pipeline.stand_ins import ELEVEN, NOW, TEN

SALE, VIEW, OTHER = Stream("acme", "sale"), Stream("acme", "view"), Stream("tiny", "sale")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def wiring(tmp_path: Path, clock: FixedClock) -> Iterator[Wiring]:
    with Wiring(Settings(home=tmp_path), clock) as opened:
        for customer in ("acme", "tiny"):
            opened.registry_service.add_customer(customer)
        yield opened


def path_of(wiring: Wiring) -> Path:
    return Path(wiring.settings.duckdb)


def watch_on(wiring: Wiring, customer: str | None = None) -> UnusualWatch:
    return UnusualWatch(wiring.registry, WarehouseLedgers(wiring), wiring.clock, ThresholdBook(), customer=customer)


def kinds(report: UnusualReport) -> list[tuple[str, str | None]]:
    return [(finding.kind, finding.event) for finding in report.findings()]


def test_a_surge_is_told_until_the_next_usual_hour(wiring: Wiring, clock: FixedClock) -> None:
    past = list(hour_range(TEN.plus(-35 * 24), TEN.plus(-1)))
    write_ledger(path_of(wiring), [ledger_row(stream, hour, raw=500) for hour in past for stream in (SALE, VIEW)])
    write_ledger(path_of(wiring), [ledger_row(SALE, TEN, raw=90_000, rejected=50_000), ledger_row(VIEW, TEN, raw=510)])
    write_ledger(path_of(wiring), [ledger_row(OTHER, TEN, raw=7)])
    watch = watch_on(wiring)
    report = watch.look()
    assert kinds(report) == [("volume_surge", "sale"), ("rejected_share", "sale")]
    acme, tiny = report.customers["acme"], report.customers["tiny"]
    assert ([each.kind for each in acme.findings(VOLUME)], len(acme.findings(CONTENT))) == (["volume_surge"], 1)
    assert (acme.short_histories, tiny.short_histories) == (0, 1)
    clock.advance(timedelta(minutes=5))
    assert kinds(watch.look()) == kinds(report)
    write_ledger(path_of(wiring), [ledger_row(SALE, ELEVEN, raw=480)])
    assert kinds(watch.look()) == []


def test_an_hour_that_is_loaded_again_is_judged_again(wiring: Wiring) -> None:
    past = list(hour_range(TEN.plus(-35 * 24), TEN.plus(-1)))
    write_ledger(path_of(wiring), [ledger_row(SALE, hour, raw=500) for hour in past])
    write_ledger(path_of(wiring), [ledger_row(SALE, TEN, raw=20)])
    watch = watch_on(wiring)
    assert kinds(watch.look()) == [("volume_drop", "sale")]
    with duckdb.connect(path_of(wiring)) as connection:
        connection.execute("UPDATE acme._loads SET raw_records = 500, "
                           "committed_at = committed_at + INTERVAL 1 HOUR, started_at = started_at + INTERVAL 1 HOUR "
                           f"WHERE hour = TIMESTAMP '{TEN.start:%Y-%m-%d %H:%M:%S}'")  # fmt: skip
    assert kinds(watch.look()) == []


def test_a_verdict_grows_old(wiring: Wiring, clock: FixedClock) -> None:
    past = list(hour_range(TEN.plus(-35 * 24), TEN.plus(-1)))
    write_ledger(path_of(wiring), [ledger_row(SALE, hour, raw=500) for hour in past])
    write_ledger(path_of(wiring), [ledger_row(SALE, TEN, raw=20)])
    watch = watch_on(wiring)
    watch.look()
    clock.advance(timedelta(hours=4))
    assert len(watch.look().findings()) == 1
    clock.advance(timedelta(hours=1))
    assert watch.look().findings() == []


def test_customers_beyond_the_limit_of_a_look_wait(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MAX_CUSTOMERS_PER_LOOK", 1)
    write_ledger(path_of(wiring), [ledger_row(SALE, ELEVEN), ledger_row(OTHER, ELEVEN)])
    watch = watch_on(wiring)
    first, second = watch.look(), watch.look()
    assert (first.waiting, second.waiting) == (1, 0)
    assert [len(first.customers[each].verdicts) for each in ("acme", "tiny")] == [1, 0]
    assert [len(second.customers[each].verdicts) for each in ("acme", "tiny")] == [1, 1]


def test_customers_whose_history_is_not_answered_keep_no_others_waiting(
    wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ledgers(WarehouseLedgers):
        def read(self, snapshot: Snapshot, question: LedgerQuestion) -> Iterator[LedgerAnswer]:
            if "acme" in question.customers and len(question.hours or ()) > watching.RECENT_HOURS:
                yield LedgerAnswer("default", ("acme",), error=WarehouseUnavailableError("reading", cause="too slow"))
            else:
                yield from super().read(snapshot, question)

    monkeypatch.setattr(watching, "MAX_CUSTOMERS_PER_LOOK", 1)
    write_ledger(path_of(wiring), [ledger_row(SALE, ELEVEN), ledger_row(OTHER, ELEVEN)])
    watch = UnusualWatch(wiring.registry, Ledgers(wiring), wiring.clock, ThresholdBook())
    assert watch.look().unread == {"acme"}
    report = watch.look()
    assert [len(report.customers[each].verdicts) for each in ("acme", "tiny")] == [0, 1]


def test_the_benchmark_judges_all_of_its_streams() -> None:
    figures = run(Load(customers=5, events=4, late=0, silent=0), measure)
    assert (figures["streams judged"], figures["findings"], figures["looks until all are judged"]) == (20, 0, 1)


def test_one_customer_can_be_looked_at_alone(wiring: Wiring) -> None:
    write_ledger(path_of(wiring), [ledger_row(SALE, ELEVEN), ledger_row(OTHER, ELEVEN)])
    assert set(watch_on(wiring, "tiny").look().customers) == {"tiny"}


def test_without_a_ledger_there_is_nothing_to_say(wiring: Wiring) -> None:
    report = watch_on(wiring).look()
    assert (report.findings(), report.unread) == ([], frozenset())


def test_comparable_hours_are_earlier_and_of_the_same_time_of_day_or_near() -> None:
    hours = comparable_hours(TEN)
    assert all(hour < TEN for hour in hours)
    assert all(hour.start.hour == TEN.start.hour or hour >= TEN.plus(-30) for hour in hours)
    assert len(hours) == 35 + 29
