"""What all sessions of one stand-in share: PostgreSQL, names, access, faults, log, ids.

Belongs here: shared state and what is written to the error and history views. Does not: a session's own (`session`).
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

from clickstream_platform_tests.redshift_stand_in.access import Access
from clickstream_platform_tests.redshift_stand_in.backend import Backend
from clickstream_platform_tests.redshift_stand_in.copy_load import LoadError
from clickstream_platform_tests.redshift_stand_in.faults import Faults, StatementLog
from clickstream_platform_tests.redshift_stand_in.lexer import literal
from clickstream_platform_tests.redshift_stand_in.names import LongNames
from clickstream_platform_tests.redshift_stand_in.plans import CopyCommand
from clickstream_platform_tests.redshift_stand_in.postgres import Postgres
from clickstream_platform_tests.redshift_stand_in.translate import Translator

_HISTORY_LENGTH = 5000


@dataclass
class Finished:
    """One executed statement for the history view."""

    query_id: int
    session_id: int
    user: str
    database: str
    kind: str
    error: str
    started: float
    seconds: float
    sql: str


@dataclass
class ServerState:
    """Shared by the threads of all sessions."""

    postgres: Postgres
    names: LongNames
    access: Access
    super_oid: int
    users: dict[str, str]
    faults: Faults = field(default_factory=Faults)
    log: StatementLog = field(default_factory=StatementLog)

    def __post_init__(self) -> None:
        self.translator = Translator(self.names)
        self.session_ids = itertools.count(1)
        # Ids of a stand-in that keeps its data must not come twice.
        self.query_ids = itertools.count(int(time.time()) % 1_000_000_000)
        self._history: deque[Finished] = deque(maxlen=_HISTORY_LENGTH)
        self._lock = threading.Lock()

    def finished(self, statement: Finished) -> None:
        """Note an executed statement."""
        with self._lock:
            self._history.append(statement)

    def flush_history(self, database: str) -> None:
        """Write what was noted of a database into its view; called only when someone is about to read it."""
        with self._lock:
            mine = [statement for statement in self._history if statement.database == database]
            others = [statement for statement in self._history if statement.database != database]
            self._history = deque(others, maxlen=_HISTORY_LENGTH)
        if mine:
            rows = ", ".join(_history_row(statement) for statement in mine)
            self._write(database, f"INSERT INTO stand_in.query_history VALUES {rows}")

    def note_load_error(
        self, session: Backend, database: str, query_id: int, command: CopyCommand, error: LoadError
    ) -> None:
        """Write a row for the error views, outside the session's transaction, which is about to be rolled back."""
        values = [
            "100",
            str(query_id),
            str(session.pid),
            literal(database),
            f"to_regclass({literal(command.target)})::oid",
            "now() AT TIME ZONE 'UTC'",
            *map(literal, (error.file_name,)),
            str(error.line),
            *map(literal, (error.column, error.type, error.length)),
            "0",
            str(error.code),
            *(literal(text[:1024].replace("\0", "")) for text in (error.reason, error.value, error.value)),
        ]
        self._write(database, f"INSERT INTO stand_in.load_errors VALUES ({', '.join(values)})")

    def _write(self, database: str, sql: str) -> None:
        backend = self.postgres.connect(database)
        try:
            backend.run(sql)
        finally:
            backend.close()


def _history_row(statement: Finished) -> str:
    started = datetime.fromtimestamp(statement.started, UTC).replace(tzinfo=None)
    ended = datetime.fromtimestamp(statement.started + statement.seconds, UTC).replace(tzinfo=None)
    texts = (statement.user, statement.database, statement.kind, "failed" if statement.error else "success")
    values = [str(statement.query_id), str(statement.session_id), *map(literal, texts)]
    values += [f"'{started}'", f"'{ended}'", str(int(statement.seconds * 1e6))]
    values += [literal(text[:4000].replace("\0", "")) for text in (statement.error, statement.sql)]
    return f"({', '.join(values)})"
