"""What the registry's page is told about loads: read from a real ledger, and never waited for."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from clickstream_platform.errors import ClickstreamError, WarehouseUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.load.loader import Loader
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.staging import StagedBatch
from clickstream_platform.pipeline import load_statistics
from clickstream_platform.pipeline.load_statistics import KEEP_FAILURE_SECONDS, KEEP_SECONDS, LedgerStatistics
from clickstream_platform.registry.entities import Customer, Destination
from clickstream_platform.registry.ports import EventStatistics
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.builders import HOUR, BatchBuilder, locate_in
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_target import settings_of, stand_in_target

NOW = HOUR.end + timedelta(minutes=30)
DISCARD = {"column_name": "n", "column_value": '"x"', "column_type": "BIGINT", "reason": "type_conflict"}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def wiring(tmp_path: Path, clock: FixedClock) -> Iterator[Wiring]:
    with Wiring(Settings(home=tmp_path / "home"), clock) as opened:
        opened.registry_service.add_customer("shop")
        yield opened


@pytest.fixture
def statistics(wiring: Wiring) -> Iterator[LedgerStatistics]:
    asking = LedgerStatistics(wiring)
    yield asking
    asking.close()


@pytest.fixture
def shop(wiring: Wiring) -> Customer:
    return wiring.registry_service.get_customer("shop")


def load(wiring: Wiring, folder: Path, batch: StagedBatch) -> None:
    """Load a batch as the hourly work does."""
    warehouse = wiring.open_warehouse(wiring.registry_service.get_customer("shop"))
    loader = Loader(warehouse, "shop", wiring.clock, locate=locate_in(folder))
    report = loader.load(batch, run_id="run", started_at=wiring.clock.now())
    assert [outcome.error for outcome in report.outcomes] == [None] * len(batch.streams)


def batch_of(folder: Path, hour: Hour, rows: int) -> StagedBatch:
    """Stage some sales of an hour, with one record rejected and one value discarded."""
    discard = {**DISCARD, "row_id": f"{hour}-0", "received_at": hour.start}
    builder = BatchBuilder(folder, hour=hour)
    return builder.add(
        "sale", [{"id": f"{hour}-{n}", "n": n} for n in range(rows)], rejected=1, discards=[discard]
    ).build()


def test_a_customer_without_a_warehouse_has_no_figures_and_none_is_made(
    statistics: LedgerStatistics, wiring: Wiring, shop: Customer
) -> None:
    assert statistics.of_customer(shop) == {}
    assert not Path(wiring.settings.duckdb).exists()


def test_figures_are_those_of_the_last_24_hours_and_the_newest_hour(
    statistics: LedgerStatistics, wiring: Wiring, shop: Customer, tmp_path: Path
) -> None:
    # At 10:30, the hours from yesterday's 10:00 on count.
    for hour, rows in ((HOUR.plus(-24), 7), (HOUR.plus(-23), 5), (HOUR, 3)):
        load(wiring, tmp_path, batch_of(tmp_path, hour, rows))
    load(wiring, tmp_path, BatchBuilder(tmp_path, hour=HOUR.plus(-30)).add("old", [{"id": "o"}]).build())
    assert statistics.of_customer(shop) == {
        "sale": EventStatistics(str(HOUR), NOW, rows_24h=8, rejected_24h=2, discards_24h=2),
        "old": EventStatistics(str(HOUR.plus(-30)), NOW, rows_24h=0, rejected_24h=0, discards_24h=0),
    }


def test_an_answer_is_kept_for_half_a_minute(
    statistics: LedgerStatistics, wiring: Wiring, shop: Customer, tmp_path: Path, clock: FixedClock
) -> None:
    load(wiring, tmp_path, batch_of(tmp_path, HOUR, 3))
    assert statistics.of_customer(shop)["sale"].rows_24h == 3
    load(wiring, tmp_path, batch_of(tmp_path, HOUR.plus(-1), 4))
    clock.advance(timedelta(seconds=KEEP_SECONDS - 1))
    assert statistics.of_customer(shop)["sale"].rows_24h == 3
    clock.advance(timedelta(seconds=1))
    assert statistics.of_customer(shop)["sale"].rows_24h == 7


def test_only_as_many_answers_are_kept_as_there_is_room_for(
    statistics: LedgerStatistics, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_statistics, "MAX_KEPT_CUSTOMERS", 2)
    for slug in ("one", "two", "three"):
        statistics.of_customer(wiring.registry_service.add_customer(slug))
    assert list(statistics._kept) == ["two", "three"]


HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def held(wiring: Wiring) -> Iterator[None]:
    """Hold the warehouse's file in another process, as a run that loads does."""
    path = Path(wiring.settings.duckdb)
    path.parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.communicate("")


