"""The one mapping between the rows of the registry's tables and entities.

Belongs here: row ↔ entity. Does not: queries (`transactions`), table definitions (`tables`). Columns have the names of
the fields; what differs is written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from clickstream_platform.registry import tables
from clickstream_platform.registry.documents import Entity
from clickstream_platform.registry.entities import (
    ApiToken,
    AuditEntry,
    Contract,
    Customer,
    Destination,
    Event,
    EventState,
    Policy,
    WriteKey,
)

_TABLES: Mapping[type[Entity], sa.Table] = {
    Customer: tables.customers,
    Event: tables.events,
    Destination: tables.destinations,
    Contract: tables.contracts,
    WriteKey: tables.write_keys,
    ApiToken: tables.tokens,
}
_POLICY = [field.name for field in fields(Policy)]
# Rows are read by position: a snapshot has tens of thousands.
_CUSTOMER = ("slug", "display_name", "destination", "isolated", "created_at", "removed_at", "revision")
CUSTOMER_COLUMNS = [tables.customers.c[name] for name in (*_CUSTOMER, *_POLICY)]
EVENT_COLUMNS = [tables.events.c[field.name] for field in fields(Event)]


def table_of(entity: Entity) -> sa.Table:
    """Return the table an entity is a row of."""
    return _TABLES[type(entity)]


def values_of(entity: Entity) -> dict[str, Any]:
    """Return the row of an entity, by column name."""
    values = {field.name: getattr(entity, field.name) for field in fields(entity)}
    if isinstance(entity, Customer):
        policy = values.pop("policy")
        values |= {name: getattr(policy, name) for name in _POLICY}
    elif isinstance(entity, Event):
        values["state"] = entity.state.value
    elif isinstance(entity, Destination):
        values |= {"settings": dict(entity.settings), "schema_name": values.pop("schema")}
    elif isinstance(entity, Contract):
        values["schema"] = dict(entity.schema)
    return values


def customer_of(row: sa.Row[Any]) -> Customer:
    """Read a row of CUSTOMER_COLUMNS."""
    slug, display_name, destination, isolated, created_at, removed_at, revision, *policy = row
    return Customer(slug, display_name, Policy(*policy), destination, isolated, created_at, removed_at, revision)


def event_of(row: sa.Row[Any]) -> Event:
    """Read a row of EVENT_COLUMNS."""
    customer, slug, display_name, state, *rest = row
    return Event(customer, slug, display_name, EventState(state), *rest)


def destination_of(row: sa.Row[Any]) -> Destination:
    """Read a row of `destinations`."""
    return Destination(*row)


def contract_of(row: sa.Row[Any]) -> Contract:
    """Read a row of `contracts`."""
    return Contract(**row._mapping)


def write_key_of(row: sa.Row[Any]) -> WriteKey:
    """Read a row of `write_keys`."""
    return WriteKey(**row._mapping)


def token_of(row: sa.Row[Any]) -> ApiToken:
    """Read a row of `tokens`."""
    return ApiToken(**row._mapping)


def audit_entry_of(row: sa.Row[Any]) -> AuditEntry:
    """Read a row of `audit`."""
    return AuditEntry(*row)
