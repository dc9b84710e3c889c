"""The registry's tables.

Belongs here: table definitions (the same as what `migrations/` builds, held by a test). Does not: rows as entities
(`rows`), queries (`transactions`). Every name starts with `registry_`: a PostgreSQL database may be shared with
Dagster's storage.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa


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
    sa.Column("load_threshold_percent", sa.Integer, nullable=False, server_default="100"),
    sa.Column("retention_days", sa.Integer),
    sa.Column("events_per_second", sa.Integer),
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
    sa.Column("last_seen_hour", sa.String(13)),
    sa.Column("waiting_records", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("activation", sa.Integer, nullable=False, server_default="1"),
    sa.Column("contract_version", sa.Integer),
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

_OF_AN_EVENT = ("customer", "event"), ("registry_events.customer", "registry_events.slug")

samples = sa.Table(
    "registry_samples",
    metadata,
    sa.Column("customer", SLUG, primary_key=True),
    sa.Column("event", SLUG, primary_key=True),
    sa.Column("sample", sa.JSON, nullable=False),
    sa.Column("taken_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(*_OF_AN_EVENT, name="registry_samples_event"),
)

contracts = sa.Table(
    "registry_contracts",
    metadata,
    sa.Column("customer", SLUG, primary_key=True),
    sa.Column("event", SLUG, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("mode", sa.String(20), nullable=False),
    sa.Column("schema", sa.JSON, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(*_OF_AN_EVENT, name="registry_contracts_event"),
)

write_keys = sa.Table(
    "registry_write_keys",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column(
        "customer",
        SLUG,
        sa.ForeignKey("registry_customers.slug", name="registry_write_keys_customer"),
        nullable=False,
        index=True,
    ),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("hint", sa.String(20), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    sa.Column("revision", sa.Integer, nullable=False),
)

tokens = sa.Table(
    "registry_tokens",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scope", sa.String(20), nullable=False),
    sa.Column("customer", SLUG, sa.ForeignKey("registry_customers.slug", name="registry_tokens_customer")),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    sa.Column("last_used_at", UtcDateTime),
    sa.Column("revision", sa.Integer, nullable=False),
)

sessions = sa.Table(
    "registry_sessions",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column(
        "token", sa.String(40), sa.ForeignKey("registry_tokens.id", name="registry_sessions_token"), nullable=False
    ),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)
"""Of the page: a session is as good as the token it was opened with, and not longer."""

answers = sa.Table(
    "registry_answers",
    metadata,
    # The digest of who asked and of the idempotency key they gave.
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("request_digest", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("kept_until", UtcDateTime, nullable=False, index=True),
)
