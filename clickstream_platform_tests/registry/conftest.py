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
from clickstream_platform_tests.registry.served_apps import end_servers

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


def create_database(folder: str, template: str = "template1") -> str:
    """Make a PostgreSQL database as a copy of another one and return its name."""
    server = sa.create_engine(url_of(folder, "postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        name = f"registry_{connection.execute(sa.text('SELECT count(*) FROM pg_database')).scalar_one()}"
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    server.dispose()
    return name


def url_of(folder: str, database: str) -> str:
    """Return the URL of a database of the server in a folder."""
    return f"postgresql+psycopg2://postgres@/{database}?host={folder}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'folder to create' / 'registry.db'}"
    folder = request.getfixturevalue("postgresql_server")
    return url_of(folder, create_database(folder))


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a migrated SQLite file without content, to copy: migrating takes longer than most of these tests."""
    path = tmp_path_factory.mktemp("migrated") / "registry.db"
    open_registry(f"sqlite:///{path}", FixedClock(START)).close()
    return path


@pytest.fixture(scope="session")
def migrated_database(postgresql_server: str) -> str:
    """Give the name of a migrated PostgreSQL database without content, to copy."""
    name = create_database(postgresql_server)
    open_registry(url_of(postgresql_server, name), FixedClock(START)).close()
    return name


@pytest.fixture
def registry_url(migrated_file: Path, tmp_path: Path) -> str:
    """Give the URL of an empty registry in a SQLite file that is migrated."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'registry.db')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def any_registry_url(request: pytest.FixtureRequest) -> str:
    """Give the URL of an empty registry, on each kind of database, that is migrated."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("registry_url"))
    folder, template = (request.getfixturevalue(name) for name in ("postgresql_server", "migrated_database"))
    return url_of(folder, create_database(folder, template))


@pytest.fixture(scope="session", autouse=True)
def _servers() -> Iterator[None]:
    """End the servers that tests shared."""
    yield
    end_servers()


@pytest.fixture
def clock() -> FixedClock:
    """Give a clock that stands still."""
    return FixedClock(START)


@pytest.fixture
def any_registry(any_registry_url: str, clock: FixedClock) -> Iterator[RegistryService]:
    """Give an empty registry on each kind of database."""
    with open_registry(any_registry_url, clock) as service:
        yield service


@pytest.fixture
def registry(registry_url: str, clock: FixedClock) -> Iterator[RegistryService]:
    """Give an empty registry in a SQLite file."""
    with open_registry(registry_url, clock) as service:
        yield service
