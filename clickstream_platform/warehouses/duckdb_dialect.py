"""What DuckDB writes its own way.

Belongs here: types, catalog, Parquet, names. Does not: connections and errors (`duckdb`).
"""
# Names are quoted by `identifiers.quote_identifier` alone and values are parameters:
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from clickstream_platform.load.queries import FindLedgers
from clickstream_platform.load.statements import (
    CreateFilled,
    InsertLoads,
    InsertStaged,
    Newest,
    SchemaChange,
    StagePack,
    WidenToDouble,
    WidenVarchar,
)
from clickstream_platform.model.schemas import LOADS_COLUMNS, MAX_VARCHAR_BYTES, Column, ColumnType
from clickstream_platform.model.staging import TABLE_COLUMN
from clickstream_platform.model.streams import LOADS
from clickstream_platform.warehouses.dialect import Dialect
from clickstream_platform.warehouses.identifiers import quote_identifier as quote
from clickstream_platform.warehouses.sql_names import Sql, column_list, is_in

_TYPES = {
    ColumnType.BIGINT: "BIGINT",
    ColumnType.DOUBLE: "DOUBLE",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.TIMESTAMP: "TIMESTAMP",
    ColumnType.VARCHAR: "VARCHAR",
    ColumnType.JSON: "JSON",
}
_TYPE_OF = {text: column_type for column_type, text in _TYPES.items()}


class DuckDBDialect(Dialect):
    """DuckDB's SQL for one customer schema of one database file."""

    def __init__(self, schema: str, database: str) -> None:
        """Write for a schema of an open database, named as DuckDB names it."""
        super().__init__(schema)
        self._database = database
        self._schema_name = self.schema_name_of(schema)
        self._positions: dict[str, dict[str, int]] = {}

    def schema_name(self) -> str:
        """Return database and schema."""
        return self._schema_name

    def schema_name_of(self, schema: str) -> str:
        """Return database and schema."""
        # Three parts, always: a customer may be called like the file, or `temp`, and two parts would be ambiguous.
        return f"{quote(self._database)}.{quote(schema)}"

    def session_table(self, name: str) -> str:
        """Return a table of DuckDB's temporary database."""
        return f"temp.main.{quote(name)}"

    def type_of(self, column: Column) -> str:
        """Return the type; DuckDB's VARCHAR has no length."""
        return _TYPES[column.type]

    @staticmethod
    def is_transactional(_: SchemaChange) -> bool:
        """Every schema change of DuckDB takes part in the transaction."""
        return True

    def stage_pack(self, statement: StagePack) -> list[Sql]:
        """Read a shared pack into memory, as each of its tables reads it; leave a table's own pack in its Parquet."""
        self._positions[statement.name] = {column.name: n for n, column in enumerate(statement.columns, start=1)}
        columns = [self._staged_column(column) for column in statement.columns]
        if statement.shared:
            columns.append(quote(TABLE_COLUMN))
        kind = "TABLE" if statement.shared else "VIEW"
        # Never the hive columns: object keys hold `customer=…/hour=…`, which would replace properties of these names.
        source = f"read_parquet([{', '.join(_text(part.url) for part in statement.parts)}], hive_partitioning = false)"
        relation = self.session_table(statement.name)
        return [Sql(f"CREATE OR REPLACE TEMP {kind} {relation} AS SELECT {', '.join(columns)} FROM {source}")]

    def staged_columns(self, statement: InsertStaged) -> str:
        """Name columns by their position in the pack: reading fifty quoted names is a seventh of a small insert."""
        positions = self._positions[statement.rows.pack]
        return ", ".join(f"#{positions[column.name]}" for column in statement.columns)

    def _staged_column(self, column: Column) -> str:
        name = quote(column.name)
        return name if column.type is ColumnType.VARCHAR else f"CAST({name} AS {self.type_of(column)}) AS {name}"

    def create_filled(self, statement: CreateFilled) -> list[Sql]:
        """Create and fill in one statement: a fifth less work per table than in two."""
        selected = self.select_staged(statement.insert)
        return [Sql(f"CREATE TABLE {self.table(statement.insert.table)} AS {selected.text}", selected.params)]

    def widen_varchar(self, _: WidenVarchar) -> list[Sql]:
        """Do nothing: DuckDB's VARCHAR has no length."""
        return []

    def widen_to_double(self, statement: WidenToDouble) -> list[Sql]:
        """Change the type in place."""
        column = quote(statement.column)
        return [Sql(f"ALTER TABLE {self.table(statement.table)} ALTER COLUMN {column} SET DATA TYPE DOUBLE")]

    def newest_rows(self, newest: Newest, columns: Sequence[Column], condition: str) -> str:
        """Rank each key's rows once, then take the newest value of every column; arg_max passes over nulls."""
        key = quote(newest.key)
        # No property's column has a `$`, so none can be mistaken for the rank.
        values = "".join(f', arg_max({name}, "$rank") AS {name}' for name in (quote(column.name) for column in columns))
        return (
            f'SELECT {key} AS id{values}, MIN(received_at) AS "$first" FROM (SELECT *, row_number() OVER '
            f'(PARTITION BY {key} ORDER BY received_at NULLS FIRST, id) AS "$rank" '
            f"FROM {self.table(newest.source)} WHERE {condition}) AS ranked GROUP BY {key}"
        )

    def insert_loads(self, statement: InsertLoads) -> list[Sql]:
        """Send one list per column: a thousand rows of VALUES would take longer to parse than to insert."""
        lists = zip(*(row.values() for row in statement.rows), strict=True)
        columns = ", ".join(f"UNNEST(CAST(? AS {self.type_of(column)}[]))" for column in LOADS_COLUMNS)
        names = column_list(column.name for column in LOADS_COLUMNS)
        return [Sql(f"INSERT INTO {self.table(LOADS)} ({names}) SELECT {columns}", tuple(map(list, lists)))]

    def find_ledgers(self, _: FindLedgers) -> list[Sql]:
        """Ask the catalog."""
        text = "SELECT schema_name FROM duckdb_tables() WHERE database_name = ? AND table_name = ?"
        return [Sql(text, (self._database, LOADS))]

    def read_columns(self, tables: Collection[str]) -> Sql:
        """Return the catalog query for some tables of the schema."""
        condition = is_in("table_name", tuple(tables))
        return Sql(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() "
            f"WHERE database_name = ? AND schema_name = ? AND {condition.text} ORDER BY table_name, column_index",
            (self._database, self.schema, *condition.params),
        )

    @staticmethod
    def columns_of(rows: Sequence[tuple[Any, ...]]) -> dict[str, dict[str, Column]]:
        """Read the answer of the catalog; columns of types that the platform never makes are none of its own."""
        known: dict[tuple[str, str], Column] = {}  # thousands of tables share their columns
        tables: dict[str, dict[str, Column]] = {}
        for table, name, type_text in rows:
            column = known.get((name, type_text))
            if column is None:
                column_type = _TYPE_OF.get(type_text)
                if column_type is None:
                    continue
                length = MAX_VARCHAR_BYTES if column_type is ColumnType.VARCHAR else 0
                column = known[name, type_text] = Column(name, column_type, length)
            tables.setdefault(table, {})[name] = column
        return tables


def _text(value: str) -> str:
    """Quote a path: DuckDB takes no parameters in a view."""
    return "'" + value.replace("'", "''") + "'"
