"""What can be asked of the registry and changed in it: the one place with its behaviour, without any transport.

Belongs here: the service as a whole, and what concerns everything at once: snapshot, etag, the log of changes. Does
not: HTTP and commands (they call this), the operations on one kind of entity (`customers`, `destinations`, `events`).

Every changing method takes `expected_revision`, the revision the caller decided on: StaleRevisionError when it is not
the current one, no check when None. A change to what already is so is a normal result and changes nothing. Any method
may raise RegistryUnavailableError.
"""

from __future__ import annotations

import copy
from types import TracebackType
from typing import Self

from clickstream_platform.registry.customers import CustomerOperations
from clickstream_platform.registry.destinations import DestinationOperations
from clickstream_platform.registry.documents import digest
from clickstream_platform.registry.entities import AuditEntry, Snapshot
from clickstream_platform.registry.events import EventOperations
from clickstream_platform.registry.operations import Clock, find_customer
from clickstream_platform.registry.store import Store

__all__ = ["Clock", "RegistryService"]


class RegistryService(CustomerOperations, DestinationOperations, EventOperations):
    """Customers, their events and their destinations; shared by the threads of a process."""

    def __init__(self, store: Store, clock: Clock, actor: str = "platform") -> None:
        """Work on a store whose database is migrated; changes are logged as made by `actor`."""
        super().__init__(store, clock, actor)
        self._etag_at_version: tuple[int, str] | None = None

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

    def snapshot(self) -> Snapshot:
        """Return all live customers with their events, and all destinations, as of one moment."""
        with self._store.reading() as transaction:
            version = transaction.version()
            customers, events = tuple(transaction.customers()), tuple(transaction.live_events())
            destinations = tuple(transaction.destinations())
        etag = digest(customers, events, destinations)
        self._etag_at_version = (version, etag)
        return Snapshot(customers, events, destinations, etag, self._clock.now())

    def etag(self) -> str:
        """Return the etag a snapshot would have, cheaply while nothing changes: for conditional polls."""
        known = self._etag_at_version
        with self._store.reading() as transaction:
            if known is not None and known[0] == transaction.version():
                return known[1]
        return self.snapshot().etag

    def list_audit(
        self, customer: str | None = None, *, before: int | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """Return changes, newest first, of one customer or of all; the next page is `before` the last number."""
        with self._store.reading() as transaction:
            if customer is not None:
                find_customer(transaction, customer)
            return transaction.audit(customer, before, limit)
