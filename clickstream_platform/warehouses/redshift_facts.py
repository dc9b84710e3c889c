"""What a Redshift destination is and what its user may do: read in one go, for the doctor.

Belongs here: questions to the catalog. Does not: judging the answers (`doctor.redshift`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from clickstream_platform.errors import LoadError
from clickstream_platform.warehouses.redshift_console import RedshiftConsole
from clickstream_platform.warehouses.sql_names import Sql

# One statement each: Redshift runs these on its leader node, and a fault in one must not hide the others.
_WHO = Sql("SELECT version(), current_user, current_database()")
_NOW = Sql("SELECT GETDATE()")
_RIGHTS = Sql(
    "SELECT has_database_privilege(current_user, current_database(), 'CREATE'), "
    "has_database_privilege(current_user, current_database(), 'TEMP')"
)
_SCHEMA = Sql("SELECT COUNT(*) FROM pg_catalog.pg_namespace WHERE nspname = ?")
_TABLES = Sql(
    "SELECT COUNT(*) FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
)
_TABLE_INFO = Sql('SELECT COUNT(*) FROM svv_table_info WHERE "schema" = ?')


@dataclass(frozen=True, slots=True)
class RedshiftFacts:
    """The answers. `now` is the warehouse's clock in whole seconds; `tables` counts those of the whole database."""

    version: str
    user: str
    database: str
    tls: str
    now: datetime
    may_create_schemas: bool
    may_create_temporary_tables: bool
    has_schema: bool
    tables: int
    may_read_table_info: bool


def read_facts(console: RedshiftConsole, schema: str) -> RedshiftFacts:
    """Ask for everything; raise WarehouseUnavailableError or LoadError when the warehouse does not answer."""
    ((version, user, database),) = console.ask(_WHO)
    ((creates, temporary),) = console.ask(_RIGHTS)
    has_schema = int(console.ask(Sql(_SCHEMA.text, (schema,)))[0][0]) > 0
    tables = int(console.ask(_TABLES)[0][0])
    reads_info = _may_read_table_info(console, schema)
    ((now,),) = console.ask(_NOW)  # last, so that it is compared with our clock right away
    return RedshiftFacts(
        version=str(version),
        user=str(user),
        database=str(database),
        tls=console.tls,
        now=now.replace(tzinfo=UTC),
        may_create_schemas=bool(creates),
        may_create_temporary_tables=bool(temporary),
        has_schema=has_schema,
        tables=tables,
        may_read_table_info=reads_info,
    )


def _may_read_table_info(console: RedshiftConsole, schema: str) -> bool:
    try:
        console.ask(Sql(_TABLE_INFO.text, (schema,)))
    except LoadError:
        return False
    return True
