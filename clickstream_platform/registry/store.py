"""The registry's database: connecting to SQLite or PostgreSQL, and transactions in which writers take turns.

Belongs here: the engine, beginning and ending transactions, turning driver errors into ours. Does not: queries
(`transactions`), the schema (`tables`, `migrations`).

Writers take turns, in both databases: whoever changes anything locks first. Changes are small and rare, and in exchange
no rule of the service has to consider what another writer does at the same moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from clickstream_platform.errors import ClickstreamError, ConfigurationError, RegistryError
from clickstream_platform.registry.refusals import RegistryUnavailableError
from clickstream_platform.registry.transactions import Transaction

DEFAULT_BUSY_TIMEOUT_SECONDS = 30.0
NOTING_MILLISECONDS = 50
POOL_CONNECTIONS = 40
"""As many as the service has threads, so that no reader waits for a connection that a waiting writer holds."""
_WRITES = "registry_writes"
_SUPPORTED = ("sqlite", "postgresql")


class Store:
    """One database of the registry, to be shared by the threads of a process."""

    def __init__(self, url: str, *, busy_timeout_seconds: float = DEFAULT_BUSY_TIMEOUT_SECONDS) -> None:
        """Prepare connecting to a SQLAlchemy URL; a SQLite file's folder is created. Nothing is connected yet."""
        parsed = _parse_url(url)
        self._busy_timeout_seconds = busy_timeout_seconds
        self.url = parsed.render_as_string(hide_password=True)
        self.engine = _sqlite(parsed, busy_timeout_seconds) if _is_sqlite(parsed) else _postgresql(parsed)
        # One transaction for several operations of one thread or task; see `together`.
        self._shared: ContextVar[Transaction | None] = ContextVar("shared", default=None)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Wait for the turn to write and run one transaction; it is rolled back when the block raises."""
        if (shared := self._shared.get()) is not None:
            yield shared
            return
        with self.begin_writing() as connection:
            transaction = Transaction(connection)
            transaction.lock()
            yield transaction

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Run one transaction that sees a single state of the registry and waits for nobody."""
        if (shared := self._shared.get()) is not None:
            yield shared
            return
        with self._errors_translated(), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield Transaction(connection)

    @contextmanager
    def noting(self) -> Iterator[Transaction]:
        """Run one transaction that notes something beside the content and waits for nobody.

        Raises RegistryUnavailableError at once when another writer is at work.
        """
        with self._errors_translated(), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                with connection.begin():
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {NOTING_MILLISECONDS}")
                    yield Transaction(connection)
                return
            driver = connection.connection.driver_connection
            assert driver is not None, "a connection in use has its driver's connection"  # noqa: S101 - for the types
            driver.execute(f"PRAGMA busy_timeout = {NOTING_MILLISECONDS}")
            try:
                with connection.execution_options(**{_WRITES: True}).begin():
                    yield Transaction(connection)
            finally:
                driver.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout_seconds * 1000)}")

    @property
    def is_shared(self) -> bool:
        """Whether this thread or task is inside `together`."""
        return self._shared.get() is not None

    @contextmanager
    def together(self) -> Iterator[Transaction]:
        """Run every operation of the block in one transaction: all of them happen, or none."""
        with self.writing() as transaction:
            before = self._shared.set(transaction)
            try:
                yield transaction
            finally:
                self._shared.reset(before)

    @contextmanager
    def begin_writing(self) -> Iterator[sa.Connection]:
        """Run one transaction on a bare connection; in SQLite it excludes other writers from the start."""
        with (
            self._errors_translated(),
            self.engine.connect() as connection,
            connection.execution_options(**{_WRITES: True}).begin(),
        ):
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        try:
            yield
        except ClickstreamError:
            raise
        except SQLAlchemyError as error:
            cause = " ".join(str(getattr(error, "orig", None) or error).split())
            if _is_worth_waiting(error):
                raise RegistryUnavailableError(
                    "asking the registry",
                    where=self.url,
                    cause=cause,
                    remedy="Try again; it may be busy or restarting.",
                ) from error
            raise RegistryError(
                "asking the registry",
                where=self.url,
                cause=cause,
                remedy="Check CLICKSTREAM_REGISTRY_URL, and that the database can be read and written.",
            ) from error


def _is_worth_waiting(error: SQLAlchemyError) -> bool:
    if not isinstance(error, DBAPIError):
        # A pool that gave no connection in time.
        return isinstance(error, sa.exc.TimeoutError)
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary result code
        return code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return error.connection_invalidated or isinstance(error, OperationalError)


def _parse_url(url: str) -> sa.URL:
    remedy = "Set CLICKSTREAM_REGISTRY_URL, such as sqlite:///registry.db or postgresql://user@host/database."
    try:
        parsed = sa.make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        # The text may hold a password, so it is not repeated.
        raise ConfigurationError(
            "reading the registry's URL", cause="it is not a database URL", remedy=remedy
        ) from error
    if parsed.get_backend_name() not in _SUPPORTED:
        raise ConfigurationError(
            "reading the registry's URL", cause=f"{parsed.get_backend_name()} is not supported", remedy=remedy
        )
    return parsed


def _is_sqlite(url: sa.URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _sqlite(url: sa.URL, busy_timeout_seconds: float) -> sa.Engine:
    in_memory = url.database in {None, "", ":memory:"}
    options: dict[str, Any] = {"connect_args": {"timeout": busy_timeout_seconds, "check_same_thread": False}}
    if in_memory:
        options["poolclass"] = StaticPool
    elif url.database is not None:
        _create_folder(Path(url.database).parent)
    engine = sa.create_engine(url, hide_parameters=True, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            "creating the registry's folder",
            where=str(folder),
            cause=str(error),
            remedy="Set CLICKSTREAM_REGISTRY_URL to a place that can be written.",
        ) from error


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's connection has no common type
    # The driver's own BEGIN comes late and never for a SELECT; `_begin_sqlite` begins instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # readers go on while another process writes
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # Locking at once lets the busy timeout work; a reader that turns into a writer fails without waiting.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: sa.URL) -> sa.Engine:
    # `hide_parameters`, here and above: values of statements, hashes among them, never get into an error or a log.
    # A pooled connection may have died with the server: it is tried first. Many updates go in few round trips.
    options = {"executemany_mode": "values_plus_batch"} if url.get_driver_name() == "psycopg2" else {}
    pool: dict[str, Any] = {"pool_size": 5, "max_overflow": POOL_CONNECTIONS - 5, "pool_pre_ping": True}
    return sa.create_engine(url, **pool, hide_parameters=True, **options)
