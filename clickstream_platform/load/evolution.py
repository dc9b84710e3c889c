"""How a target table must change before staged rows fit into it. Pure: table state + staged columns → schema changes.

Belongs here: the rules of docs/tables.md on types that meet. Does not: choosing the type of a staged column
(`transform.plan`), carrying changes out (`warehouses`).
"""

from __future__ import annotations

from collections.abc import Iterable

from clickstream_platform.errors import LoadError, StaleStagingError
from clickstream_platform.load.statements import (
    AddColumn,
    CreateTable,
    RetypeColumn,
    SchemaChange,
    WidenToDouble,
    WidenVarchar,
)
from clickstream_platform.model.schemas import MAX_COLUMNS, Column, ColumnType, TableState

# Every integer up to here has a double of its own (IEEE 754, 53 bits of significand).
MAX_EXACT_INTEGER = 2**53


def plan_evolution(state: TableState, staged: Iterable[Column]) -> list[SchemaChange]:
    """Return the changes that make the table take the staged columns, in order.

    Raises StaleStagingError when a column has meanwhile got a type that the staged values were not made for, and
    LoadError when the table would have more columns than a table can.
    """
    staged = tuple(staged)
    if not state.exists:
        _check_limit(state.table, len(staged))
        return [CreateTable(state.table, staged)]
    changes: list[SchemaChange] = []
    for column in staged:
        existing = state.columns.get(column.name)
        if existing != column:
            changes.extend(_change(state, existing, column))
    _check_limit(state.table, len(state.columns) + sum(isinstance(change, AddColumn) for change in changes))
    return changes


def _change(state: TableState, existing: Column | None, staged: Column) -> list[SchemaChange]:
    if existing is None:
        return [AddColumn(state.table, staged)]
    if existing.type is staged.type:
        is_longer = staged.type is ColumnType.VARCHAR and staged.length > existing.length
        return [WidenVarchar(state.table, staged)] if is_longer else []
    if not state.binding:
        return [RetypeColumn(state.table, staged)]
    if existing.type is ColumnType.BIGINT and staged.type is ColumnType.DOUBLE:
        return [WidenToDouble(state.table, staged.name)]
    raise stale(state.table, f"column {staged.name!r} is {existing.type} and was staged as {staged.type}")


def stale(table: str, cause: str) -> StaleStagingError:
    """Return the error for staged rows that were made for another state of the table."""
    return StaleStagingError(
        "loading staged rows",
        where=f"table {table!r}",
        cause=cause,
        remedy="The table changed since they were staged: stage the stream-hour again.",
    )


def _check_limit(table: str, columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise LoadError(
            "changing the schema",
            where=f"table {table!r}",
            cause=f"it would have {columns} columns, more than {MAX_COLUMNS}",
            remedy="Lower the customer's column limit so that new properties become discards, and stage again.",
        )
