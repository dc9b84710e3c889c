"""`clickstream query`: SQL on a destination, read-only."""

from __future__ import annotations

from typing import Annotated

import typer

from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table
from clickstream_platform.registry.entities import DEFAULT_DESTINATION


@handle_errors
def query_command(
    sql: Annotated[str, typer.Argument(help='For example: SELECT * FROM acme."_loads"')],
    limit: Annotated[int, typer.Option(min=1, help="Rows to show at most.")] = 100,
    destination: Annotated[str, typer.Option(metavar="NAME", help="Where to ask.")] = DEFAULT_DESTINATION,
    as_json: JsonOption = False,
) -> None:
    """Run SQL on a destination, in a transaction that changes nothing; one schema a customer, one table an event."""
    from clickstream_platform import wiring
    from clickstream_platform.pipeline.asking import ask

    with wiring.open_wiring() as opened:
        columns, rows = ask(opened, destination, sql, limit)
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)
