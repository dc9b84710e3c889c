"""Databases for the tests of alerts: SQLite, and PostgreSQL where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_platform_tests.observe.alerts.world import World
from clickstream_platform_tests.registry.conftest import database_url, postgresql_server

__all__ = ["database_url", "postgresql_server"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give alerting with one channel, `chat`, that takes everything."""
    made = World(f"sqlite:///{tmp_path / 'alerts.db'}")
    yield made
    made.engine.close()
