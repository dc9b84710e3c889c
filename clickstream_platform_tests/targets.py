"""A DuckDB warehouse in a temporary folder with everything a test of loading needs.

What belongs here: opening, loading, reading back. Does not: promises (`contracts.warehouse`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.load.loader import Loader
from clickstream_platform.load.port import PartLocator, Warehouse
from clickstream_platform.load.report import LoadReport
from clickstream_platform.load.retry import RetryPolicy
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.staging import StagedBatch, StagedPart
from clickstream_platform.warehouses.duckdb import DuckDBWarehouse
from clickstream_platform_tests.builders import HOUR, BatchBuilder, locate_in

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SCHEMA = "shop"


@dataclass
class Target:
    """A warehouse under test; `read_all` returns all rows of SCHEMA's tables, none of those that don't exist."""

    warehouse: Warehouse
    folder: Path
    locate: PartLocator
    read_all: Callable[..., dict[str, list[dict[str, Any]]]]
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))

    def batch(self, hour: Hour = HOUR) -> BatchBuilder:
        """Start a batch of the customer."""
        return BatchBuilder(self.folder, SCHEMA, hour)

    def loader(self, **options: Any) -> Loader:
        """Return a loader that never really sleeps."""
        options.setdefault("retry", RetryPolicy(attempts=3, sleep=lambda _: None))
        return Loader(self.warehouse, SCHEMA, self.clock, locate=self.locate, **options)

    def load(self, batch: StagedBatch, **options: Any) -> LoadReport:
        """Load a batch."""
        return self.loader(**options).load(batch, run_id="run-1", started_at=NOW)

    def read(self, table: str) -> list[dict[str, Any]]:
        """Return all rows of one table in a fixed order."""
        return self.read_all(table)[table]

    def forget(self, part: StagedPart) -> None:
        """Delete a staged part."""
        (self.folder / part.key).unlink()

    def ids(self, table: str, hour: Hour | None = None) -> list[str]:
        """Return the ids of a table in order, of one hour if given."""
        rows = self.read(table)
        return sorted(row["id"] for row in rows if hour is None or row["batch_hour"].replace(tzinfo=UTC) == hour.start)


def duckdb_target(folder: Path, *, staged: Path | None = None, **options: Any) -> Target:
    """Return a DuckDB file in the folder, new unless it exists, with the staged parts beside it or in `staged`."""
    path = folder / "warehouse.duckdb"
    staged = staged or folder / "staged"
    warehouse = DuckDBWarehouse(path, **{"wait_seconds": 10, **options})
    return Target(warehouse, staged, locate_in(staged), lambda *tables: read_tables(path, tables))


def read_tables(path: Path, tables: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of tables of SCHEMA in a fixed order; none of those that don't exist."""
    found: dict[str, list[dict[str, Any]]] = {table: [] for table in tables}
    if path.exists():
        with duckdb.connect(str(path)) as connection:
            for table in found:
                with suppress(duckdb.CatalogException):
                    cursor = connection.execute(f'SELECT * FROM "{path.stem}"."{SCHEMA}"."{table}" ORDER BY ALL')
                    names = [column[0] for column in cursor.description or ()]
                    found[table] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return found
