"""The databases the registry's tests run on: a SQLite file, and a PostgreSQL server where it is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.postgres_server import running_server
from clickstream_platform_tests.redshift_stand_in import PostgresUnavailableError
from clickstream_platform_tests.registry.served_apps import end_servers

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Start a server of its own that listens on nothing but a socket in its folder; give its folder."""
    # A server that sorts by language, so that the order of pages is ours and not by chance.
    by_language = ["-E", "UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"]
    try:
        with running_server(by_language, "-c listen_addresses= -c max_connections=30") as folder:
            yield str(folder)
    except PostgresUnavailableError as error:
        pytest.skip(str(error))


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
