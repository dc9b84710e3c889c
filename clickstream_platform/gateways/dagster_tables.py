"""Reads heartbeats and ticks from Dagster's tables without Dagster, whose import costs twenty times the question.

Belongs here: where dagster.yaml says that the tables are, and three queries. Does not: judging (`health.judging`);
anything that is not asked every half minute, which goes through Dagster's instance (`defs.instance_metrics`). A test
holds both readings against each other, so a Dagster that writes other tables is found there.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import yaml

from clickstream_platform.errors import ConfigurationError, RetryableError

WAIT_SECONDS = 5
_HEARTBEATS = "SELECT daemon_type, daemon_id, body FROM daemon_heartbeats"
_SENSORS = "SELECT selector_id, status, instigator_body FROM instigators WHERE instigator_type = 'SENSOR'"
_TICK = "SELECT tick_body FROM job_ticks WHERE selector_id = {} ORDER BY timestamp DESC LIMIT 1"
_RUNNING = frozenset({"RUNNING", "DECLARED_IN_CODE"})
_DEFAULT_INTERVAL_SECONDS = 30.0
# What the dagster chart writes in place of `storage`.
_PARTS = ("run_storage", "event_log_storage", "schedule_storage")
_REMEDY = "Ask with `dagster-daemon liveness-check` where Dagster's storage is neither SQLite nor PostgreSQL."
_ANOTHER = "It is of a Dagster that this version was not tested with; ask with `dagster-daemon liveness-check`."

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Beat:
    """The newest heartbeat of one of the daemon's threads."""

    daemon: str
    """Such as `SENSOR`."""
    process: str
    """The same for all threads of a process."""
    at: datetime
    errors: int = 0


@dataclass(frozen=True, slots=True)
class LastTick:
    """The newest tick of a sensor that is switched on."""

    sensor: str
    interval_seconds: float
    at: datetime | None
    """None: it never ticked."""
    is_failed: bool = False


@dataclass(frozen=True, slots=True)
class DaemonRecords:
    """What the daemon wrote last."""

    beats: tuple[Beat, ...]
    ticks: tuple[LastTick, ...]


class DagsterStorageError(RetryableError):
    """Dagster's database does not answer, or does not have its tables yet."""


class _Cursor(Protocol):
    def execute(self, statement: str, parameters: Sequence[str] = ..., /) -> Any: ...  # noqa: ANN401
    def fetchall(self) -> Sequence[Sequence[Any]]: ...


@dataclass(frozen=True, slots=True)
class _Database:
    """A connection to one database, and how it writes a parameter."""

    cursor: _Cursor
    parameter: str

    def rows(self, statement: str, *parameters: str) -> Sequence[Sequence[Any]]:
        self.cursor.execute(statement.format(self.parameter), parameters)
        return self.cursor.fetchall()


def read_daemon(home: Path, environment: Environment) -> DaemonRecords:
    """Return what the daemon of this DAGSTER_HOME wrote last.

    Raises ConfigurationError when there is no instance or its storage is another kind, DagsterStorageError when the
    database does not answer.
    """
    config = _read_config(home)
    storage = _find_storage(config, home)
    if "postgres" in storage:
        with _postgres(postgres_url(storage["postgres"], environment)) as database:
            return _read(database, database)
    if storage and "sqlite" not in storage:
        raise _unknown_storage(home)
    folder = Path(_text((storage.get("sqlite") or {}).get("base_dir"), environment) or home)
    with _sqlite(folder / "history" / "runs.db") as runs, _sqlite(folder / "schedules" / "schedules.db") as schedules:
        return _read(runs, schedules)


def _read(runs: _Database, schedules: _Database) -> DaemonRecords:
    try:
        return _records(runs, schedules)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        cause = f"its rows have another form ({type(error).__name__})"
        raise DagsterStorageError("asking Dagster's database", cause=cause, remedy=_ANOTHER) from error


def _records(runs: _Database, schedules: _Database) -> DaemonRecords:
    beats = tuple(sorted(_beats(runs.rows(_HEARTBEATS)), key=lambda beat: beat.daemon))
    newest: dict[str, LastTick] = {}
    for tick in _ticks(schedules):
        known = newest.get(tick.sensor)  # of a sensor that came from two places over time, the one that ticks
        if known is None or known.at is None or (tick.at is not None and tick.at > known.at):
            newest[tick.sensor] = tick
    return DaemonRecords(beats, tuple(newest[name] for name in sorted(newest)))


