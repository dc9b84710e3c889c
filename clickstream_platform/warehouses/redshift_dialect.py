"""What Redshift writes its own way.

Belongs here: types, physical design, catalog, staging tables, and the forms that stay within Redshift's limits. Does
not: connections and transactions (`redshift`), COPY (`redshift_copy`).
"""
# Names are quoted by `identifiers.quote_identifier` alone and values are parameters:
# ruff: noqa: S608

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.load.queries import CountHour, FindLedgers, ReadReceivedRanges
from clickstream_platform.load.statements import (
    CreateFilled,
    CreateTable,
    FindLate,
    ForgetTouched,
    InsertLoads,
    InsertStaged,
    Newest,
    SchemaChange,
    StagePack,
    WidenToDouble,
    WidenVarchar,
)
from clickstream_platform.model.records import LOAD_COLUMNS, MAX_MESSAGE_ID_BYTES
from clickstream_platform.model.schemas import LOADS_COLUMNS, MAX_VARCHAR_BYTES, Column, ColumnType
from clickstream_platform.model.staging import TABLE_COLUMN
from clickstream_platform.model.streams import ACCOUNTS, LOADS, USERS
from clickstream_platform.warehouses.dialect import Dialect
from clickstream_platform.warehouses.identifiers import quote_identifier as quote
from clickstream_platform.warehouses.sql_names import LATE, Sql, column_list, is_in

_TYPES = {
    ColumnType.BIGINT: "BIGINT",
    ColumnType.DOUBLE: "DOUBLE PRECISION",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.TIMESTAMP: "TIMESTAMP",
    ColumnType.JSON: "SUPER",
}
# As format_type() writes them.
_TYPE_OF = {
    "bigint": ColumnType.BIGINT,
    "double precision": ColumnType.DOUBLE,
    "boolean": ColumnType.BOOLEAN,
    "timestamp without time zone": ColumnType.TIMESTAMP,
    "super": ColumnType.JSON,
}
_VARCHAR = re.compile(r"character varying(?:\((\d+)\))?")
# A table that nobody reads: LOCK takes it for its holder alone, and a lock on `_loads` would shut out its readers.
LOCK_TABLE = "_lock$"
# 14 parameters a row, and the driver sends at most 32,767 with a statement.
LEDGER_ROWS_PER_STATEMENT = 500
# Redshift compiles a statement whole; unions of more branches take longer to plan than several of these.
BRANCHES_PER_STATEMENT = 50
_WIDENED = "widened$"  # a column that no property can have


