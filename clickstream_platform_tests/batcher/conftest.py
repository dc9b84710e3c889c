"""Fixtures of the batcher's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from clickstream_platform_tests.registry.conftest import postgresql_server

__all__ = ["postgresql_server"]


@pytest.fixture(params=["sqlite", "postgresql"])
def leases_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a database without leases, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'leases.db'}"
        return
    url = f"postgresql+psycopg2://postgres@/postgres?host={request.getfixturevalue('postgresql_server')}"
    yield url
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS batcher_leases"))
    engine.dispose()
