"""Whatever dies, and wherever: a load that is begun again ends in the tables of an undisturbed one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from clickstream_platform.errors import WarehouseUnavailableError
from clickstream_platform.load.report import LoadReport
from clickstream_platform.load.retry import RetryPolicy
from clickstream_platform.model.staging import StagedBatch
from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_target import settings_of, stand_in_target
from clickstream_platform_tests.targets import Target
from clickstream_platform_tests.warehouses.redshift_crashing import BATCH_FILE, DEATHS_FILE, MAX_STATEMENTS

# The driver leaves its socket to the collector when the other side is gone.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TABLES = ("seen", "bought", "pages", "identifies", "tracks", "users", "_discards", "_loads")
Drop = Literal["drop_before", "drop_after"]
ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def make_target(stand_in: RedshiftStandIn, s3_bucket: str, s3_endpoint: str, tmp_path: Path) -> Callable[[], Target]:
    """Return what makes a target on a database of its own, with the staged parts shared by all."""
    return lambda: stand_in_target(tmp_path, stand_in, stand_in.create_database(), s3_bucket, s3_endpoint)


def prepare(target: Target) -> None:
    """Load the hours around the one that will be disturbed."""
    batch = target.batch().add("seen", [{"id": "a", "n": 1, "t": "s"}, {"id": "b"}], discards=[{"row_id": "b"}])
    assert target.load(batch.add("identifies", [{"id": "i", "user_id": "u", "plan": "free"}]).build()).failed == ()
    later = target.batch(HOUR.plus(1)).add("seen", [{"id": "x", "n": 2}]).add("pages", [{"id": "late"}])
    assert target.load(later.build()).failed == ()


def disturbed_batch(target: Target) -> StagedBatch:
    """Return a batch that replaces its hour, lengthens, widens, adds, creates and takes rows from a later hour."""
    rows: list[dict[str, Any]] = [{"id": "a", "n": 1.5, "new": "text", "t": "x" * 600}, {"id": "x"}]
    batch = target.batch().add("seen", rows, discards=[{"row_id": "x"}])
    batch.add("bought", [{"id": "c"}]).add("pages", [{"id": "late"}]).add("silent", [], rejected=1)
    return batch.add("identifies", [{"id": "i", "user_id": "u", "plan": "pro"}]).build()


@pytest.mark.parametrize("kind", get_args(Drop))
def test_a_connection_lost_at_any_statement(
    make_target: Callable[[], Target], stand_in: RedshiftStandIn, kind: Drop
) -> None:
    target, undisturbed = make_target(), make_target()
    for each in (target, undisturbed):
        prepare(each)
    batch = disturbed_batch(target)
    undisturbed.load(batch)
    before, after = target.read_all(*TABLES), undisturbed.read_all(*TABLES)
    left: list[dict[str, Any]] = []
    for start in (1, 5):  # the second time the text column is lengthened already, so that other statements come
        for number in range(start, MAX_STATEMENTS):
            stand_in.faults.clear()
            stand_in.faults.add(kind, nth=number)
            try:
                target.load(batch, retry=ONCE)
                break
            except WarehouseUnavailableError:
                stand_in.faults.clear()
                left.append(target.read_all(*TABLES))
            if start == 1 and number > 5 and _is_lengthened(target):
                break
    stand_in.faults.clear()
    assert len(left) > 40
    assert all(tables in (before, after) for tables in left)
    assert target.load(batch).failed == ()
    assert target.read_all(*TABLES) == after
    assert before != after


def _is_lengthened(target: Target) -> bool:
    with target.warehouse.session("shop") as session:
        return session.columns(["seen"])["seen"]["t"].length > 512


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_killed_at_any_statement(
    make_target: Callable[[], Target],
    stand_in: RedshiftStandIn,
    s3_bucket: str,
    s3_endpoint: str,
    tmp_path: Path,
    when: str,
) -> None:
    undisturbed = make_target()
    prepare(undisturbed)
    database = stand_in.create_database()
    target = stand_in_target(tmp_path, stand_in, database, s3_bucket, s3_endpoint)
    prepare(target)
    batch = disturbed_batch(target)
    undisturbed.load(batch)
    (tmp_path / BATCH_FILE).write_bytes(batch.to_json())
    arguments = [str(tmp_path), json.dumps(settings_of(stand_in, database)), f"file:{tmp_path}/secret"]
    script = [sys.executable, "-W", "ignore", "-m", "clickstream_platform_tests.warehouses.redshift_crashing"]
    subprocess.run([*script, *arguments, f"s3://{s3_bucket}", s3_endpoint, when], check=True, timeout=150)
    deaths = json.loads((tmp_path / DEATHS_FILE).read_text(encoding="utf-8"))
    assert len(deaths) > 40
    left = [death for death in deaths if death != deaths[0]]
    # Behind COMMIT, and behind what a load of a loaded hour does then, everything is there.
    complete = {name: sorted(map(str, rows)) for name, rows in undisturbed.read_all("_loads", "seen", "tracks").items()}
    assert all(death == complete for death in left), "a killed load left something behind"
    assert bool(left) == (when == "after")
    assert target.read_all(*TABLES) == undisturbed.read_all(*TABLES)


def test_error_1023_and_throttling_reach_nobody(make_target: Callable[[], Target], stand_in: RedshiftStandIn) -> None:
    target = make_target()
    stand_in.faults.add("serialization", pattern="^INSERT")
    stand_in.faults.add("throttle", pattern="^COPY")
    stand_in.faults.add("serialization", pattern="^COMMIT")
    try:
        report = target.load(target.batch().add("seen", [{"id": "a"}]).build(), retry=RetryPolicy(sleep=lambda _: None))
    finally:
        stand_in.faults.clear()
    assert (report.failed, report.commits, target.ids("seen")) == ((), 1, ["a"])


def test_two_loaders_of_the_same_hour_at_once(make_target: Callable[[], Target]) -> None:
    target = make_target()
    batch = target.batch().add("seen", [{"id": "a"}, {"id": "b"}]).add("pages", [{"id": "p"}]).build()
    reports: list[LoadReport] = []
    threads = [threading.Thread(target=lambda: reports.append(target.load(batch))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(outcome.status) for report in reports for outcome in report.outcomes) == (
        ["already_loaded"] * 6 + ["loaded"] * 2
    )
    assert (target.ids("seen"), target.ids("tracks"), len(target.read("_loads"))) == (["a", "b"], ["a", "b"], 2)


def test_a_loader_beside_a_reader_with_a_long_transaction(make_target: Callable[[], Target]) -> None:
    target = make_target()
    target.load(target.batch().add("seen", [{"id": "a"}]).build())
    with target.warehouse.session("shop", read_only=True) as reader:
        connection = reader._connection  # type: ignore[attr-defined]
        cursor = connection.cursor()
        cursor.execute("BEGIN")
        cursor.execute('SELECT COUNT(*) FROM "shop"."seen"')
        assert target.load(target.batch(HOUR.plus(1)).add("seen", [{"id": "b"}]).build()).failed == ()
        cursor.execute('SELECT COUNT(*) FROM "shop"."seen"')
        assert list(cursor.fetchall()) == [[1]]
        cursor.execute("COMMIT")
    assert target.ids("seen") == ["a", "b"]
