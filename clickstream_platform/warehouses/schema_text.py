"""Schema changes as the SQL that each kind of warehouse would be sent: what `clickstream schema plan` prints.

Belongs here: choosing the dialect and telling what its statements are. Does not: the SQL itself (the dialects), which
changes there are (`load.schema_forecast`).
"""

from __future__ import annotations

from clickstream_platform.load.statements import CreateSchema, SchemaChange
from clickstream_platform.warehouses.dialect import Dialect
from clickstream_platform.warehouses.duckdb_dialect import DuckDBDialect
from clickstream_platform.warehouses.redshift_dialect import RedshiftDialect


def dialect_of(kind: str, schema: str, database: str = "") -> Dialect:
    """Return the dialect of a kind of destination; `database` is what DuckDB calls its file, unused elsewhere."""
    return RedshiftDialect(schema) if kind == "redshift" else DuckDBDialect(schema, database)


def sql_of(dialect: Dialect, change: CreateSchema | SchemaChange) -> list[str]:
    """Return a change's statements in order; none where the warehouse needs none. They hold no values from outside.

    Raises InvalidNameError for a name that the warehouse can't keep.
    """
    statements = dialect.render(change)
    if isinstance(change, CreateSchema) and isinstance(dialect, RedshiftDialect):
        statements.append(dialect.create_lock())  # a schema's first writer makes both
    return [sql.text for sql in statements]
