"""DuckDB against the contract of the port."""

from __future__ import annotations

from pathlib import Path

import pytest

from clickstream_platform_tests.contracts.warehouse import WarehouseContract
from clickstream_platform_tests.contracts.warehouse_hours import WarehouseHoursContract
from clickstream_platform_tests.targets import Target, duckdb_target


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return duckdb_target(tmp_path)


class TestDuckDB(WarehouseContract):
    """One customer-hour at a time."""


class TestDuckDBHours(WarehouseHoursContract):
    """Several hours and writers."""
