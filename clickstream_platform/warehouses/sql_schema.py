"""SQL of schemas and tables: create, add, widen, retype."""

from __future__ import annotations

from abc import abstractmethod

from clickstream_platform.load.statements import (
    AddColumn,
    CreateFilled,
    CreateSchema,
    CreateTable,
    RetypeColumn,
    StagePack,
    WidenToDouble,
    WidenVarchar,
)
from clickstream_platform.warehouses.identifiers import quote_identifier as quote
from clickstream_platform.warehouses.sql_names import Sql, SqlNames


class SchemaSql(SqlNames):
    """Renders what changes the shape of things; one ADD COLUMN per statement, as Redshift wants it."""

    @abstractmethod
    def stage_pack(self, statement: StagePack) -> list[Sql]:
        """Make a pack readable as a temporary table of the session."""

    @abstractmethod
    def create_filled(self, statement: CreateFilled) -> list[Sql]:
        """Create a table from staged rows; the last statement inserts them."""

    @abstractmethod
    def widen_varchar(self, statement: WidenVarchar) -> list[Sql]:
        """Make a VARCHAR column longer."""

    @abstractmethod
    def widen_to_double(self, statement: WidenToDouble) -> list[Sql]:
        """Turn a BIGINT column into DOUBLE."""

    def create_schema(self, _: CreateSchema) -> list[Sql]:
        """Create the customer's schema unless it exists."""
        return [Sql(f"CREATE SCHEMA IF NOT EXISTS {self.schema_name()}")]

    def create_table(self, statement: CreateTable) -> list[Sql]:
        """Create an empty table."""
        columns = ", ".join(map(self.definition, statement.columns))
        return [Sql(f"CREATE TABLE {self.table(statement.table)} ({columns}){self.design_of(statement)}")]

    def design_of(self, _: CreateTable) -> str:
        """Return the physical design of a table as SQL, with a space before it; none unless a warehouse has one."""
        return ""

    def add_column(self, statement: AddColumn) -> list[Sql]:
        """Add one column."""
        return [Sql(f"ALTER TABLE {self.table(statement.table)} ADD COLUMN {self.definition(statement.column)}")]

    def retype_column(self, statement: RetypeColumn) -> list[Sql]:
        """Drop a column and add it with its new type."""
        table, column = self.table(statement.table), statement.column
        return [
            Sql(f"ALTER TABLE {table} DROP COLUMN {quote(column.name)}"),
            Sql(f"ALTER TABLE {table} ADD COLUMN {self.definition(column)}"),
        ]
