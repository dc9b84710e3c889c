"""A DuckDB warehouse in a temporary folder with everything a test of loading needs.

What belongs here: opening, loading, reading back. Does not: promises (`contracts.warehouse`).
"""

from __future__ import annotations

from collections.abc import Callable
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
    """A warehouse under test; `read` returns all rows of one of SCHEMA's tables, none when there is no such table."""

    warehouse: Warehouse
    folder: Path
    locate: PartLocator
    read: Callable[[str], list[dict[str, Any]]]
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))

    def batch(self, hour: Hour = HOUR) -> BatchBuilder:
        """Start a batch of the customer."""
        return BatchBuilder(self.folder, SCHEMA, hour)

    def loader(self, **options: Any) -> Loader:  # noqa: ANN401
        """Return a loader that never really sleeps."""
        options.setdefault("retry", RetryPolicy(attempts=3, sleep=lambda _: None))
        return Loader(self.warehouse, SCHEMA, self.clock, locate=self.locate, **options)

    def load(self, batch: StagedBatch, **options: Any) -> LoadReport:  # noqa: ANN401
        """Load a batch."""
        return self.loader(**options).load(batch, run_id="run-1", started_at=NOW)

    def forget(self, part: StagedPart) -> None:
        """Delete a staged part."""
        (self.folder / part.key).unlink()

    def ids(self, table: str, hour: Hour | None = None) -> list[str]:
        """Return the ids of a table in order, of one hour if given."""
        rows = self.read(table)
        return sorted(row["id"] for row in rows if hour is None or row["batch_hour"].replace(tzinfo=UTC) == hour.start)


def duckdb_target(folder: Path, **options: Any) -> Target:  # noqa: ANN401
    """Return a new DuckDB file in the folder, staged parts beside it."""
    path = folder / "warehouse.duckdb"
    warehouse = DuckDBWarehouse(path, **{"wait_seconds": 10, **options})
    return Target(warehouse, folder / "staged", locate_in(folder / "staged"), lambda table: read_rows(path, table))


def read_rows(path: Path, table: str) -> list[dict[str, Any]]:
    """Return all rows of a table of SCHEMA, by id where there is one."""
    if not path.exists():
        return []
    with duckdb.connect(str(path)) as connection:
        try:
            cursor = connection.execute(f'SELECT * FROM "{path.stem}"."{SCHEMA}"."{table}" ORDER BY ALL')
        except duckdb.CatalogException:
            return []
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
