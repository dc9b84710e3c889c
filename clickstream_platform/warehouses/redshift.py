"""Amazon Redshift as a warehouse: one schema per customer, in a provisioned cluster or a Serverless workgroup.

Belongs here: sessions, transactions, the writer's lock. Does not: logging in (`redshift_connection`), SQL
(`redshift_dialect`, `redshift_copy`), what errors mean (`redshift_errors`, `redshift_load_errors`).

One writer per schema. `begin` locks a table of the schema that nobody reads, before anything else is read. Redshift
takes a transaction's snapshot with its first SELECT, DML or DDL, and LOCK is none of these: the snapshot is taken when
the lock is held, so it has all that the writer before has committed, under SERIALIZABLE and under SNAPSHOT isolation.
As every writer holds the lock until its end, writers can't form the cycles that Redshift ends with error 1023.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from redshift_connector.core import Connection
from redshift_connector.cursor import Cursor

from clickstream_platform.errors import WarehouseUnavailableError
from clickstream_platform.load.port import Columns, Session
from clickstream_platform.load.queries import Query
from clickstream_platform.load.statements import (
    CreateSchema,
    InsertLoads,
    SchemaChange,
    StagePack,
    Statement,
    WidenVarchar,
)
from clickstream_platform.model.schemas import MAX_COLUMNS, MAX_VARCHAR_BYTES
from clickstream_platform.warehouses.redshift_copy import Manifests, copy_statement
from clickstream_platform.warehouses.redshift_dialect import LOCK_TABLE, RedshiftDialect
from clickstream_platform.warehouses.redshift_errors import (
    ALREADY_THERE,
    DRIVER_ERRORS,
    MISSING_SCHEMA,
    MISSING_TABLE,
    explain,
    fault_of,
)
from clickstream_platform.warehouses.redshift_load_errors import find_load_fault, load_error
from clickstream_platform.warehouses.sql_names import Sql

StatementLog = Callable[[str, Sequence[Any]], None]
Connect = Callable[[], Connection]

_BEGIN, _BEGIN_READING, _COMMIT, _ROLLBACK = Sql("BEGIN"), Sql("BEGIN READ ONLY"), Sql("COMMIT"), Sql("ROLLBACK")
_logger = logging.getLogger(__name__)


class RedshiftWarehouse:
    """A database of Redshift behind the loader's port."""

    def __init__(
        self, connect: Connect, manifests: Manifests, *, iam_role: str, place: str, log: StatementLog | None = None
    ) -> None:
        """Open a connection for each session with `connect`; COPY reads what `manifests` lists as `iam_role`.

        `place` is what messages call the warehouse; `log` sees every SQL statement and its parameters before it's sent.
        """
        self._connect = connect
        self._manifests = manifests
        self._iam_role = iam_role
        self._place = place
        self._log = log

    @staticmethod
    def is_transactional(change: SchemaChange) -> bool:
        """See `load.port.Warehouse`: all but lengthening a VARCHAR."""
        return RedshiftDialect.is_transactional(change)

    @property
    def max_columns(self) -> int:
        """See `load.port.Warehouse`: one of Redshift's is free for widening another by add, copy and swap."""
        return MAX_COLUMNS - 1

    @property
    def max_json_bytes(self) -> int:
        """See `load.port.Warehouse`: what JSON_PARSE reads, and what the staging column of a JSON text holds."""
        return MAX_VARCHAR_BYTES

    @contextmanager
    def session(self, schema: str, *, read_only: bool = False) -> Iterator[Session]:
        """See `load.port.Warehouse`; what a reader asks is answered from one snapshot, whatever is loaded meanwhile."""
        session = RedshiftSession(
            self._connect(),
            schema,
            self._manifests,
            iam_role=self._iam_role,
            where=f"schema {schema!r} of {self._place}",
            log=self._log,
        )
        try:
            if read_only:
                session.begin_reading()
            yield session
        finally:
            session.close()


