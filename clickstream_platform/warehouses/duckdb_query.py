"""Read-only SQL on the embedded warehouse's file, for people: the commands `query` and `demo`.

Belongs here: running what a person typed. Does not: anything the platform itself asks (`warehouses.duckdb`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from clickstream_platform.errors import LoadError, ObjectNotFoundError
from clickstream_platform.warehouses.duckdb_errors import is_held, unavailable

_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Column names and rows."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def run_query(path: Path, sql: str, limit: int, *, wait_seconds: float = 10.0) -> QueryResult:
    """Run one statement on the file, which can't change it, and return at most `limit` rows.

    Raises:
        ObjectNotFoundError: there is no such file.
        WarehouseUnavailableError: a load held the file all the time.
        LoadError: the statement failed.
    """
    if not path.is_file():
        raise ObjectNotFoundError(
            "opening the warehouse",
            cause=f"{path} does not exist",
            remedy="Load something first, with `clickstream demo`.",
        )
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return _run(path, sql, limit)
        except duckdb.Error as error:
            if not is_held(error):
                raise LoadError(
                    "running a query",
                    cause=str(error).splitlines()[0],
                    remedy='Check the statement; tables are "<customer>"."<event>".',
                ) from error
            if time.monotonic() >= deadline:
                raise unavailable(path, str(error), wait_seconds) from error
        time.sleep(_PAUSE_SECONDS)


def _run(path: Path, sql: str, limit: int) -> QueryResult:
    with duckdb.connect(str(path), read_only=True) as connection:
        cursor = connection.execute(sql)
        columns = tuple(item[0] for item in cursor.description or ())
        return QueryResult(columns, cursor.fetchmany(limit))
