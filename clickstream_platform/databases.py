"""Opening a SQL database that several processes write at once: PostgreSQL for a fleet, SQLite on one machine.

Belongs here: what makes both safe to share, and bounds every wait. Does not: tables (`batcher.lease_table`,
`observe.alerts.tables`), the registry's database, which has its own pool and readers (`registry.store`).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

BUSY_TIMEOUT_SECONDS = 30.0
CONNECT_SECONDS = 10
# A machine that stops between an update and its commit leaves a locked row, for which all others would wait until
# PostgreSQL finds out that it is gone (by default after two hours): nobody waits so long, and the server ends it.
_LIMITS = "SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '15s'; "
_LIMITS += "SET LOCAL idle_in_transaction_session_timeout = '15s'"


def open_database(url: str, *, outlives_power_cut: bool, makes_folder: bool = False) -> sa.Engine:
    """Return the connections to a SQLAlchemy URL; with `makes_folder` there is a folder for the file of SQLite.

    With `outlives_power_cut` a commit waits until the disk has it; without, a power cut may take the newest commits of
    SQLite away, and nothing else. Raises ArgumentError, ModuleNotFoundError or ValueError for what is no such URL, and
    nothing for a database that is away: its first use does.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if makes_folder and parsed.database and parsed.database != ":memory:":
            with suppress(OSError):  # SQLite itself says that it can't open the file
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        return _open_sqlite(parsed, "FULL" if outlives_power_cut else "NORMAL")
    # `hide_parameters`, here and below: what is written never gets into an error or a log.
    if parsed.get_backend_name() != "postgresql":
        return sa.create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
    # Many rows go in few round trips, of which there would be one for each.
    options: dict[str, Any] = {"connect_args": _network_limits(parsed)}
    options |= {"executemany_mode": "values_plus_batch"} if parsed.get_driver_name() == "psycopg2" else {}
    engine = sa.create_engine(parsed, pool_pre_ping=True, hide_parameters=True, **options)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(_LIMITS))
    return engine


def _open_sqlite(url: sa.URL, synchronous: str) -> sa.Engine:
    options = {"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
    engine = sa.create_engine(url, connect_args=options, hide_parameters=True)

    def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's connection has no type
        connection.isolation_level = None  # the driver's own BEGIN comes late; `_begin_sqlite` begins instead
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.close()

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: sa.Connection) -> None:
    # Locking at once lets the busy timeout work: a reader that turns into a writer fails without waiting.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _network_limits(url: sa.URL) -> dict[str, int]:
    """Return libpq's options that notice a server that is gone without a word; the URL's own ones count more."""
    if url.get_driver_name() not in {"psycopg2", "psycopg"}:
        return {}
    seconds = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    limits = {"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": 20_000, **seconds}
    return {name: value for name, value in limits.items() if name not in url.query}
