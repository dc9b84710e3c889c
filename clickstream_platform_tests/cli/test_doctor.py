"""`clickstream doctor` on the embedded parts: what is fine, and what each fault is called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
from typer.testing import CliRunner, Result

from clickstream_platform.cli.doctor import doctor_command
from clickstream_platform.doctor.findings import Status, judge_clock, skew_seconds
from clickstream_platform.doctor.load_probe import LoadProbe
from clickstream_platform.doctor.objects import check_objects
from clickstream_platform.errors import LoadError, ObjectStoreUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.gateways.object_store import ObjectInfo
from clickstream_platform.load.statements import InsertStaged, Statement
from clickstream_platform.settings import load_settings
from clickstream_platform.warehouses.duckdb import DuckDBSession, DuckDBWarehouse
from clickstream_platform.wiring import Wiring, open_wiring

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
STEPS = ["connect and lock", "schema and tables", "read staged objects", "write rows", "clean up"]


@pytest.fixture
def wiring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    """Give the command a home with the customer `acme`."""
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with open_wiring(load_settings()) as opened:
        opened.registry.add_customer("acme")
        yield opened


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(doctor_command)
    return CliRunner().invoke(app, [*arguments, "--no-dagster"])


def findings(*arguments: str, exit_code: int = 0) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what the doctor found, by part and check."""
    result = run(*arguments, "--json")
    assert result.exit_code == exit_code, result.output
    answer = json.loads(result.stdout)
    assert answer["healthy"] is (exit_code == 0)
    return {(each["part"], each["check"]): each for each in answer["findings"]}


def test_a_fresh_home_with_a_customer_is_healthy_and_nothing_is_left_behind(wiring: Wiring) -> None:
    found = findings()
    assert {each["status"] for each in found.values()} == {"ok"}
    assert [check for part, check in found if part == "destination default, acme"] == ["file", *STEPS]
    assert list(wiring.objects.list_objects("")) == []
    with duckdb.connect(wiring.settings.duckdb) as connection:
        assert connection.execute("SELECT * FROM duckdb_tables()").fetchall() == []
    assert run().stdout.splitlines()[-1] == f"{len(found)} ok"


def test_a_broken_setting_is_the_only_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("CLICKSTREAM_PART_BYTS", "5")
    (found,) = findings(exit_code=1).values()
    assert (found["part"], found["status"]) == ("platform", "fail")
    assert "CLICKSTREAM_PART_BYTS" in found["detail"]
    assert found["remedy"] == "docs/settings.md lists all names."


def test_a_registry_that_is_none_leaves_the_destinations_unchecked(wiring: Wiring) -> None:
    path = wiring.settings.home / "registry.db"
    wiring.close()
    path.write_bytes(b"this is no database" * 100)
    found = findings(exit_code=1)
    assert found["registry", "database"]["status"] == "fail"
    assert found["destinations", "all"]["status"] == "skipped"


def test_an_unknown_customer_is_named(wiring: Wiring) -> None:
    found = findings("--customer", "nobody", exit_code=1)
    assert "nobody" in found["registry", "content"]["detail"]


def test_a_warehouse_that_is_none_fails_with_what_to_do(wiring: Wiring) -> None:
    Path(wiring.settings.duckdb).write_bytes(b"this is no database" * 1000)
    found = findings("--customer", "acme", exit_code=1)
    broken = found["destination default, acme", "connect and lock"]
    assert broken["status"] == "fail"
    assert broken["remedy"]
    assert [found["destination default, acme", step]["status"] for step in STEPS[1:]] == ["skipped"] * 4


def test_rows_that_do_not_arrive_are_noticed(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    execute = DuckDBSession.execute

    def lose(session: DuckDBSession, statement: Statement) -> int:
        return 0 if isinstance(statement, InsertStaged) else execute(session, statement)

    monkeypatch.setattr(DuckDBSession, "execute", lose)
    found = findings(exit_code=1)
    assert found["destination default, acme", "write rows"]["detail"].endswith("0 rows were inserted and 0 deleted")
    assert list(wiring.objects.list_objects("")) == [], "the staged probe is deleted whatever happens"


def test_a_warehouse_that_commits_too_much_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FixedClock(NOW)
    objects = MemoryObjectStore(clock)
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb", wait_seconds=1)
    monkeypatch.setattr(DuckDBSession, "rollback", lambda session: session._is_writing and session.commit())

    def locate(part: Any) -> str:
        (tmp_path / "part.parquet").write_bytes(objects.get(part.key))
        return str(tmp_path / "part.parquet")

    found = list(LoadProbe(warehouse, "acme", "acme", objects, locate, clock).run("here"))
    assert (found[-1].check, found[-1].status) == ("clean up", Status.FAIL)
    assert "is still there" in found[-1].detail


class ForgetfulStore(MemoryObjectStore):
    """Overwrites what must be written once."""

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        return super().put(key, data)


class AbsentStore(MemoryObjectStore):
    """Never answers a write."""

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        raise ObjectStoreUnavailableError("putting", cause="no answer", remedy="Wait.")


def test_a_store_that_overwrites_is_refused() -> None:
    found = {each.check: each for each in check_objects(ForgetfulStore(FixedClock(NOW)), FixedClock(NOW), "memory")}
    assert found["write once"].status is Status.FAIL
    assert "If-None-Match" in found["write once"].remedy
    assert found["delete"].detail == "2 probes deleted"


def test_a_store_that_is_away_is_checked_no_further() -> None:
    found = list(check_objects(AbsentStore(FixedClock(NOW)), FixedClock(NOW), "memory"))
    assert [(each.check, each.status, each.remedy) for each in found] == [
        ("read and write", Status.FAIL, "Wait."),
        ("write once", Status.SKIPPED, ""),
    ]


def test_the_clock_of_s3_is_compared() -> None:
    store = MemoryObjectStore(FixedClock(NOW + timedelta(minutes=2)))
    found = {each.check: each for each in check_objects(store, FixedClock(NOW), "s3://bucket")}
    assert found["clock"].status is Status.WARN
    assert found["clock"].detail == "S3 is 120 s ahead of this machine"


@pytest.mark.parametrize(
    ("told", "skew", "status"),
    [(0, 0, Status.OK), (1, 0, Status.OK), (2, 0, Status.OK), (34, 32, Status.WARN), (-301, -301, Status.FAIL)],
)
def test_a_clock_is_judged_by_what_lies_outside_the_question(told: int, skew: int, status: Status) -> None:
    """Our clock said 0 before the question and 2 after it."""
    seconds = skew_seconds(NOW + timedelta(seconds=told), NOW, NOW + timedelta(seconds=2))
    assert (seconds, judge_clock("here", seconds, "it").status) == (skew, status)


def test_the_remedy_of_an_error_is_shown_to_people(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise LoadError("opening", cause="no", remedy="Ask\nsomebody.")

    monkeypatch.setattr(DuckDBWarehouse, "_connect", refuse)
    result = run()
    assert result.exit_code == 1
    assert "opening: no" in result.stdout
    assert "Ask" in result.stdout
    assert "1 fail" in result.stdout.splitlines()[-1]
