"""`clickstream query`: SQL on the embedded warehouse, read-only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table


@handle_errors
def query_command(
    sql: Annotated[str, typer.Argument(help='For example: SELECT * FROM acme."_loads"')],
    limit: Annotated[int, typer.Option(min=1, help="Rows to show at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Run SQL on the embedded DuckDB warehouse; one schema a customer, one table an event."""
    from clickstream_platform.settings import load_settings
    from clickstream_platform.warehouses.duckdb_query import run_query

    result = run_query(Path(load_settings().duckdb), sql, limit)
    if as_json:
        print_json([dict(zip(result.columns, row, strict=True)) for row in result.rows])
    else:
        print_table(result.columns, result.rows)