class RedshiftSession:
    """A connection for one customer schema; see `load.port.Session`."""

    def __init__(
        self,
        connection: Connection,
        schema: str,
        manifests: Manifests,
        *,
        iam_role: str,
        where: str,
        log: StatementLog | None,
    ) -> None:
        """Take over an open connection in which every statement commits by itself."""
        self._connection = connection
        self._dialect = RedshiftDialect(schema)
        self._manifests = manifests
        self._iam_role = iam_role
        self._where = where
        self._log = log
        self._is_open = False
        self.statements = 0
        self.copies = 0

    # Transactions

    def begin(self) -> None:
        """See `load.port.Session`; a schema's first writer makes the schema and the table that writers lock."""
        missing = self._lock()
        if missing:
            self.rollback()
            self._make_lock(schema_too=missing == MISSING_SCHEMA)
            missing = self._lock()
        if missing:
            raise WarehouseUnavailableError(
                "locking the schema",
                where=self._where,
                cause=f"{LOCK_TABLE} was removed after it was made",
                remedy="Somebody else drops tables of this schema; it is tried again.",
            )

    def begin_reading(self) -> None:
        """Start a transaction that takes no lock; it ends with the session."""
        self._run(_BEGIN_READING)
        self._is_open = True

    def commit(self) -> None:
        """See `load.port.Session`."""
        self._run(_COMMIT)
        self._is_open = False

    def rollback(self) -> None:
        """See `load.port.Session`; a connection that can't roll back is closed, which undoes everything as well."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._send(_ROLLBACK)
        except DRIVER_ERRORS as error:
            _logger.info("closing a connection that could not roll back: %s", fault_of(error).text)
            self._disconnect()

    def close(self) -> None:
        """Undo what isn't committed and let go of the connection."""
        self.rollback()
        self._disconnect()

    def _lock(self) -> str:
        """Start a transaction and wait to be the only writer; return the code of what it lacks, if anything."""
        self._is_open = True
        self._run(_BEGIN)
        lock = self._dialect.take_lock()
        try:
            self._send(lock)
        except DRIVER_ERRORS as error:
            code = fault_of(error).code
            if code in (MISSING_TABLE, MISSING_SCHEMA):
                return code
            raise explain(error, lock.text, self._where) from error
        return ""

    def _make_lock(self, *, schema_too: bool) -> None:
        """Create what `begin` needs; two first writers may do so at once, and then one of them finds it there."""
        created = [*self._dialect.create_schema(CreateSchema())] if schema_too else []
        for sql in (*created, self._dialect.create_lock()):
            try:
                self._send(sql)
            except DRIVER_ERRORS as error:
                if fault_of(error).code not in ALREADY_THERE:
                    raise explain(error, sql.text, self._where) from error

    # Statements

    def execute(self, statement: Statement) -> int:
        """See `load.port.Session`."""
        if isinstance(statement, StagePack):
            return self._stage(statement)
        if isinstance(statement, WidenVarchar) and not self._is_open:
            return self._widen(statement)
        if isinstance(statement, CreateSchema) and self._is_open:
            return 0  # `begin` found or made it; a user without the right to create one may still load
        counts = [max(self._run(sql).rowcount, 0) for sql in self._dialect.render(statement)]
        return sum(counts) if isinstance(statement, InsertLoads) else counts[-1]

    def fetch(self, query: Query) -> list[tuple[Any, ...]]:
        """See `load.port.Session`; several statements of one question each answer a part of it."""
        return [row for sql in self._dialect.render(query) for row in self._ask(sql)]

    def columns(self, tables: Collection[str]) -> Columns:
        """See `load.port.Session`."""
        if not tables:
            return {}
        return self._dialect.columns_of(self._ask(self._dialect.read_columns(tables)))

    def _stage(self, statement: StagePack) -> int:
        """Fill a temporary table by one COPY of all parts."""
        for sql in self._dialect.stage_pack(statement):
            self._run(sql)
        if not statement.parts:
            return 0
        relation = self._dialect.session_table(statement.name)
        sql = copy_statement(relation, self._manifests.write(statement), self._iam_role)
        try:
            self._send(sql)
        except DRIVER_ERRORS as error:
            explained = explain(error, sql.text, self._where)
            if isinstance(explained, WarehouseUnavailableError) or not fault_of(error).code:
                raise explained from error
            self.rollback()  # the error tables can be read only outside the failed transaction
            fault = fault_of(error)
            raise load_error(statement, fault, find_load_fault(fault, self._ask_quietly)) from error
        self.copies += 1
        return 0

    def _widen(self, statement: WidenVarchar) -> int:
        """Lengthen a VARCHAR outside a transaction; a column that somebody else has lengthened meanwhile is done."""
        known = self.columns([statement.table]).get(statement.table, {}).get(statement.column.name)
        if known is not None and known.length >= statement.column.length:
            return 0  # TYPE would make it shorter again
        (sql,) = self._dialect.widen_varchar(statement)
        try:
            self._send(sql)
        except DRIVER_ERRORS as error:
            text = fault_of(error).text.lower()
            if "should be different" in text:
                return 0
            if "encod" not in text:
                raise explain(error, sql.text, self._where) from error
            self._run(self._dialect.encode_plainly(statement))
            self._run(sql)
        return 0

    def _ask(self, sql: Sql) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._run(sql).fetchall()]

    def _ask_quietly(self, sql: Sql) -> list[tuple[Any, ...]]:
        """Answer with nothing rather than hide the error that is being explained behind another one."""
        with suppress(*DRIVER_ERRORS):
            return [tuple(row) for row in self._send(sql).fetchall()]
        return []

    def _run(self, sql: Sql) -> Cursor:
        try:
            return self._send(sql)
        except DRIVER_ERRORS as error:
            raise explain(error, sql.text, self._where) from error

    def _send(self, sql: Sql) -> Cursor:
        if self._log is not None:
            self._log(sql.text, sql.params)
        self.statements += 1
        cursor = self._connection.cursor()
        cursor.paramstyle = "qmark"
        cursor.execute(sql.text, [_bound(value) for value in sql.params] if sql.params else None)
        return cursor

    def _disconnect(self) -> None:
        with suppress(*DRIVER_ERRORS):
            self._connection.close()


def _bound(value: Any) -> Any:  # noqa: ANN401 (whatever a parameter may be)
    """Return a parameter as Redshift's TIMESTAMP takes it: naive, and UTC as all of ours."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value
