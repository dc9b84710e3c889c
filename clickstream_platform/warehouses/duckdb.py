"""DuckDB as a warehouse: one file, one schema per customer.

Belongs here: connections, transactions, what DuckDB's errors mean. Does not: SQL (`duckdb_dialect`).

A file has one writing process at a time, and runs are processes: sessions are opened late, closed early, and wait for
the file with growing pauses. Within a process, the writers of a file take turns.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from clickstream_platform.load.port import Columns, Session
from clickstream_platform.load.queries import Query
from clickstream_platform.load.statements import SchemaChange, StagePack, Statement
from clickstream_platform.model.schemas import MAX_COLUMNS
from clickstream_platform.warehouses.duckdb_dialect import DuckDBDialect
from clickstream_platform.warehouses.duckdb_errors import explain, is_held, unavailable
from clickstream_platform.warehouses.sql_names import Sql

# The default of 256 KB makes a thousand small tables twice as large and a quarter slower to load than this; 64 KB makes
# large loads slower.
BLOCK_BYTES = 131_072
# From this size on, a pack is worth the threads of the whole machine; below, starting them costs more than they save.
_BIG_PACK_BYTES = 32_000_000
_LONGEST_PAUSE_SECONDS = 1.0
# The optimizers that the loader's statements gain from. Each of the others (DuckDB has fifty) looks at every column of
# every insert; together they cost a small table's insert a seventh of its time.
_OPTIMIZERS = frozenset(
    {
        "build_side_probe_side",
        "column_lifetime",
        "deliminator",
        "expression_rewriter",
        "filter_pushdown",
        "in_clause",
        "join_filter_pushdown",
        "join_order",
        "row_group_pruner",
        "statistics_propagation",
        "unused_columns",
    }
)

StatementLog = Callable[[str, Sequence[Any]], None]


class DuckDBWarehouse:
    """A DuckDB file behind the loader's port."""

    def __init__(
        self,
        path: Path,
        *,
        memory_mb: int = 1024,
        temp_folder: Path | None = None,
        threads: int | None = None,
        wait_seconds: float = 120.0,
        log: StatementLog | None = None,
    ) -> None:
        """Use the file at `path`, made at the first write; `threads` (default: all) only work on big packs.

        `wait_seconds` is how long a session waits for another process to close the file; `log` sees every SQL statement
        and its parameters before it is sent.
        """
        self._path = path
        self._settings = {
            "threads": "1",
            "memory_limit": f"{memory_mb}MB",
            "preserve_insertion_order": "false",
            # Zstandard is only for values of kilobytes, yet trying it costs a tenth of a small table's load.
            "disabled_compression_methods": "zstd",
            "temp_directory": str(temp_folder or path.with_name(f"{path.name}.tmp")),
        }
        self._threads = threads or os.cpu_count() or 1
        self._wait_seconds = wait_seconds
        self._log = log

    @staticmethod
    def is_transactional(change: SchemaChange) -> bool:
        """See `load.port.Warehouse`: always."""
        return DuckDBDialect.is_transactional(change)

    @property
    def max_columns(self) -> int:
        """See `load.port.Warehouse`: the platform's own limit."""
        return MAX_COLUMNS

    @property
    def max_json_bytes(self) -> None:
        """See `load.port.Warehouse`: there is no limit."""
        return

    @contextmanager
    def session(self, schema: str, *, read_only: bool = False) -> Iterator[Session]:
        """See `load.port.Warehouse`."""
        connection = self._connect(read_only=read_only)
        session = DuckDBSession(connection, schema, self._path, self._threads, self._wait_seconds, self._log)
        try:
            yield session
        finally:
            session.close()

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self._wait_seconds
        pause = 0.02
        while True:
            try:
                return self._open(read_only=read_only)
            except duckdb.Error as error:
                if not is_held(error):
                    raise explain(error, "opening the file", str(self._path)) from error
                if time.monotonic() >= deadline:
                    raise unavailable(self._path, str(error), self._wait_seconds) from error
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 (not a secret)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _open(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        if read_only and not self._path.exists():
            connection = duckdb.connect()
        else:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            config: dict[str, Any] = {"default_block_size": str(BLOCK_BYTES)}
            try:
                connection = duckdb.connect(str(self._path), read_only=read_only, config=config)
            except duckdb.ConnectionException:
                # This very process writes to the file: share its database.
                connection = duckdb.connect(str(self._path), config=config)
        for name, value in self._settings.items():
            connection.execute(f"SET {name} = '{value.replace(chr(39), chr(39) * 2)}'")
        known = [name for (name,) in connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()]
        unused = [name for name in known if name not in _OPTIMIZERS]
        connection.execute(f"SET disabled_optimizers = '{','.join(unused)}'")
        return connection


class DuckDBSession:
    """A connection for one customer schema; see `load.port.Session`."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        schema: str,
        path: Path,
        threads: int,
        wait_seconds: float,
        log: StatementLog | None,
    ) -> None:
        """Take over an open connection."""
        self._connection = connection
        self._dialect = DuckDBDialect(schema, str(connection.execute("SELECT current_database()").fetchall()[0][0]))
        self._where = f"schema {schema!r} in {path}"
        self._path = path
        self._threads = threads
        self._wait_seconds = wait_seconds
        self._log = log
        self._writer = _writer_lock(path.absolute())
        self._is_writing = False
        self.statements = 0
        self.copies = 0

    def begin(self) -> None:
        """See `load.port.Session`."""
        if not self._writer.acquire(timeout=self._wait_seconds):
            raise unavailable(self._path, "another thread of this process is writing", self._wait_seconds)
        self._is_writing = True
        self._run(Sql("BEGIN"))

    def commit(self) -> None:
        """See `load.port.Session`."""
        self._run(Sql("COMMIT"))
        self._stop_writing()

    def rollback(self) -> None:
        """See `load.port.Session`."""
        if self._is_writing:
            # DuckDB ends the transaction itself when COMMIT fails.
            with suppress(duckdb.TransactionException):
                self._connection.rollback()
            self._stop_writing()

    def close(self) -> None:
        """Undo what isn't committed and let go of the file."""
        self.rollback()
        self._connection.close()

    def execute(self, statement: Statement) -> int:
        """See `load.port.Session`."""
        if isinstance(statement, StagePack) and sum(part.size for part in statement.parts) >= _BIG_PACK_BYTES:
            self._connection.execute(f"SET threads = {self._threads:d}")
        count = 0
        for sql in self._dialect.render(statement):
            count = self._run(sql).rowcount
        self.copies += isinstance(statement, StagePack)
        return max(count, 0)

    def fetch(self, query: Query) -> list[tuple[Any, ...]]:
        """See `load.port.Session`."""
        *before, last = self._dialect.render(query)
        for sql in before:
            self._run(sql)
        return self._run(last).fetchall()

    def columns(self, tables: Collection[str]) -> Columns:
        """See `load.port.Session`."""
        if not tables:
            return {}
        return self._dialect.columns_of(self._run(self._dialect.read_columns(tables)).fetchall())

    def _run(self, sql: Sql) -> duckdb.DuckDBPyConnection:
        if self._log is not None:
            self._log(sql.text, sql.params)
        self.statements += 1
        try:
            return self._connection.execute(sql.text, [_bound(value) for value in sql.params])
        except duckdb.Error as error:
            raise explain(error, sql.text, self._where) from error

    def _stop_writing(self) -> None:
        self._is_writing = False
        self._writer.release()


def _bound(value: Any) -> Any:  # noqa: ANN401 (whatever a parameter may be)
    """Return a parameter as DuckDB takes it: its TIMESTAMP is naive, ours are UTC."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return [_bound(item) for item in value] if isinstance(value, list) else value


@cache
def _writer_lock(_: Path) -> threading.Lock:
    """Return the lock that the writers of one file share within this process."""
    return threading.Lock()
