"""Operations on customers: add, list, policy, destination, isolation, remove, restore.

Belongs here: one method per operation, one transaction each. Does not: how entries are written (`operations`).
"""

from __future__ import annotations

from dataclasses import replace

from clickstream_platform.registry import refusals, rules
from clickstream_platform.registry.entities import DEFAULT_DESTINATION, Customer, EventState, Policy
from clickstream_platform.registry.operations import (
    Operations,
    check_assignment,
    check_revision,
    find_customer,
    find_live_customer,
)


class CustomerOperations(Operations):
    """What can be asked about customers and done to them."""

    def add_customer(
        self,
        slug: str,
        *,
        display_name: str | None = None,
        policy: Policy | None = None,
        destination: str = DEFAULT_DESTINATION,
        isolated: bool = False,
    ) -> Customer:
        """Add a customer; raise ConflictError when there is one, or a tombstone of one."""
        shown, policy = display_name or slug, policy or Policy()
        rules.check_slug("customer", slug)
        rules.check_display_name(shown)
        rules.check_policy(policy)
        with self._store.writing() as transaction:
            existing = transaction.customer(slug)
            if existing is not None:
                is_live = existing.removed_at is None
                raise refusals.already_there("customer", slug) if is_live else refusals.removed_customer(slug)
            check_assignment(transaction, slug, destination)
            customer = Customer(slug, shown, policy, destination, isolated, self._clock.now())
            return self._write(transaction, "add", None, customer)

    def get_customer(self, slug: str) -> Customer:
        """Return a customer, tombstone or not; raise NotFoundError."""
        with self._store.reading() as transaction:
            return find_customer(transaction, slug)

    def list_customers(
        self, *, include_removed: bool = False, after: str = "", limit: int | None = None
    ) -> list[Customer]:
        """Return customers by slug; a page ends at `limit`, the next begins `after` its last slug."""
        with self._store.reading() as transaction:
            return transaction.customers(include_removed=include_removed, after=after, limit=limit)

    def update_customer(
        self,
        slug: str,
        *,
        display_name: str | None = None,
        policy: Policy | None = None,
        destination: str | None = None,
        isolated: bool | None = None,
        expected_revision: int | None = None,
    ) -> Customer:
        """Change what is given, as one change; see the single operations for what each means."""
        if display_name is not None:
            rules.check_display_name(display_name)
        if policy is not None:
            rules.check_policy(policy)
        with self._store.writing() as transaction:
            before = find_live_customer(transaction, slug)
            check_revision(before, expected_revision)
            if destination is not None:
                check_assignment(transaction, slug, destination)
            after = replace(
                before,
                display_name=before.display_name if display_name is None else display_name,
                policy=policy or before.policy,
                destination=before.destination if destination is None else destination,
                isolated=before.isolated if isolated is None else isolated,
            )
            return self._write(transaction, "update", before, after)

    def update_customer_policy(self, slug: str, policy: Policy, *, expected_revision: int | None = None) -> Customer:
        """Replace a customer's policy; events discovered before keep waiting."""
        rules.check_policy(policy)
        with self._store.writing() as transaction:
            before = find_live_customer(transaction, slug)
            check_revision(before, expected_revision)
            return self._write(transaction, "set_policy", before, replace(before, policy=policy))

    def set_destination(self, slug: str, destination: str, *, expected_revision: int | None = None) -> Customer:
        """Send a customer's coming hours to another destination; tables already loaded stay where they are."""
        with self._store.writing() as transaction:
            before = find_live_customer(transaction, slug)
            check_revision(before, expected_revision)
            check_assignment(transaction, slug, destination)
            return self._write(transaction, "set_destination", before, replace(before, destination=destination))

    def set_isolated(self, slug: str, isolated: bool, *, expected_revision: int | None = None) -> Customer:
        """Say whether a customer's hours may share a run with those of others."""
        with self._store.writing() as transaction:
            before = find_live_customer(transaction, slug)
            check_revision(before, expected_revision)
            return self._write(transaction, "set_isolated", before, replace(before, isolated=isolated))

    def remove_customer(self, slug: str, *, expected_revision: int | None = None) -> Customer:
        """Turn a customer and all its events into tombstones; tables and raw objects stay."""
        with self._store.writing() as transaction:
            before = find_customer(transaction, slug)
            check_revision(before, expected_revision)
            if before.removed_at is not None:
                return before
            events = transaction.events(slug)
            self._write_all(transaction, "remove", [(each, replace(each, state=EventState.REMOVED)) for each in events])
            return self._write(transaction, "remove", before, replace(before, removed_at=self._clock.now()))

    def restore_customer(self, slug: str, *, expected_revision: int | None = None) -> Customer:
        """Bring a removed customer back; its events stay removed until each is added again."""
        with self._store.writing() as transaction:
            before = find_customer(transaction, slug)
            check_revision(before, expected_revision)
            check_assignment(transaction, slug, before.destination)
            return self._write(transaction, "restore", before, replace(before, removed_at=None))
