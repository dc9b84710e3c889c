"""Column types and table schemas, independent of any warehouse. The rules are those of docs/tables.md.

Belongs here: types, columns, tables and how types widen. Does not: how JSON values get a type (`transform.inference`)
nor how a type is written in SQL (`warehouses`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

VARCHAR_STEPS_BYTES = (512, 4096, 65535)
MAX_VARCHAR_BYTES = VARCHAR_STEPS_BYTES[-1]
MAX_COLUMNS = 1600


class ColumnType(StrEnum):
    """The six types a column can have."""

    BIGINT = "bigint"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    VARCHAR = "varchar"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name and type; `length` is the size of a VARCHAR in bytes, 0 for every other type."""

    name: str
    type: ColumnType
    length: int = 0


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table's name and its columns in order."""

    table: str
    columns: tuple[Column, ...]

    @property
    def by_name(self) -> dict[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}


@dataclass(frozen=True, slots=True)
class TableState:
    """A target table as the warehouse has it now.

    `columns` is empty when the table doesn't exist. `binding` is False when the table holds no rows but those of the
    hour being replaced: its column types may then be chosen anew, so that loading an hour in several steps ends in the
    same table as loading it at once.
    """

    table: str
    columns: Mapping[str, Column] = field(default_factory=dict)
    binding: bool = True

    @property
    def exists(self) -> bool:
        """Whether the warehouse has the table."""
        return bool(self.columns)


def varchar_length(longest_bytes: int) -> int:
    """Return the smallest step of 512, 4096 and 65535 bytes that holds a value of `longest_bytes`."""
    return next((step for step in VARCHAR_STEPS_BYTES if longest_bytes <= step), MAX_VARCHAR_BYTES)


def make_schema(table: str, columns: Iterable[Column]) -> TableSchema:
    """Return the schema of a table from any iterable of columns."""
    return TableSchema(table, tuple(columns))


# The columns of tables that the platform itself writes; the order is that of CREATE TABLE.
_T = ColumnType
LOADS_COLUMNS = (
    Column("customer", _T.VARCHAR, 512),
    Column("event", _T.VARCHAR, 512),
    Column("hour", _T.TIMESTAMP),
    Column("input_digest", _T.VARCHAR, 512),
    Column("objects", _T.BIGINT),
    Column("bytes", _T.BIGINT),
    Column("raw_records", _T.BIGINT),
    Column("loaded_rows", _T.BIGINT),
    Column("duplicate_records", _T.BIGINT),
    Column("rejected_records", _T.BIGINT),
    Column("discarded_values", _T.BIGINT),
    Column("run_id", _T.VARCHAR, 512),
    Column("started_at", _T.TIMESTAMP),
    Column("committed_at", _T.TIMESTAMP),
)
DISCARDS_COLUMNS = (
    Column("event", _T.VARCHAR, 512),
    Column("table_name", _T.VARCHAR, 512),
    Column("column_name", _T.VARCHAR, 512),
    Column("column_value", _T.VARCHAR, MAX_VARCHAR_BYTES),
    Column("column_type", _T.VARCHAR, 512),
    Column("reason", _T.VARCHAR, 512),
    Column("row_id", _T.VARCHAR, 4096),
    Column("received_at", _T.TIMESTAMP),
    Column("batch_hour", _T.TIMESTAMP),
)
