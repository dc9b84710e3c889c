"""The databases the registry's tests run on: a SQLite file, and a PostgreSQL server where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.service import RegistryService

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Start a server of its own that listens on nothing but a socket in its folder; give its folder."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "")]
    programs = found[-1].parent
    if not found[-1].name:
        pytest.skip("PostgreSQL is not installed")
    # initdb refuses root; pytest's own folders cannot be entered by anybody else.
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if as_postgres:
        shutil.chown(folder, "postgres")
    data, control = folder / "data", [*as_postgres, str(programs / "pg_ctl")]
    initdb = [*as_postgres, str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync"]
    # A server that sorts by language, so that the order of pages is ours and not by chance.
    by_language = ["--locale-provider=icu", "--icu-locale=en"]
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=30"
    try:
        subprocess.run(
            [*initdb, "-E", "UTF8", "--locale=C.UTF-8", *by_language], check=True, capture_output=True, cwd="/"
        )
        start = ["start", "-w", "-D", str(data), "-l", str(folder / "log"), "-o", options]
        subprocess.run([*control, *start], check=True, capture_output=True, cwd="/")
        yield str(folder)
    finally:
        subprocess.run(
            [*control, "stop", "-w", "-D", str(data), "-m", "immediate"], check=False, capture_output=True, cwd="/"
        )
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'folder to create' / 'registry.db'}"
        return
    folder = request.getfixturevalue("postgresql_server")
    server = sa.create_engine(f"postgresql+psycopg2://postgres@/postgres?host={folder}", isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        name = f"registry_{connection.execute(sa.text('SELECT count(*) FROM pg_database')).scalar_one()}"
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    server.dispose()
    yield f"postgresql+psycopg2://postgres@/{name}?host={folder}"


@pytest.fixture
def clock() -> FixedClock:
    """Give a clock that stands still."""
    return FixedClock(START)


@pytest.fixture
def any_registry(database_url: str, clock: FixedClock) -> Iterator[RegistryService]:
    """Give an empty registry on each kind of database."""
    with open_registry(database_url, clock) as service:
        yield service


@pytest.fixture
def registry(tmp_path: Path, clock: FixedClock) -> Iterator[RegistryService]:
    """Give an empty registry in a SQLite file."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}", clock) as service:
        yield service
