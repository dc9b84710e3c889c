"""The ground all SQL stands on: a text with its parameters, and how tables, columns, types and staged rows are written.

Belongs here: what every statement's text is made of. Does not: the statements (`sql_schema`, `sql_rows`, `sql_late`,
`sql_newest`, `sql_queries`), nor what one warehouse writes differently (its dialect).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from clickstream_platform.load.statements import Rows
from clickstream_platform.model.schemas import Column
from clickstream_platform.model.staging import TABLE_COLUMN
from clickstream_platform.warehouses.identifiers import quote_identifier as quote

# No slug has a `$`: neither the table nor the alias can be mistaken for an event's table.
LATE = "late$"
FOUND = quote(LATE)


@dataclass(frozen=True, slots=True)
class Sql:
    """One SQL statement; values from outside are only ever in `params`, in the order of their `?`."""

    text: str
    params: tuple[Any, ...] = ()


class SqlNames(ABC):
    """How one warehouse writes names, for one customer schema."""

    def __init__(self, schema: str) -> None:
        """Write for this schema."""
        self.schema = schema

    def schema_name(self) -> str:
        """Return the schema as SQL, qualified as far as it must be."""
        return self.schema_name_of(self.schema)

    @abstractmethod
    def schema_name_of(self, schema: str) -> str:
        """Return any schema of the database as SQL, qualified as far as it must be."""

    @abstractmethod
    def session_table(self, name: str) -> str:
        """Return a temporary table of the session as SQL."""

    @abstractmethod
    def type_of(self, column: Column) -> str:
        """Return a column's type as SQL."""

    def table(self, name: str) -> str:
        """Return a table of the schema as SQL."""
        return f"{self.schema_name()}.{quote(name)}"

    def definition(self, column: Column) -> str:
        """Return a column's name and type as SQL."""
        return f"{quote(column.name)} {self.type_of(column)}"


def column_list(names: Iterable[str]) -> str:
    """Return column names as SQL, divided by commas."""
    return ", ".join(map(quote, names))


@lru_cache(maxsize=1000)
def moment(time: datetime) -> str:
    """Return an aware time as SQL. A literal and no parameter: it is ours, and thousands of inserts plan it faster."""
    return f"TIMESTAMP '{time.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f')}'"


def interval(length: timedelta) -> str:
    """Return a duration as SQL, in full seconds."""
    return f"INTERVAL '{int(length.total_seconds())} seconds'"


def is_in(column: str, values: Sequence[Any]) -> Sql:
    """Return the condition that a column (as SQL) has one of the values."""
    return Sql(f"{column} IN ({', '.join('?' * len(values))})", tuple(values))


def conditions_of(rows: Rows, alias: str = "") -> list[Sql]:
    """Return the conditions that single out staged rows within their pack."""
    prefix = f"{alias}." if alias else ""
    found = [] if rows.number is None else [Sql(f"{prefix}{quote(TABLE_COLUMN)} = {rows.number:d}")]
    if rows.events is not None:
        found.append(is_in(f"{prefix}event", rows.events))
    return found


def where(conditions: Sequence[Sql]) -> Sql:
    """Return the WHERE clause of all conditions, with a space before it; empty without any."""
    if not conditions:
        return Sql("")
    text = " AND ".join(condition.text for condition in conditions)
    return Sql(f" WHERE {text}", tuple(value for condition in conditions for value in condition.params))
