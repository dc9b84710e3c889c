"""Everything the registry holds, tombstones and revoked keys too, as of one moment, and what only an import writes.

Belongs here: the few queries that read all of something, and putting in an event or changing a key as no person would.
Does not: every other query (`registry.transactions`) and operation (`registry.service`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from clickstream_platform.registry import refusals, rows, tables
from clickstream_platform.registry.entities import Contract, Customer, Destination, Event, WriteKey
from clickstream_platform.registry.operations import Operations
from clickstream_platform.registry.service import RegistryService
from clickstream_platform.registry.transactions import Transaction


@dataclass(frozen=True, slots=True)
class Contents:
    """All entities but tokens, sorted by their names."""

    version: int
    """Number of the registry's state."""
    destinations: list[Destination]
    customers: list[Customer]
    events: list[Event]
    contracts: list[Contract]
    write_keys: list[WriteKey]


class Exchange(Operations):
    """The registry's operations with what only a document needs."""

    @classmethod
    def of(cls, registry: RegistryService) -> Exchange:
        """Return the exchange of a registry, its changes logged as made by the same actor."""
        return cls(registry._store, registry._clock, registry._actor)

    def contents(self) -> Contents:
        """Read everything."""
        with self._store.reading() as transaction:
            return Contents(
                transaction.version(),
                transaction.destinations(),
                transaction.customers(include_removed=True),
                _events(transaction),
                _contracts(transaction),
                _write_keys(transaction),
            )

    def now(self) -> datetime:
        """Return the current time."""
        return self._clock.now()

    def add_events(self, events: Collection[Event]) -> None:
        """Add events in whatever state, as they were in another registry, to customers that are there."""
        with self._store.writing() as transaction:
            self._write_all(transaction, "add", [(None, event) for event in events])

    def update_write_key(self, key: WriteKey) -> WriteKey:
        """Change the name of a write key, or when it expires."""
        with self._store.writing() as transaction:
            before = transaction.write_key(key.customer, key.id)
            if before is None:
                raise refusals.unknown_key("write key", key.id)
            return self._write(transaction, "update", before, key)


def _events(transaction: Transaction) -> list[Event]:
    table = tables.events
    query = sa.select(*rows.EVENT_COLUMNS).order_by(table.c.customer, table.c.slug)
    return [rows.event_of(row) for row in transaction.connection.execute(query)]


def _contracts(transaction: Transaction) -> list[Contract]:
    table = tables.contracts
    query = sa.select(table).order_by(table.c.customer, table.c.event, table.c.version)
    return [rows.contract_of(row) for row in transaction.connection.execute(query)]


def _write_keys(transaction: Transaction) -> list[WriteKey]:
    table = tables.write_keys
    query = sa.select(table).order_by(table.c.customer, table.c.id)
    return [rows.write_key_of(row) for row in transaction.connection.execute(query)]
