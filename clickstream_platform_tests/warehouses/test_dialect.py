"""Every statement and query has a text in every dialect."""

from __future__ import annotations

from typing import get_args

import pytest

from clickstream_platform.load import queries, statements
from clickstream_platform.warehouses.dialect import Dialect, method_name
from clickstream_platform.warehouses.duckdb_dialect import DuckDBDialect
from clickstream_platform.warehouses.redshift_dialect import RedshiftDialect

NAMED = [kind.__name__ for kind in (*get_args(statements.Statement), *get_args(queries.Query))]


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("dialect", [DuckDBDialect, RedshiftDialect])
def test_every_statement_is_rendered(dialect: type[Dialect], name: str) -> None:
    assert callable(getattr(dialect, method_name(name)))


def test_every_class_of_statements_and_queries_is_known() -> None:
    defined = {
        name
        for module in (statements, queries)
        for name, kind in vars(module).items()
        if isinstance(kind, type) and kind.__module__ == module.__name__
    }
    parts = {"PartLocation", "Rows", "LateSearch", "Newest"}  # of statements
    assert defined - parts == set(NAMED)
