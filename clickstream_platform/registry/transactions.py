"""Reading and writing inside one transaction of the registry's database.

Belongs here: every query. Does not: beginning and ending transactions (`store`), rules (`service`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from clickstream_platform.registry import rows, tables
from clickstream_platform.registry.contract_rows import ContractRows
from clickstream_platform.registry.documents import Entity, kind_and_name, to_document
from clickstream_platform.registry.entities import AuditEntry, Customer, Destination, Event, EventState
from clickstream_platform.registry.secret_rows import SecretRows

LOCK_MILLISECONDS = 30_000
_NAMES_PER_QUERY = 500
"""Older SQLite builds take 999 parameters in a statement."""


class Transaction(SecretRows, ContractRows):
    """The rows of the registry as entities, within one transaction."""

    def lock(self) -> None:
        """Wait for the turn to write. SQLite's lock is taken by BEGIN IMMEDIATE; PostgreSQL's is this row."""
        if self.connection.dialect.name == "postgresql":
            self.connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
        self.connection.execute(sa.select(tables.version.c.number).with_for_update())

    def version(self) -> int:
        """Return the number that grows with every change of content."""
        return int(self.connection.execute(sa.select(tables.version.c.number)).scalar_one())

    def bump_version(self) -> None:
        """Say that the content changed."""
        self.connection.execute(sa.update(tables.version).values(number=tables.version.c.number + 1))

    def customer(self, slug: str) -> Customer | None:
        """Return a customer, tombstone or not."""
        row = self.connection.execute(sa.select(*rows.CUSTOMER_COLUMNS).where(tables.customers.c.slug == slug)).first()
        return None if row is None else rows.customer_of(row)

    def customers(self, *, include_removed: bool = False, after: str = "", limit: int | None = None) -> list[Customer]:
        """Return customers by slug, those past the slug `after`."""
        table = tables.customers
        query = sa.select(*rows.CUSTOMER_COLUMNS).where(table.c.slug > after).order_by(table.c.slug).limit(limit)
        if not include_removed:
            query = query.where(table.c.removed_at.is_(None))
        return [rows.customer_of(row) for row in self.connection.execute(query)]

    def customers_of(self, destination: str) -> list[Customer]:
        """Return the live customers whose tables are in a destination."""
        table = tables.customers
        query = sa.select(*rows.CUSTOMER_COLUMNS).where(
            table.c.destination == destination, table.c.removed_at.is_(None)
        )
        return [rows.customer_of(row) for row in self.connection.execute(query.order_by(table.c.slug))]

    def destination(self, name: str) -> Destination | None:
        """Return a destination."""
        query = sa.select(tables.destinations).where(tables.destinations.c.name == name)
        row = self.connection.execute(query).first()
        return None if row is None else rows.destination_of(row)

    def destinations(self) -> list[Destination]:
        """Return all destinations by name."""
        query = sa.select(tables.destinations).order_by(tables.destinations.c.name)
        return [rows.destination_of(row) for row in self.connection.execute(query)]

    def event(self, customer: str, slug: str) -> Event | None:
        """Return one event."""
        return next(self.events_named(customer, [slug]), None)

    def events_named(self, customer: str, slugs: Sequence[str]) -> Iterator[Event]:
        """Yield those of the customer's events that have one of these slugs."""
        table = tables.events
        for start in range(0, len(slugs), _NAMES_PER_QUERY):
            names = slugs[start : start + _NAMES_PER_QUERY]
            query = sa.select(*rows.EVENT_COLUMNS).where(table.c.customer == customer, table.c.slug.in_(names))
            yield from map(rows.event_of, self.connection.execute(query))

    def events(
        self, customer: str, states: Collection[EventState] | None = None, after: str = "", limit: int | None = None
    ) -> list[Event]:
        """Return one customer's events by slug, those past the slug `after`."""
        table = tables.events
        query = sa.select(*rows.EVENT_COLUMNS).where(table.c.customer == customer, table.c.slug > after)
        if states is not None:
            query = query.where(table.c.state.in_([state.value for state in states]))
        return [rows.event_of(row) for row in self.connection.execute(query.order_by(table.c.slug).limit(limit))]

    def count_events(self, customer: str) -> int:
        """Return how many events a customer has, tombstones included."""
        query = sa.select(sa.func.count()).select_from(tables.events).where(tables.events.c.customer == customer)
        return int(self.connection.execute(query).scalar_one())

    def live_events(self) -> list[Event]:
        """Return the events of all customers that are not removed, by customer and slug."""
        table, owner = tables.events, tables.customers
        query = sa.select(*rows.EVENT_COLUMNS).join(owner, owner.c.slug == table.c.customer)
        query = query.where(owner.c.removed_at.is_(None))
        return [rows.event_of(row) for row in self.connection.execute(query.order_by(table.c.customer, table.c.slug))]

    def insert(self, entities: Sequence[Entity]) -> None:
        """Insert new entities of one kind."""
        if entities:
            statement = sa.insert(rows.table_of(entities[0]))
            self.connection.execute(statement, [rows.values_of(entity) for entity in entities])

    def update(self, entity: Entity) -> None:
        """Replace the row of an entity."""
        table = rows.table_of(entity)
        values = rows.values_of(entity)
        keys = [column == values[column.name] for column in table.primary_key]
        self.connection.execute(sa.update(table).where(*keys).values(values))

    def update_sightings(self, events: Collection[Event]) -> None:
        """Store the counters and hours of many events of one customer."""
        if not events:
            return
        table = tables.events
        statement = (
            sa.update(table)
            .where(table.c.customer == sa.bindparam("of_customer"), table.c.slug == sa.bindparam("of_slug"))
            .values(
                seen_records=sa.bindparam("records"),
                first_seen_hour=sa.bindparam("first_hour"),
                last_seen_hour=sa.bindparam("last_hour"),
                waiting_records=sa.bindparam("waiting"),
                activation=sa.bindparam("activations"),
            )
        )
        self.connection.execute(
            statement,
            [
                {
                    "of_customer": event.customer,
                    "of_slug": event.slug,
                    "records": event.seen_records,
                    "first_hour": event.first_seen_hour,
                    "last_hour": event.last_seen_hour,
                    "waiting": event.waiting_records,
                    "activations": event.activation,
                }
                for event in events
            ],
        )

    def record_changes(
        self, at: datetime, actor: str, action: str, changes: Collection[tuple[Entity | None, Entity]]
    ) -> None:
        """Log changes of one kind, each as the entity before (None when new) and after; grow the version."""
        entries: list[dict[str, Any]] = []
        for before, after in changes:
            kind, customer, name = kind_and_name(after)
            entries.append(
                {
                    "at": at,
                    "actor": actor,
                    "action": f"{kind}.{action}",
                    "customer": customer,
                    "name": name,
                    "before": None if before is None else to_document(before),
                    "after": to_document(after),
                }
            )
        if entries:
            self.connection.execute(sa.insert(tables.audit), entries)
            self.bump_version()

    def audit(self, customer: str | None, before: int | None, limit: int) -> list[AuditEntry]:
        """Return the newest changes first, of one customer or of all, those with a smaller number than `before`."""
        table = tables.audit
        query = sa.select(table).order_by(table.c.number.desc()).limit(limit)
        if customer is not None:
            query = query.where(table.c.customer == customer)
        if before is not None:
            query = query.where(table.c.number < before)
        return [rows.audit_entry_of(row) for row in self.connection.execute(query)]
