"""A person's query on the embedded warehouse's file, beside a load that holds it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from clickstream_platform.errors import LoadError, ObjectNotFoundError, WarehouseUnavailableError
from clickstream_platform.warehouses.duckdb_query import run_query

HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.readline()"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE sale AS SELECT 7 AS total")
    return path


@contextmanager
def held_by_another_process(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Open the file for writing in a process that ends when its input does."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.stdin.close()


def test_a_file_that_a_load_holds_is_waited_for(path: Path) -> None:
    with held_by_another_process(path) as process:
        with pytest.raises(WarehouseUnavailableError, match="close the other process"):
            run_query(path, "SELECT total FROM sale", 5, wait_seconds=0.2)
        assert process.stdin is not None
        process.stdin.close()  # the load ends while the query waits
        assert run_query(path, "SELECT total FROM sale", 5, wait_seconds=60).rows == [(7,)]


def test_a_wrong_statement_and_a_missing_file_are_told_at_once(path: Path, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="Check the statement"):
        run_query(path, "SELECT nothing FROM sale", 5)
    with pytest.raises(ObjectNotFoundError):
        run_query(tmp_path / "none.duckdb", "SELECT 1", 5)
