"""The registry's tables, and the one mapping between their rows and entities.

Belongs here: table definitions (the same as what `migrations/` builds, held by a test), row ↔ entity. Does not: queries
(`transactions`). Every name starts with `registry_`: a PostgreSQL database may be shared with Dagster's storage.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from clickstream_platform.registry.documents import Entity
from clickstream_platform.registry.entities import AuditEntry, Customer, Destination, Event, EventState, Policy


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An aware UTC time; SQLite drops the zone, so it is put back when read."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Store every time in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Read what was stored as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Byte order in both databases, so that pages continue where the last one ended: SQLite's own, PostgreSQL's by name.
SLUG = sa.String(100, collation="C").with_variant(sa.String(100), "sqlite")
# SQLite numbers rows by itself only in a column declared INTEGER.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData()

version = sa.Table(
    "registry_version",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", NUMBER, nullable=False),
)
"""One row: its number grows with every change of content, and locking it makes writers take turns."""

destinations = sa.Table(
    "registry_destinations",
    metadata,
    sa.Column("name", SLUG, primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("secret_reference", sa.Text),
    sa.Column("schema_name", SLUG),
    sa.Column("revision", sa.Integer, nullable=False),
)

customers = sa.Table(
    "registry_customers",
    metadata,
    sa.Column("slug", SLUG, primary_key=True),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("auto_activate", sa.Boolean, nullable=False),
    sa.Column("schema_mode", sa.String(20), nullable=False),
    sa.Column("dedup_window_hours", sa.Integer, nullable=False),
    sa.Column("column_limit", sa.Integer, nullable=False),
    sa.Column(
        "destination",
        SLUG,
        sa.ForeignKey("registry_destinations.name", name="registry_customers_destination"),
        nullable=False,
        index=True,
    ),
    sa.Column("isolated", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("removed_at", UtcDateTime),
    sa.Column("revision", sa.Integer, nullable=False),
)

events = sa.Table(
    "registry_events",
    metadata,
    sa.Column(
        "customer", SLUG, sa.ForeignKey("registry_customers.slug", name="registry_events_customer"), primary_key=True
    ),
    sa.Column("slug", SLUG, primary_key=True),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("freshness_deadline_minutes", sa.Integer),
    sa.Column("first_seen_at", UtcDateTime, nullable=False),
    sa.Column("first_seen_hour", sa.String(13)),
    sa.Column("seen_records", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
)

audit = sa.Table(
    "registry_audit",
    metadata,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.String(50), nullable=False),
    # No foreign key: the log outlives what it tells of.
    sa.Column("customer", SLUG, index=True),
    sa.Column("name", SLUG, nullable=False),
    sa.Column("before", sa.JSON(none_as_null=True)),
    sa.Column("after", sa.JSON(none_as_null=True)),
)


def table_of(entity: Entity) -> sa.Table:
    """Return the table an entity is a row of."""
    if isinstance(entity, Customer):
        return customers
    return events if isinstance(entity, Event) else destinations


def values_of(entity: Entity) -> dict[str, Any]:
    """Return the row of an entity, by column name."""
    if isinstance(entity, Customer):
        return {
            "slug": entity.slug,
            "display_name": entity.display_name,
            "auto_activate": entity.policy.auto_activate,
            "schema_mode": entity.policy.schema_mode,
            "dedup_window_hours": entity.policy.dedup_window_hours,
            "column_limit": entity.policy.column_limit,
            "destination": entity.destination,
            "isolated": entity.isolated,
            "created_at": entity.created_at,
            "removed_at": entity.removed_at,
            "revision": entity.revision,
        }
    if isinstance(entity, Event):
        return {
            "customer": entity.customer,
            "slug": entity.slug,
            "display_name": entity.display_name,
            "state": entity.state.value,
            "freshness_deadline_minutes": entity.freshness_deadline_minutes,
            "first_seen_at": entity.first_seen_at,
            "first_seen_hour": entity.first_seen_hour,
            "seen_records": entity.seen_records,
            "revision": entity.revision,
        }
    return {
        "name": entity.name,
        "kind": entity.kind,
        "settings": dict(entity.settings),
        "secret_reference": entity.secret_reference,
        "schema_name": entity.schema,
        "revision": entity.revision,
    }


def customer_of(row: sa.Row[Any]) -> Customer:
    """Read a row of `customers`."""
    slug, display_name, auto_activate, schema_mode, dedup_window_hours, column_limit, *rest = row
    return Customer(slug, display_name, Policy(auto_activate, schema_mode, dedup_window_hours, column_limit), *rest)


def event_of(row: sa.Row[Any]) -> Event:
    """Read a row of `events`."""
    customer, slug, display_name, state, *rest = row
    return Event(customer, slug, display_name, EventState(state), *rest)


def destination_of(row: sa.Row[Any]) -> Destination:
    """Read a row of `destinations`."""
    return Destination(*row)


def audit_entry_of(row: sa.Row[Any]) -> AuditEntry:
    """Read a row of `audit`."""
    return AuditEntry(*row)
