"""A connection to Redshift for questions and commands that are not the loader's: the doctor's and maintenance's.

Belongs here: sending SQL and explaining its errors. Does not: which SQL (`redshift_facts`, `redshift_maintenance`).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from redshift_connector.core import Connection
from redshift_connector.cursor import Cursor

from clickstream_platform.warehouses.redshift_errors import DRIVER_ERRORS, explain
from clickstream_platform.warehouses.sql_names import Sql


class Console(Protocol):
    """Sends statements, each of which commits by itself."""

    def ask(self, sql: Sql) -> list[tuple[Any, ...]]:
        """Return the rows of a query; raise WarehouseUnavailableError, ConfigurationError or LoadError."""
        ...

    def run(self, sql: Sql) -> None:
        """Run a statement without rows; raises as `ask`."""
        ...


class RedshiftConsole:
    """A console on an open connection."""

    def __init__(self, connection: Connection, place: str) -> None:
        """Take over a connection in which every statement commits by itself; `place` is what messages call it."""
        self._connection, self._place = connection, place

    def ask(self, sql: Sql) -> list[tuple[Any, ...]]:
        """See `Console`."""
        try:
            return [tuple(row) for row in self._send(sql).fetchall()]
        except DRIVER_ERRORS as error:
            raise explain(error, sql.text, self._place) from error

    def run(self, sql: Sql) -> None:
        """See `Console`."""
        try:
            self._send(sql)
        except DRIVER_ERRORS as error:
            raise explain(error, sql.text, self._place) from error

    def query(self, text: str, limit: int) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Run what a person wrote, in a transaction that can't change anything; return column names and some rows."""
        try:
            self._send(Sql("BEGIN READ ONLY"))
            try:
                cursor = self._send(Sql(text))
                names = tuple(_text(column[0]) for column in cursor.description or ())
                return names, [tuple(row) for row in cursor.fetchmany(limit)]
            finally:
                self._send(Sql("ROLLBACK"))
        except DRIVER_ERRORS as error:
            raise explain(error, text, self._place) from error

    @property
    def tls(self) -> str:
        """Version of TLS and cipher of the connection; empty when it is not encrypted."""
        socket = self._connection._usock
        if not isinstance(socket, ssl.SSLSocket):
            return ""
        return f"{socket.version()} {(socket.cipher() or ('',))[0]}"

    def _send(self, sql: Sql) -> Cursor:
        cursor = self._connection.cursor()
        cursor.paramstyle = "qmark"
        cursor.execute(sql.text, list(sql.params) if sql.params else None)
        return cursor


def _text(name: str | bytes) -> str:
    """Return a column's name, which the driver leaves in bytes."""
    return name.decode(errors="replace") if isinstance(name, bytes) else name


@contextmanager
def open_console(connect: Callable[[], Connection], place: str) -> Iterator[RedshiftConsole]:
    """Open a console and close it after use; raises what connecting raises."""
    connection = connect()
    try:
        yield RedshiftConsole(connection, place)
    finally:
        with suppress(*DRIVER_ERRORS):
            connection.close()
