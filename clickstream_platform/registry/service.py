"""What can be asked of the registry and changed in it: the one place with its behaviour, without any transport.

Belongs here: the service as a whole, and what concerns everything at once: snapshot, etag, the log of changes. Does
not: HTTP and commands (they call this), the operations on one kind of entity (`customers`, `destinations`, `events`).

Every changing method takes `expected_revision`, the revision the caller decided on: StaleRevisionError when it is not
the current one, no check when None. A change to what already is so is a normal result and changes nothing. Any method
may raise RegistryUnavailableError.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.registry import refusals
from clickstream_platform.registry.contracts import ContractOperations
from clickstream_platform.registry.customers import CustomerOperations
from clickstream_platform.registry.destinations import DestinationOperations
from clickstream_platform.registry.documents import digest
from clickstream_platform.registry.entities import AuditEntry, Snapshot
from clickstream_platform.registry.events import EventOperations
from clickstream_platform.registry.operations import find_customer
from clickstream_platform.registry.store import Store
from clickstream_platform.registry.tokens import TokenOperations
from clickstream_platform.registry.write_keys import WriteKeyOperations

__all__ = ["Clock", "RegistryService"]


class RegistryService(
    CustomerOperations,
    DestinationOperations,
    EventOperations,
    ContractOperations,
    WriteKeyOperations,
    TokenOperations,
):
    """Customers with their events, contracts and keys, and destinations; shared by the threads of a process."""

    def __init__(self, store: Store, clock: Clock, actor: str = "platform") -> None:
        """Work on a store whose database is migrated; changes are logged as made by `actor`."""
        super().__init__(store, clock, actor)
        # Of the newest version that was looked at; shared with what `acting_as` returns.
        self._etags: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections to the database."""
        self._store.close()

    def acting_as(self, actor: str) -> Self:
        """Return the same registry whose changes are logged as made by `actor`."""
        other = copy.copy(self)
        other._actor = actor
        return other

    def describe_age(self) -> str:
        """Say how old what this answers from is, as every `reader.RegistryReader` does: it is the database itself."""
        return "the registry's database answers"

    @property
    def engine(self) -> sa.Engine:
        """What connects to the database, for whoever shows its tables as they are."""
        return self._store.engine

    def snapshot(self) -> Snapshot:
        """Return all live customers with their events, and all destinations, as of one moment."""
        with self._store.reading() as transaction:
            version = transaction.version()
            customers, events = tuple(transaction.customers()), tuple(transaction.live_events())
            destinations = tuple(transaction.destinations())
            now = self._clock.now()
            keys = tuple(each for each in transaction.write_keys(include_revoked=False) if each.is_valid(now))
            contracts = tuple(transaction.contracts_in_force())
        etag = digest((customers, events, destinations, keys, contracts))
        if not self._store.is_shared:  # what is rolled back may leave its version number to another content
            self._etags.clear()
            self._etags[version] = etag
        return Snapshot(customers, events, destinations, etag, self._clock.now(), keys, contracts)

    def etag(self) -> str:
        """Return the etag a snapshot would have, cheaply while nothing changes: for conditional polls."""
        known = dict(self._etags)
        with self._store.reading() as transaction:
            etag = known.get(transaction.version())
        return etag or self.snapshot().etag

    def version(self) -> int:
        """Return a number that grows with every change of content."""
        with self._store.reading() as transaction:
            return transaction.version()

    @contextmanager
    def together(self, *, expected_version: int | None = None) -> Iterator[None]:
        """Make all operations of the block, in this thread or task, one change: all of them happen, or none.

        Raises StaleRevisionError when the registry is not at the version that was expected.
        """
        with self._store.together() as transaction:
            if expected_version is not None and transaction.version() != expected_version:
                raise refusals.changed_meanwhile()
            yield

    def list_audit(
        self, customer: str | None = None, *, before: int | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """Return changes, newest first, of one customer or of all; the next page is `before` the last number."""
        with self._store.reading() as transaction:
            if customer is not None:
                find_customer(transaction, customer)
            return transaction.audit(customer, before, limit)