@pytest.mark.usefixtures("held")
def test_nobody_waits_for_a_busy_warehouse(statistics: LedgerStatistics, shop: Customer, clock: FixedClock) -> None:
    began = time.monotonic()
    with pytest.raises(WarehouseUnavailableError):
        statistics.of_customer(shop)
    assert time.monotonic() - began < 4
    # Its other pages do not wait at all, until some seconds have passed.
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(WarehouseUnavailableError):
            statistics.of_customer(shop)
    assert time.monotonic() - began < 10, "20 waits would be 40 seconds"
    clock.advance(timedelta(seconds=KEEP_FAILURE_SECONDS))
    began = time.monotonic()
    with pytest.raises(WarehouseUnavailableError):
        statistics.of_customer(shop)
    assert time.monotonic() - began > 0.5, "the warehouse was asked again"


def test_a_slow_answer_is_there_for_the_next_page(
    wiring: Wiring, shop: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"sale": EventStatistics(None, None, 1, 2, 3)}
    asked: list[str] = []

    def read_slowly(self: LedgerStatistics, customer: Customer) -> dict[str, EventStatistics]:
        asked.append(customer.slug)
        time.sleep(0.4)
        return answer

    monkeypatch.setattr(LedgerStatistics, "_read", read_slowly)
    statistics = LedgerStatistics(wiring, wait_seconds=0.05)
    for _ in range(2):
        with pytest.raises(WarehouseUnavailableError, match="did not answer within"):
            statistics.of_customer(shop)
    time.sleep(0.6)
    assert statistics.of_customer(shop) == answer
    assert asked == ["shop"], "the same question is asked once"
    statistics.close()


def test_questions_that_nobody_answers_do_not_pile_up(
    wiring: Wiring, shop: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LedgerStatistics, "_read", lambda self, customer: time.sleep(0.3))
    monkeypatch.setattr(load_statistics, "MAX_QUESTIONS", 1)
    statistics = LedgerStatistics(wiring, wait_seconds=0.01)
    with pytest.raises(WarehouseUnavailableError, match="did not answer"):
        statistics.of_customer(shop)
    with pytest.raises(WarehouseUnavailableError, match="waiting for their answers"):
        statistics.of_customer(wiring.registry_service.add_customer("other"))
    statistics.close()


def test_a_destination_that_cannot_be_reached_is_said_so(statistics: LedgerStatistics, wiring: Wiring) -> None:
    settings = {"host": "127.0.0.1", "port": "9", "database": "dev", "user": "u", "tls": "off"}
    wiring.registry_service.add_destination(Destination("far", "redshift", settings, "env:NOT_SET"))
    customer = wiring.registry_service.add_customer("far_shop", destination="far")
    with pytest.raises(ClickstreamError):
        statistics.of_customer(customer)


def test_redshift_tells_the_same(
    tmp_path: Path,
    clock: FixedClock,
    stand_in: RedshiftStandIn,
    database: str,
    s3_bucket: str,
    s3_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = stand_in_target(tmp_path, stand_in, database, s3_bucket, s3_endpoint)
    loader = Loader(target.warehouse, "far_shop", clock, locate=target.locate)
    for hour, rows in ((HOUR.plus(-30), 9), (HOUR, 3)):
        batch = batch_of(tmp_path, hour, rows)
        report = loader.load(replace(batch, customer="far_shop"), run_id="run", started_at=clock.now())
        assert [outcome.error for outcome in report.outcomes] == [None]
    monkeypatch.setenv("STAND_IN_PASSWORD", stand_in.password)
    settings = Settings(home=tmp_path / "home", object_store_url=s3_bucket, s3_endpoint_url=s3_endpoint)
    with Wiring(settings, clock) as wiring:
        far = Destination("far", "redshift", settings_of(stand_in, database), "env:STAND_IN_PASSWORD")
        wiring.registry_service.add_destination(far)
        customer = wiring.registry_service.add_customer("far_shop", destination="far")
        statistics = LedgerStatistics(wiring, wait_seconds=30)
        figures = statistics.of_customer(customer)
        statistics.close()
    assert figures == {"sale": EventStatistics(str(HOUR), NOW, rows_24h=3, rejected_24h=1, discards_24h=1)}
