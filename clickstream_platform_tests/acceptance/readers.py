"""Reads a customer's tables back in a form that is the same whatever warehouse they are in.

Belongs here: connections for reading, names of types, values that compare. Does not: what any data should become.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import duckdb
import redshift_connector
from redshift_connector.core import Connection

from clickstream_platform.model.streams import LOADS

# When a row was loaded says nothing about what was loaded.
LOAD_TIMES = frozenset({"uuid_ts", "run_id", "started_at", "committed_at"})
# What the driver says a column is -> what DuckDB calls the same.
_REDSHIFT_TYPES = {16: "BOOLEAN", 20: "BIGINT", 701: "DOUBLE", 1043: "VARCHAR", 1114: "TIMESTAMP", 4000: "JSON"}


@dataclass(frozen=True)
class Table:
    """A table's columns with their types, and its rows without nulls and load times, in an order of their own."""

    types: dict[str, str]
    rows: tuple[dict[str, Any], ...]

    def column(self, name: str) -> list[Any]:
        """Return the values of one column, null where a row has none."""
        return [row.get(name) for row in self.rows]

    def row(self, identity: str) -> dict[str, Any]:
        """Return the one row with this id."""
        (found,) = [row for row in self.rows if row.get("id") == identity]
        return found

    def by_value(self) -> Table:
        """Return the table with JSON in one form: warehouses may write the same value in different ways."""
        columns = {column for column, kind in self.types.items() if kind == "JSON"}
        rows = [
            {name: _canonical(value) if name in columns else value for name, value in row.items()} for row in self.rows
        ]
        return Table(self.types, tuple(sorted(rows, key=_order)))


class Reader(Protocol):
    """Answers questions about one warehouse."""

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        ...

    def tables(self, schema: str) -> dict[str, Table]:
        """Return everything in a schema."""
        ...

    def close(self) -> None:
        """Close what was opened."""
        ...


@dataclass(frozen=True)
class DuckDBReader:
    """Reads a DuckDB file, which need not exist."""

    path: Path

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """See `Reader`."""
        with self._connection() as connection:
            return connection.execute(sql).fetchall()

    def tables(self, schema: str) -> dict[str, Table]:
        """See `Reader`."""
        with self._connection() as connection:
            names = connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = ? ORDER BY table_name", [schema]
            ).fetchall()
            return {name: self._table(connection, schema, name) for (name,) in names}

    def close(self) -> None:
        """See `Reader`; the file is open only while it is read, for a loader wants it alone."""

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self.path.exists():  # nothing was ever loaded
            yield duckdb.connect()
            return
        with duckdb.connect(self.path, read_only=True) as connection:
            yield connection

    @staticmethod
    def _table(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> Table:
        relation = connection.execute(f'SELECT * FROM "{schema}"."{name}"')
        described = {column[0]: str(column[1]) for column in relation.description or ()}
        return _table(described, relation.fetchall())


@dataclass
class RedshiftReader:
    """Reads a database of Redshift, or of the stand-in, through the driver."""

    options: Mapping[str, Any] = field(repr=False)

    @cached_property
    def _connection(self) -> Connection:
        connection = redshift_connector.connect(**self.options, sslmode="verify-full", max_prepared_statements=0)
        connection.autocommit = True
        return connection

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """See `Reader`."""
        return self._ask(sql)[1]

    def tables(self, schema: str) -> dict[str, Table]:
        """See `Reader`; the table that writers lock has a `$` in its name and is no table of the customer's."""
        _, names = self._ask(
            "SELECT c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n "
            "ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relkind = 'r' ORDER BY c.relname",
            [schema],
        )
        return {name: _table(*self._ask(f'SELECT * FROM "{schema}"."{name}"')) for (name,) in names if name[-1:] != "$"}

    def close(self) -> None:
        """See `Reader`."""
        connection = self.__dict__.pop("_connection", None)
        if connection is not None:
            connection.close()

    def _ask(self, sql: str, values: Sequence[Any] = ()) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
        cursor = self._connection.cursor()
        cursor.paramstyle = "qmark"
        cursor.execute(sql, list(values) or None)
        described = {str(column[0]): _REDSHIFT_TYPES.get(column[1], str(column[1])) for column in cursor.description}
        return described, [tuple(row) for row in cursor.fetchall()]


def by_value(tables: Mapping[str, Table]) -> dict[str, Table]:
    """Return tables with JSON in one form, to compare those of different warehouses."""
    return {name: table.by_value() for name, table in tables.items()}


def differences(
    first: Mapping[str, Table], second: Mapping[str, Table], ignored: Sequence[str] = (LOADS,)
) -> list[str]:
    """Return in words how two sets of tables differ; nothing where they hold the same."""
    found = []
    for name in sorted((first.keys() | second.keys()) - set(ignored)):
        if name not in first or name not in second:
            found.append(f"{name} is in one only")
            continue
        one, other = first[name], second[name]
        for column in sorted(one.types.keys() | other.types.keys()):
            if one.types.get(column) != other.types.get(column):
                found.append(f"{name}.{column}: {one.types.get(column)} and {other.types.get(column)}")
        if one.rows != other.rows:
            missing = [row for row in one.rows if row not in other.rows]
            found.append(f"{name}: {len(one.rows)} and {len(other.rows)} rows, first difference {missing[:1]}")
    return found


def _table(described: Mapping[str, str], rows: Sequence[tuple[Any, ...]]) -> Table:
    kept = [column for column in described if column not in LOAD_TIMES]
    named = [dict(zip(described, values, strict=True)) for values in rows]
    cleaned = [{column: row[column] for column in kept if row[column] is not None} for row in named]
    return Table({column: described[column] for column in kept}, tuple(sorted(cleaned, key=_order)))


def _order(row: Mapping[str, Any]) -> str:
    return repr(sorted(row.items(), key=repr))


def _canonical(text: str) -> str:
    """Return JSON with its keys in order and no blanks; what is nested too deeply to be read stays as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        return text
