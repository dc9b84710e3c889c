"""A warehouse that fails on demand: wraps a real one, records what passes and raises what a test wants.

What belongs here: disturbing. Does not: expectations.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from clickstream_platform.load.port import Columns, Session, Warehouse
from clickstream_platform.load.queries import Query
from clickstream_platform.load.statements import SchemaChange, Statement

# What a session is asked to do: a statement, a query, or the name of a method without one.
Step = Statement | Query | str


@dataclass
class FaultyWarehouse:
    """Passes everything on unless `fault` returns an error for a step, which is then raised instead.

    Schema changes of the kinds in `outside` are said to be impossible within a transaction.
    """

    inner: Warehouse
    fault: Callable[[Step], Exception | None] = lambda _: None
    outside: tuple[type, ...] = ()
    steps: list[Step] = field(default_factory=list)

    @property
    def max_columns(self) -> int:
        return self.inner.max_columns

    @property
    def max_json_bytes(self) -> int | None:
        return self.inner.max_json_bytes

    def is_transactional(self, change: SchemaChange) -> bool:
        """See `Warehouse`."""
        return not isinstance(change, self.outside)

    @contextmanager
    def session(self, schema: str, *, read_only: bool = False) -> Iterator[Session]:
        """See `Warehouse`."""
        self.take("open")
        with self.inner.session(schema, read_only=read_only) as session:
            yield _FaultySession(session, self)

    def take(self, step: Step) -> None:
        """Record a step and raise its fault."""
        self.steps.append(step)
        error = self.fault(step)
        if error is not None:
            raise error

    def names(self) -> list[str]:
        """Return the steps by name."""
        return [step if isinstance(step, str) else type(step).__name__ for step in self.steps]


@dataclass
class _FaultySession:
    """A session whose steps are recorded and may fail."""

    inner: Session
    warehouse: FaultyWarehouse

    @property
    def statements(self) -> int:
        return self.inner.statements

    @property
    def copies(self) -> int:
        return self.inner.copies

    def begin(self) -> None:
        self.warehouse.take("begin")
        self.inner.begin()

    def commit(self) -> None:
        self.warehouse.take("commit")
        self.inner.commit()
        self.warehouse.take("committed")

    def rollback(self) -> None:
        self.inner.rollback()

    def execute(self, statement: Statement) -> int:
        self.warehouse.take(statement)
        return self.inner.execute(statement)

    def fetch(self, query: Query) -> list[tuple[Any, ...]]:
        self.warehouse.take(query)
        return self.inner.fetch(query)

    def columns(self, tables: Collection[str]) -> Columns:
        return self.inner.columns(tables)