class RedshiftDialect(Dialect):
    """Redshift's SQL for one customer schema of the database a session is connected to."""

    def schema_name_of(self, schema: str) -> str:
        """Return the schema, quoted."""
        return quote(schema)

    def table(self, name: str) -> str:
        """Return a table; refuse a name that Redshift would fold to another."""
        _check_case(name)
        return super().table(name)

    def definition(self, column: Column) -> str:
        """Return a column's definition; refuse a name that Redshift would fold to another."""
        _check_case(column.name)
        return super().definition(column)

    def session_table(self, name: str) -> str:
        """Return a temporary table: always with a `$`, so DROP TABLE can't find a customer's table by its name."""
        return quote(f"{name.rstrip('$')}$")

    def type_of(self, column: Column) -> str:
        """Return the type; a VARCHAR's length is in bytes."""
        if column.type is ColumnType.VARCHAR:
            return f"VARCHAR({column.length or MAX_VARCHAR_BYTES:d})"
        return _TYPES[column.type]

    @staticmethod
    def is_transactional(change: SchemaChange) -> bool:
        """All but lengthening a VARCHAR, which Redshift refuses within a transaction."""
        return not isinstance(change, WidenVarchar)

    # Tables

    def design_of(self, statement: CreateTable) -> str:
        """Spread growing tables by `id` and sort them by `received_at`, as docs/tables.md says; leave small ones alone.

        Rows of one `id` then lie on one node, so looking for duplicates moves nothing between nodes.
        """
        names = {column.name for column in statement.columns}
        if statement.table in (USERS, ACCOUNTS):
            return ' DISTSTYLE KEY DISTKEY("id") SORTKEY("id") ENCODE AUTO'
        if {"id", "received_at"} <= names:
            return ' DISTSTYLE KEY DISTKEY("id") SORTKEY("received_at") ENCODE AUTO'
        order = next((name for name in ("hour", "batch_hour") if name in names), None)
        return f" DISTSTYLE AUTO{f' SORTKEY({quote(order)})' if order else ''} ENCODE AUTO"

    def create_filled(self, statement: CreateFilled) -> list[Sql]:
        """Create with lengths and design, which CREATE TABLE AS has not, then fill."""
        insert = statement.insert
        own = [column for column in LOAD_COLUMNS if column.name == "batch_hour" or insert.uuid_ts]
        return [
            *self.create_table(CreateTable(insert.table, (*insert.columns, *own))),
            *self.insert_staged(insert),
        ]

    def create_lock(self) -> Sql:
        """Create the table that writers lock."""
        return Sql(f'CREATE TABLE IF NOT EXISTS {self.table(LOCK_TABLE)} ("held" BOOLEAN) DISTSTYLE AUTO')

    def take_lock(self) -> Sql:
        """Wait until no other transaction writes to the schema."""
        return Sql(f"LOCK TABLE {self.table(LOCK_TABLE)}")

    def widen_varchar(self, statement: WidenVarchar) -> list[Sql]:
        """Make a column longer, in place."""
        table, column = self.table(statement.table), statement.column
        return [Sql(f"ALTER TABLE {table} ALTER COLUMN {quote(column.name)} TYPE {self.type_of(column)}")]

    def encode_plainly(self, statement: WidenVarchar) -> Sql:
        """Give a column an encoding that can be lengthened: with ENCODE AUTO it may have got one that can't."""
        return Sql(f"ALTER TABLE {self.table(statement.table)} ALTER COLUMN {quote(statement.column.name)} ENCODE ZSTD")

    def widen_to_double(self, statement: WidenToDouble) -> list[Sql]:
        """Add a column, copy, swap: Redshift changes no type in place."""
        table, column, widened = self.table(statement.table), quote(statement.column), quote(_WIDENED)
        return [
            Sql(f"ALTER TABLE {table} ADD COLUMN {widened} DOUBLE PRECISION"),
            Sql(f"UPDATE {table} SET {widened} = {column} WHERE {column} IS NOT NULL"),
            Sql(f"ALTER TABLE {table} DROP COLUMN {column}"),
            Sql(f"ALTER TABLE {table} RENAME COLUMN {widened} TO {column}"),
        ]

    # Staging

    def stage_pack(self, statement: StagePack) -> list[Sql]:
        """Make the empty table that COPY fills: columns in the order of the Parquet, which COPY goes by."""
        names = {column.name for column in statement.columns}
        columns = [f"{quote(column.name)} {_staged_type(self, column)}" for column in statement.columns]
        if statement.shared:
            columns.append(f"{quote(TABLE_COLUMN)} INTEGER")
        # Spread like the tables it goes to, and sorted so that each of these reads only its own blocks.
        design = 'DISTSTYLE KEY DISTKEY("id")' if "id" in names else "DISTSTYLE EVEN"
        design += f" SORTKEY({quote(TABLE_COLUMN)})" if statement.shared else ""
        relation = self.session_table(statement.name)
        return [
            Sql(f"DROP TABLE IF EXISTS {relation}"),
            Sql(f"CREATE TEMP TABLE {relation} ({', '.join(columns)}) {design}"),
        ]

    def staged_columns(self, statement: InsertStaged) -> str:
        """Return the columns of an insert; JSON is staged as text (see `redshift_copy`) and parsed here."""
        return ", ".join(
            f"JSON_PARSE({quote(column.name)})" if column.type is ColumnType.JSON else quote(column.name)
            for column in statement.columns
        )

    # Rows

    def insert_loads(self, statement: InsertLoads) -> list[Sql]:
        """Insert in several statements, each within the driver's limit of parameters."""
        names = column_list(column.name for column in LOADS_COLUMNS)
        row = f"({', '.join(f'CAST(? AS {self.type_of(column)})' for column in LOADS_COLUMNS)})"
        chunks = _chunks(statement.rows, LEDGER_ROWS_PER_STATEMENT)
        return [
            Sql(
                f"INSERT INTO {self.table(LOADS)} ({names}) VALUES {', '.join([row] * len(chunk))}",
                tuple(value for entry in chunk for value in entry.values()),
            )
            for chunk in chunks
        ]

    def count_hour(self, query: CountHour) -> list[Sql]:
        """Count the hour's rows, so many tables at once."""
        count = super().count_hour
        return [
            sql
            for tables in _chunks(query.tables, BRANCHES_PER_STATEMENT)
            for sql in count(CountHour(query.hour, tables))
        ]

    def read_received_ranges(self, query: ReadReceivedRanges) -> list[Sql]:
        """Read the time ranges of staged rows, so many lots at once."""
        if len(query.rows) <= BRANCHES_PER_STATEMENT:
            return super().read_received_ranges(query)
        parts = [self._range(index, query) for index in range(len(query.rows))]
        return [_union(chunk) for chunk in _chunks(parts, BRANCHES_PER_STATEMENT)]

    def _range(self, index: int, query: ReadReceivedRanges) -> Sql:
        (one,) = super().read_received_ranges(ReadReceivedRanges((query.rows[index],)))
        return Sql(one.text.replace("SELECT 0, ", f"SELECT {index:d}, ", 1), one.params)

    def find_late(self, statement: FindLate) -> list[Sql]:
        """Create, then fill: CREATE TABLE AS takes no parameters."""
        late, found = self.session_table(LATE), self.found_late(statement)
        columns = f"event VARCHAR(512), id VARCHAR({MAX_MESSAGE_ID_BYTES}), hour TIMESTAMP, is_earlier BOOLEAN"
        return [
            Sql(f"DROP TABLE IF EXISTS {late}"),
            Sql(f"CREATE TEMP TABLE {late} ({columns}) DISTSTYLE KEY DISTKEY(id)"),
            Sql(f"INSERT INTO {late} (event, id, hour, is_earlier) {found.text}", found.params),
        ]

    def forget_touched(self, statement: ForgetTouched) -> list[Sql]:
        """Start an empty list of keys, as long as keys can be."""
        touched = self.touched(statement.newest)
        return [
            Sql(f"DROP TABLE IF EXISTS {touched}"),
            Sql(f"CREATE TEMP TABLE {touched} (key VARCHAR({MAX_VARCHAR_BYTES}))"),
        ]

    def newest_rows(self, newest: Newest, columns: Sequence[Column], condition: str) -> str:
        """Take each column's last value that is not null; all of them share one window, so rows are sorted once."""
        key = quote(newest.key)
        order = f"PARTITION BY {key} ORDER BY received_at NULLS FIRST, id"
        frame = f"{order} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
        values = "".join(f", {_last_value(column, frame)} AS {quote(column.name)}" for column in columns)
        names = column_list(["id", *(column.name for column in columns)])
        # No property's column has a `$`, so none can be mistaken for the rank.
        return (
            f'SELECT {names}, "$first" FROM (SELECT {key} AS id{values}, '
            f'MIN(received_at) OVER (PARTITION BY {key}) AS "$first", ROW_NUMBER() OVER ({order}) AS "$rank" '
            f'FROM {self.table(newest.source)} WHERE {condition}) AS ranked WHERE "$rank" = 1'
        )

    # Catalog

    def find_ledgers(self, _: FindLedgers) -> list[Sql]:
        """Ask the catalog; svv_… would take seconds."""
        return [
            Sql(
                "SELECT n.nspname FROM pg_catalog.pg_class AS c "
                "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relname = ? AND c.relkind = 'r'",
                (LOADS,),
            )
        ]

    def read_columns(self, tables: Collection[str]) -> Sql:
        """Return the catalog query for some tables of the schema; svv_… would take seconds."""
        condition = is_in("c.relname", tuple(tables))
        return Sql(
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute AS a "
            "JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid "
            "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
            f"WHERE n.nspname = ? AND {condition.text} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped "
            "ORDER BY c.relname, a.attnum",
            (self.schema, *condition.params),
        )

    @staticmethod
    def columns_of(rows: Sequence[tuple[Any, ...]]) -> dict[str, dict[str, Column]]:
        """Read the answer of the catalog; columns of types that the platform never makes are none of its own."""
        known: dict[tuple[str, str], Column | None] = {}  # thousands of tables share their columns
        tables: dict[str, dict[str, Column]] = {}
        for table, name, type_text in rows:
            if (name, type_text) not in known:
                known[name, type_text] = _column(name, type_text)
            column = known[name, type_text]
            if column is not None:
                tables.setdefault(table, {})[name] = column
        return tables


