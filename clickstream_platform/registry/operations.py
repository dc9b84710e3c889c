"""What the registry's operations have in common: looking up, checking the revision, writing with an entry in the log.

Belongs here: the base class of `customers`, `destinations` and `events`, and what more than one of them needs. Does
not: the operations themselves.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TypeVar

from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.registry import refusals
from clickstream_platform.registry.documents import Entity, kind_and_name
from clickstream_platform.registry.entities import ApiToken, Contract, Customer, Destination, Event, WriteKey
from clickstream_platform.registry.store import Store
from clickstream_platform.registry.transactions import Transaction

E = TypeVar("E", Customer, Event, Destination, Contract, WriteKey, ApiToken)


class Operations:
    """A store, a clock and the name of who acts."""

    def __init__(self, store: Store, clock: Clock, actor: str = "platform") -> None:
        """Work on a store whose database is migrated; changes are logged as made by `actor`."""
        self._store, self._clock, self._actor = store, clock, actor

    def _write(self, transaction: Transaction, action: str, before: E | None, after: E) -> E:
        """Write one new or changed entity and log it; return it with its new revision."""
        return self._write_all(transaction, action, [(before, after)])[0]

    def _write_all(self, transaction: Transaction, action: str, changes: Collection[tuple[E | None, E]]) -> list[E]:
        """Write many; one that is as it was is left alone."""
        written: list[tuple[E | None, E]] = []
        for before, after in changes:
            if before is not None and before != after and not isinstance(before, Contract):
                written.append((before, replace(after, revision=before.revision + 1)))
                transaction.update(written[-1][1])
            else:
                written.append((before, after))
        transaction.insert([after for before, after in written if before is None])
        logged: list[tuple[Entity | None, Entity]] = [(before, after) for before, after in written if before != after]
        transaction.record_changes(self._clock.now(), self._actor, action, logged)
        return [after for _, after in written]


def find_customer(transaction: Transaction, slug: str) -> Customer:
    """Return a customer, tombstone or not; raise NotFoundError."""
    customer = transaction.customer(slug)
    if customer is None:
        raise refusals.unknown_customer(slug)
    return customer


def find_live_customer(transaction: Transaction, slug: str) -> Customer:
    """Return a customer; raise NotFoundError, or ConflictError for a tombstone."""
    customer = find_customer(transaction, slug)
    if customer.removed_at is not None:
        raise refusals.removed_customer(slug)
    return customer


def find_destination(transaction: Transaction, name: str) -> Destination:
    """Return a destination; raise NotFoundError."""
    destination = transaction.destination(name)
    if destination is None:
        raise refusals.unknown_destination(name)
    return destination


def find_event(transaction: Transaction, customer: str, slug: str) -> Event:
    """Return an event in whatever state; raise NotFoundError for it or its customer."""
    find_customer(transaction, customer)
    event = transaction.event(customer, slug)
    if event is None:
        raise refusals.unknown_event(customer, slug)
    return event


def check_assignment(transaction: Transaction, customer: str, destination: str) -> None:
    """Raise unless the destination exists and the customer may use it."""
    found = find_destination(transaction, destination)
    others = [other.slug for other in transaction.customers_of(destination) if other.slug != customer]
    if found.schema is not None and others:
        raise shared_schema(found, [*others, customer])


def shared_schema(destination: Destination, customers: list[str]) -> refusals.ConflictError:
    """Say that two customers in one schema would write into the same tables."""
    return refusals.ConflictError(
        "assigning a destination with a fixed schema",
        where=repr(destination.name),
        cause=f"the schema {destination.schema!r} would be shared by {', '.join(customers[:5])}",
        remedy="Leave the schema out, so that each customer has its own, or add one destination per customer.",
    )


def check_revision(current: Customer | Event | Destination | WriteKey | ApiToken, expected: int | None) -> None:
    """Raise StaleRevisionError when the caller expected another revision; None expects nothing."""
    if expected is not None and expected != current.revision:
        kind, _, name = kind_and_name(current)
        raise refusals.stale_revision(kind, name, expected, current.revision)