def _beats(rows: Iterable[Sequence[Any]]) -> Iterator[Beat]:
    for daemon, process, text in rows:
        body = json.loads(text)
        yield Beat(daemon, process or "", _moment(body["timestamp"]), len(body.get("errors") or ()))


def _ticks(schedules: _Database) -> Iterator[LastTick]:
    for selector, status, text in schedules.rows(_SENSORS):
        if status not in _RUNNING:
            continue
        state = json.loads(text)
        origin, data = state["origin"], state.get("job_specific_data") or {}
        name = str(origin.get("job_name") or origin.get("instigator_name"))
        interval = float(data.get("min_interval") or _DEFAULT_INTERVAL_SECONDS)
        bodies = [json.loads(row[0]) for row in schedules.rows(_TICK, selector)]
        at = _moment(bodies[0]["timestamp"]) if bodies else None
        yield LastTick(name, interval, at, bool(bodies) and "FAILURE" in json.dumps(bodies[0].get("status")))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _read_config(home: Path) -> dict[str, Any]:
    try:
        return dict(yaml.safe_load((home / "dagster.yaml").read_text(encoding="utf-8")) or {})
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        cause = "there is no dagster.yaml" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}"
        remedy = "Set DAGSTER_HOME to that of the daemon."
        raise ConfigurationError("reading Dagster's settings", where=str(home), cause=cause, remedy=remedy) from error


def _find_storage(config: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """Return what `storage` says, or three sections in its place that name one PostgreSQL."""
    storage = config.get("storage") or {}
    apart = [config[name] or {} for name in _PARTS if name in config]
    if not apart and isinstance(storage, dict):
        return storage
    is_postgres = len(apart) == len(_PARTS) and all(
        str(part.get("module", "")).startswith("dagster_postgres") and part.get("config") == apart[0].get("config")
        for part in apart
    )
    if storage or not is_postgres:
        raise _unknown_storage(home)
    return {"postgres": apart[0]["config"]}


def _unknown_storage(home: Path) -> ConfigurationError:
    cause = "it is neither SQLite nor PostgreSQL under `storage`"
    return ConfigurationError("finding Dagster's storage", where=str(home), cause=cause, remedy=_REMEDY)


def postgres_url(config: Mapping[str, Any], environment: Environment) -> str:
    """Return the URL as dagster-postgres composes it; values may name a variable: `{env: NAME}`."""
    if config.get("postgres_url"):
        scheme, _, rest = _text(config["postgres_url"], environment).partition("://")
        return f"{scheme.partition('+')[0]}://{rest}"
    parts: Mapping[str, Any] = config.get("postgres_db") or {}
    given = {name: _text(value, environment) for name, value in parts.items() if name != "params"}
    user = quote(given.get("username", ""), safe="")
    user += f":{quote(given['password'], safe='')}" if given.get("password") else ""
    tail = f"?{urlencode(parts['params'], quote_via=quote)}" if parts.get("params") else ""
    return (
        f"postgresql://{user}@{given.get('hostname', '')}:{given.get('port') or 5432}/{given.get('db_name', '')}{tail}"
    )


def _text(value: object, environment: Environment) -> str:
    if isinstance(value, Mapping):
        return environment.get(str(value.get("env")), "")
    return "" if value is None else str(value)


@contextmanager
def _sqlite(path: Path) -> Iterator[_Database]:
    with _telling(str(path), sqlite3.Error):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_SECONDS)
        try:
            yield _Database(connection.cursor(), "?")
        finally:
            connection.close()


@contextmanager
def _postgres(url: str) -> Iterator[_Database]:
    import psycopg2  # type: ignore[import-untyped]

    with _telling("PostgreSQL", psycopg2.Error):
        options = f"-c statement_timeout={WAIT_SECONDS * 1000} -c default_transaction_read_only=on"
        connection = psycopg2.connect(url, connect_timeout=WAIT_SECONDS, options=options)
        try:
            yield _Database(connection.cursor(), "%s")
        finally:
            connection.close()


@contextmanager
def _telling(where: str, kind: type[Exception]) -> Iterator[None]:
    """Turn the driver's error into ours, without its text: that of a connection may name the user."""
    try:
        yield
    except kind as error:
        remedy = "See whether the database answers, and whether the daemon ever ran with this DAGSTER_HOME."
        raise DagsterStorageError(
            "asking Dagster's database", where=where, cause=type(error).__name__, remedy=remedy
        ) from error