def _column(name: str, type_text: str) -> Column | None:
    varchar = _VARCHAR.fullmatch(type_text)
    if varchar is not None:
        return Column(name, ColumnType.VARCHAR, int(varchar[1] or MAX_VARCHAR_BYTES))
    column_type = _TYPE_OF.get(type_text.rpartition(".")[2])
    return None if column_type is None else Column(name, column_type)


def _staged_type(dialect: RedshiftDialect, column: Column) -> str:
    return f"VARCHAR({MAX_VARCHAR_BYTES})" if column.type is ColumnType.JSON else dialect.type_of(column)


def _last_value(column: Column, frame: str) -> str:
    name = quote(column.name)
    if column.type is ColumnType.JSON:
        # Window functions take no SUPER.
        return f"JSON_PARSE(LAST_VALUE(JSON_SERIALIZE({name}) IGNORE NULLS) OVER ({frame}))"
    return f"LAST_VALUE({name} IGNORE NULLS) OVER ({frame})"


def _chunks(items: Sequence[Any], size: int) -> list[tuple[Any, ...]]:
    return [tuple(items[start : start + size]) for start in range(0, len(items), size)]


def _union(parts: Sequence[Sql]) -> Sql:
    return Sql(" UNION ALL ".join(part.text for part in parts), tuple(value for part in parts for value in part.params))


def _check_case(name: str) -> None:
    """Redshift folds ASCII capitals even in quotes, so the table or column would never be found by this name."""
    if any("A" <= character <= "Z" for character in name):
        raise InvalidNameError(
            "naming a table or column",
            cause=f"{name[:200]!r} has capital letters, which Redshift does not keep",
            remedy="model.naming makes a name from any text.",
        )
