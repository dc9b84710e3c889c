"""DuckDB: the contract of the port, and what only a file on one machine can do."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from clickstream_platform.errors import LoadError, WarehouseUnavailableError
from clickstream_platform.load.statements import DeleteHour
from clickstream_platform.warehouses.duckdb import BLOCK_BYTES
from clickstream_platform.warehouses.duckdb_errors import is_held
from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.contracts.warehouse import WarehouseContract
from clickstream_platform_tests.contracts.warehouse_hours import WarehouseHoursContract
from clickstream_platform_tests.targets import SCHEMA, Target, duckdb_target

HOLD = """
import duckdb, sys, time
with duckdb.connect(sys.argv[1]) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS held (x INTEGER)")
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return duckdb_target(tmp_path)


class TestDuckDB(WarehouseContract):
    """One customer-hour at a time."""


class TestDuckDBHours(WarehouseHoursContract):
    """Several hours and writers."""


def hold(path: Path, seconds: float) -> subprocess.Popen[str]:
    """Open the file in another process, for so long; return when it has it."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_session_waits_for_another_process(tmp_path: Path) -> None:
    target = duckdb_target(tmp_path)
    with hold(tmp_path / "warehouse.duckdb", 1.0) as holder:
        assert target.load(target.batch().add("seen", [{"id": "a"}]).build()).failed == ()
        assert holder.wait() == 0
    assert target.ids("seen") == ["a"]


@pytest.mark.parametrize("read_only", [True, False])
def test_a_session_does_not_wait_for_ever(tmp_path: Path, read_only: bool) -> None:
    target = duckdb_target(tmp_path, wait_seconds=0.3)
    with hold(tmp_path / "warehouse.duckdb", 60) as holder:
        start = time.monotonic()
        with pytest.raises(WarehouseUnavailableError, match=r"lock.*held for 0\.3 s"):
            target.warehouse.session(SCHEMA, read_only=read_only).__enter__()
        assert time.monotonic() - start < 5
        holder.kill()


def test_a_writer_does_not_wait_for_another_thread_for_ever(tmp_path: Path) -> None:
    target = duckdb_target(tmp_path, wait_seconds=0.2)
    with target.warehouse.session(SCHEMA) as first, target.warehouse.session(SCHEMA) as second:
        first.begin()
        with pytest.raises(WarehouseUnavailableError, match="another thread"):
            second.begin()
        first.rollback()
        second.begin()


def test_a_file_that_is_no_database_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "warehouse.duckdb").write_bytes(b"no database, but long enough to look at" * 1000)
    target = duckdb_target(tmp_path, wait_seconds=60)
    with pytest.raises(LoadError, match="opening the file"):
        target.warehouse.session(SCHEMA).__enter__()


def test_reading_what_does_not_exist_makes_no_file(tmp_path: Path) -> None:
    target = duckdb_target(tmp_path)
    assert not target.loader().table_states(SCHEMA, HOUR, ["seen"])["seen"].exists
    assert list(tmp_path.iterdir()) == []


def test_a_reader_in_the_same_process_shares_the_writers_file(tmp_path: Path) -> None:
    target = duckdb_target(tmp_path)
    target.load(target.batch().add("seen", [{"id": "a"}]).build())
    with target.warehouse.session(SCHEMA), target.warehouse.session(SCHEMA, read_only=True) as reader:
        assert set(reader.columns(["seen"])) == {"seen"}


def test_a_writer_waits_until_readers_of_the_same_process_are_done(tmp_path: Path) -> None:
    target = duckdb_target(tmp_path)
    target.load(target.batch().add("seen", [{"id": "a"}]).build())
    is_reading = threading.Event()

    def read() -> None:
        with target.warehouse.session(SCHEMA, read_only=True):
            is_reading.set()
            time.sleep(0.5)

    reader = threading.Thread(target=read)
    reader.start()
    assert is_reading.wait(10)
    with target.warehouse.session(SCHEMA) as writer:
        assert set(writer.columns(["seen"])) == {"seen"}
    reader.join()


def test_customers_may_be_called_like_anything(tmp_path: Path) -> None:
    for customer in ("warehouse", "temp", "main", "memory", "system"):
        target = duckdb_target(tmp_path)
        loader = target.loader()
        loader._schema = customer
        assert (
            loader.load(target.batch().add("seen", [{"id": "a"}]).build(), run_id="r", started_at=HOUR.start).failed
            == ()
        )
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        schemas = connection.execute("SELECT schema_name FROM duckdb_tables() WHERE table_name = 'seen' ORDER BY 1")
        assert schemas.fetchall() == [("main",), ("memory",), ("system",), ("temp",), ("warehouse",)]


def test_a_large_pack_gets_the_threads_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clickstream_platform.warehouses.duckdb._BIG_PACK_BYTES", 1)
    seen: list[str] = []
    target = duckdb_target(tmp_path, threads=3, log=lambda *_: seen.append(_settings(tmp_path)["threads"]))
    target.load(target.batch().add("seen", [{"id": "a"}]).build())
    assert (seen[0], seen[-1]) == ("1", "3")


def _settings(folder: Path) -> dict[str, str]:
    """Return the settings of the database that this process has open."""
    with duckdb.connect(
        str(folder / "warehouse.duckdb"), config={"default_block_size": str(BLOCK_BYTES)}
    ) as connection:
        return dict(connection.execute("SELECT name, value FROM duckdb_settings()").fetchall())


def test_memory_is_bounded_by_the_setting(tmp_path: Path) -> None:
    with duckdb_target(tmp_path, memory_mb=300, temp_folder=tmp_path / "t'mp").warehouse.session(SCHEMA):
        settings = _settings(tmp_path)
    assert settings["memory_limit"] in ("300.0 MB", "286.1 MiB")
    assert settings["temp_directory"] == str(tmp_path / "t'mp")


def test_two_threads_that_load_at_once_both_load(tmp_path: Path) -> None:
    target = duckdb_target(tmp_path)
    batches = [target.batch(HOUR.plus(n)).add("seen", [{"id": f"{n}"}]).build() for n in range(4)]
    threads = [threading.Thread(target=target.load, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.ids("seen") == ["0", "1", "2", "3"]
    with target.warehouse.session(SCHEMA) as session:
        assert session.execute(DeleteHour("seen", HOUR)) == 1


def test_a_file_that_another_thread_is_opening_or_closing_is_waited_for(tmp_path: Path) -> None:
    """Then DuckDB says of `connect` what it says of ATTACH here; it passes by itself."""
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)), duckdb.connect() as other, pytest.raises(duckdb.Error) as caught:
        other.execute(f"ATTACH '{path}' AS elsewhere")
    assert is_held(caught.value)
    assert not is_held(duckdb.IOException("No space left on device"))
