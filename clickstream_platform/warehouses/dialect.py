"""From a named statement to its SQL: the one edge where statements become text.

Belongs here: the way from a statement's class to the method that renders it, the same for every warehouse. Does not:
the texts (`sql_*`), what one warehouse writes differently (`duckdb_dialect`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from clickstream_platform.load.queries import Query
from clickstream_platform.load.statements import Statement
from clickstream_platform.warehouses.sql_late import LateSql
from clickstream_platform.warehouses.sql_names import Sql
from clickstream_platform.warehouses.sql_newest import NewestSql
from clickstream_platform.warehouses.sql_queries import QuerySql
from clickstream_platform.warehouses.sql_rows import RowSql
from clickstream_platform.warehouses.sql_schema import SchemaSql

_BEFORE_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


@lru_cache(maxsize=100)
def method_name(kind: str) -> str:
    """Return the name of the method that renders a class of statements: `InsertStaged` → `insert_staged`."""
    return _BEFORE_CAPITAL.sub("_", kind).lower()


class Dialect(SchemaSql, RowSql, LateSql, NewestSql, QuerySql):
    """The SQL that DuckDB and Redshift share; a warehouse's dialect adds what is its own."""

    def render(self, named: Statement | Query) -> list[Sql]:
        """Return the SQL that carries out a statement or answers a query, in order; the last one counts rows."""
        rendered: list[Sql] = getattr(self, method_name(type(named).__name__))(named)
        return rendered
