"""Contracts and sample records in the registry's database.

Belongs here: their queries. Does not: those of other entities (`transactions`, `secret_rows`).
"""

from __future__ import annotations

import sqlalchemy as sa

from clickstream_platform.registry import rows, tables
from clickstream_platform.registry.entities import Contract, EventSample


class ContractRows:
    """Queries about contracts and samples, within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        """Work on a connection whose transaction somebody else ends."""
        self.connection = connection

    def contracts(self, customer: str, event: str) -> list[Contract]:
        """Return all versions of one event's contract, newest first."""
        table = tables.contracts
        query = sa.select(table).where(table.c.customer == customer, table.c.event == event)
        found = self.connection.execute(query.order_by(table.c.version.desc()))
        return [rows.contract_of(row) for row in found]

    def newest_contract_version(self, customer: str, event: str) -> int:
        """Return the number of the newest version of an event's contract, 0 without any."""
        table = tables.contracts
        query = sa.select(sa.func.max(table.c.version)).where(table.c.customer == customer, table.c.event == event)
        return int(self.connection.execute(query).scalar() or 0)

    def contract(self, customer: str, event: str, version: int) -> Contract | None:
        """Return one version of an event's contract."""
        table = tables.contracts
        of_event = (table.c.customer == customer, table.c.event == event)
        row = self.connection.execute(sa.select(table).where(*of_event, table.c.version == version)).first()
        return None if row is None else rows.contract_of(row)

    def contracts_in_force(self, customer: str | None = None) -> list[Contract]:
        """Return the contracts that are in force, of one customer or of all that are not removed."""
        table, event, owner = tables.contracts, tables.events, tables.customers
        of_event = sa.and_(
            event.c.customer == table.c.customer,
            event.c.slug == table.c.event,
            event.c.contract_version == table.c.version,
        )
        query = sa.select(table).join(event, of_event).join(owner, owner.c.slug == table.c.customer)
        query = query.where(owner.c.removed_at.is_(None) if customer is None else table.c.customer == customer)
        found = self.connection.execute(query.order_by(table.c.customer, table.c.event))
        return [rows.contract_of(row) for row in found]

    def sample(self, customer: str, event: str) -> EventSample | None:
        """Return the sample record of an event."""
        table = tables.samples
        query = sa.select(table).where(table.c.customer == customer, table.c.event == event)
        row = self.connection.execute(query).first()
        return None if row is None else EventSample(**row._mapping)

    def sampled_events(self, customer: str) -> set[str]:
        """Return the customer's events that have a sample."""
        table = tables.samples
        query = sa.select(table.c.event).where(table.c.customer == customer)
        return set(self.connection.execute(query).scalars())

    def insert_samples(self, samples: list[EventSample]) -> None:
        """Store samples of events that have none."""
        if samples:
            values = [
                {"customer": each.customer, "event": each.event, "sample": each.sample, "taken_at": each.taken_at}
                for each in samples
            ]
            self.connection.execute(sa.insert(tables.samples), values)
