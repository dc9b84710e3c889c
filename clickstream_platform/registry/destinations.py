"""Operations on destinations: add, list, replace.

Belongs here: one method per operation, one transaction each. Does not: connecting to a destination (`warehouses`), and
which customer has which (`customers`).
"""

from __future__ import annotations

from dataclasses import replace

from clickstream_platform.registry import refusals, rules
from clickstream_platform.registry.entities import Destination
from clickstream_platform.registry.operations import Operations, check_revision, find_destination, shared_schema


class DestinationOperations(Operations):
    """What can be asked about destinations and done to them."""

    def add_destination(self, destination: Destination) -> Destination:
        """Add a destination; raise ConflictError when there is one of this name."""
        rules.check_destination(destination)
        with self._store.writing() as transaction:
            if transaction.destination(destination.name) is not None:
                raise refusals.already_there("destination", destination.name)
            return self._write(transaction, "add", None, replace(destination, revision=1))

    def get_destination(self, name: str) -> Destination:
        """Return a destination; raise NotFoundError."""
        with self._store.reading() as transaction:
            return find_destination(transaction, name)

    def list_destinations(self) -> list[Destination]:
        """Return all destinations by name."""
        with self._store.reading() as transaction:
            return transaction.destinations()

    def replace_destination(self, destination: Destination) -> Destination:
        """Replace a destination; its `revision` is the one the caller read."""
        rules.check_destination(destination)
        with self._store.writing() as transaction:
            before = find_destination(transaction, destination.name)
            check_revision(before, destination.revision)
            users = [customer.slug for customer in transaction.customers_of(destination.name)]
            if destination.schema is not None and len(users) > 1:
                raise shared_schema(destination, users)
            return self._write(transaction, "replace", before, destination)
