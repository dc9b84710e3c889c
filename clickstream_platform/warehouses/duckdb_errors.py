"""What DuckDB's errors mean to the loader: wait and try again, or a person must act.

Belongs here: one table from DuckDB's classes to ours, with the reason beside each. Does not: retrying (`load.retry`).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from clickstream_platform.errors import ClickstreamError, LoadError, WarehouseUnavailableError
from clickstream_platform.observe.logs.redaction import mask_values

_LONGEST_CAUSE = 500  # characters
# Two writers touched the same rows or the same table; whoever comes second may succeed the next time.
_CONFLICTS = (duckdb.TransactionException,)
_REMEDIES: dict[type[duckdb.Error], str] = {
    duckdb.OutOfMemoryException: "Raise CLICKSTREAM_DUCKDB_MEMORY_MB, or free space for temporary files.",
    duckdb.IOException: "Check the disk and that the staged Parquet still exists; then run the hour again.",
    duckdb.ConversionException: "The staged rows don't fit their column: stage the hour again.",
    duckdb.CatalogException: "A table differs from what the load planned for: run the hour again.",
}


def explain(error: duckdb.Error, text: str, where: str) -> ClickstreamError:
    """Return our error for one of DuckDB's; the message names the statement's beginning, never its parameters."""
    # DuckDB quotes the value that it could not take; this message goes to logs, to Dagster and into alerts.
    cause = mask_values(" ".join(str(error).partition("\n\nLINE ")[0].split())[:_LONGEST_CAUSE])
    failed = f"running {text[:60]!r}"
    if isinstance(error, _CONFLICTS):
        return WarehouseUnavailableError(
            failed, where=where, cause=cause, remedy="Another writer was quicker; it is tried again."
        )
    remedy = next((text for kind, text in _REMEDIES.items() if isinstance(error, kind)), "Report it with this message.")
    return LoadError(failed, where=where, cause=cause, remedy=remedy)


def is_held(error: duckdb.Error) -> bool:
    """Whether another process has the file open, or another thread in another mode; DuckDB has no code for it."""
    text = str(error)
    return (
        "already attached by database" in text
        or (isinstance(error, duckdb.ConnectionException) and "different configuration" in text)
        or (isinstance(error, duckdb.IOException) and "lock" in text)
    )


def unavailable(path: Path, cause: str, waited_seconds: float) -> WarehouseUnavailableError:
    """Return the error for a file that somebody else held all the time."""
    return WarehouseUnavailableError(
        "opening the warehouse",
        where=str(path),
        cause=cause.partition("\n")[0],
        remedy=f"It was held for {waited_seconds:g} s: close the other process, or wait longer.",
    )
