"""What the loader needs of a warehouse, of the object store and of the clock. DuckDB and Redshift implement the first.

Belongs here: protocols and what holds for every implementation (`clickstream_platform_tests.contracts.warehouse` is
the same in code). Does not: implementations (`warehouses`).
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Any, Protocol

from clickstream_platform.load.queries import Query
from clickstream_platform.load.statements import SchemaChange, Statement
from clickstream_platform.model.schemas import Column
from clickstream_platform.model.staging import StagedPart

Columns = dict[str, dict[str, Column]]


class Session(Protocol):
    """One connection, bound to one customer schema. Without `begin` every statement commits by itself.

    Every method raises WarehouseUnavailableError when waiting may help (no connection, a lock, a conflict with another
    writer) and LoadError when the warehouse refuses; after either, an open transaction can only be rolled back.
    """

    @property
    def statements(self) -> int:
        """The number of SQL statements sent so far, queries included."""
        ...

    @property
    def copies(self) -> int:
        """The number of packs made readable so far: COPY commands, where the warehouse has them."""
        ...

    def begin(self) -> None:
        """Start a transaction as the schema's only writer: another writer of the schema waits or fails until its end.

        What is read after `begin` is what the last writer committed.
        """
        ...

    def commit(self) -> None:
        """Make everything since `begin` durable and visible, at once."""
        ...

    def rollback(self) -> None:
        """Undo everything since `begin`; without a transaction do nothing."""
        ...

    def execute(self, statement: Statement) -> int:
        """Carry out a statement; return the number of rows it inserted, deleted or updated (0 for all others)."""
        ...

    def fetch(self, query: Query) -> list[tuple[Any, ...]]:
        """Answer a query. Times come naive or aware, always UTC."""
        ...

    def columns(self, tables: Collection[str]) -> Columns:
        """Return the columns of those tables that exist, by table and name, in order; one question to the catalog."""
        ...


class Warehouse(Protocol):
    """A database that holds one schema per customer."""

    def session(self, schema: str, *, read_only: bool = False) -> AbstractContextManager[Session]:
        """Open a connection for one customer schema, which need not exist; at the end undo what isn't committed."""
        ...

    def is_transactional(self, change: SchemaChange) -> bool:
        """Whether the change can be part of a transaction; if not, the loader makes it before, on its own."""
        ...

    @property
    def max_columns(self) -> int:
        """The most columns that a table may have, those that a change needs for a while not among them."""
        ...

    @property
    def max_json_bytes(self) -> int | None:
        """The longest text that a JSON column takes as one value; None without a limit."""
        ...


class PartLocator(Protocol):
    """Tells where the warehouse can read a staged part: an `s3://` URL, or a local path (downloaded if need be)."""

    def __call__(self, part: StagedPart) -> str:
        """Return the location; it must stay readable until the load has returned."""
        ...
