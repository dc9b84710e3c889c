"""Questions of people to a destination, whatever it is: for `clickstream query` and the demo.

Belongs here: where a question goes. Does not: what the platform itself asks (`load`), showing answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clickstream_platform.wiring import Wiring


def ask(wiring: Wiring, destination: str, sql: str, limit: int) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Run one statement that can't change anything; return column names and at most `limit` rows.

    Raises NotFoundError for an unknown destination, and LoadError or what connecting raises.
    """
    found = wiring.registry.get_destination(destination)
    if found.kind == "redshift":
        # Imported only here: each driver takes a while, and only one of them is needed.
        from clickstream_platform.warehouses.redshift_console import open_console
        from clickstream_platform.wiring import connector_of

        connector = connector_of(found)
        with open_console(connector, connector.destination.place) as console:
            return console.query(sql, limit)
    from clickstream_platform.warehouses.duckdb_query import run_query

    result = run_query(Path(found.settings.get("path") or wiring.settings.duckdb), sql, limit)
    return result.columns, result.rows
