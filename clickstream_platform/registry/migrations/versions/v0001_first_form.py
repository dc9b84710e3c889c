"""Customers, events, destinations, the log of changes and the version number."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SLUG = sa.String(100, collation="C").with_variant(sa.String(100), "sqlite")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# The embedded warehouse, so that a first customer needs no preparation; production replaces it.
EMBEDDED_DESTINATION = {"name": "default", "kind": "duckdb", "settings": {}, "revision": 1}


def upgrade() -> None:
    """Create all tables, the one row of the version number and the embedded destination."""
    version = op.create_table(
        "registry_version",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", NUMBER, nullable=False),
    )
    op.bulk_insert(version, [{"id": 1, "number": 0}])
    destinations = op.create_table(
        "registry_destinations",
        sa.Column("name", SLUG, primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("secret_reference", sa.Text),
        sa.Column("schema_name", SLUG),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.bulk_insert(destinations, [EMBEDDED_DESTINATION])
    _create_customers()
    _create_events()
    _create_audit()


def downgrade() -> None:
    """Drop all tables, and with them everything the registry knows."""
    for table in ("audit", "events", "customers", "destinations", "version"):
        op.drop_table(f"registry_{table}")


def _create_customers() -> None:
    op.create_table(
        "registry_customers",
        sa.Column("slug", SLUG, primary_key=True),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("auto_activate", sa.Boolean, nullable=False),
        sa.Column("schema_mode", sa.String(20), nullable=False),
        sa.Column("dedup_window_hours", sa.Integer, nullable=False),
        sa.Column("column_limit", sa.Integer, nullable=False),
        sa.Column("destination", SLUG, nullable=False),
        sa.Column("isolated", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["destination"], ["registry_destinations.name"], name="registry_customers_destination"),
    )
    op.create_index("ix_registry_customers_destination", "registry_customers", ["destination"])


def _create_events() -> None:
    op.create_table(
        "registry_events",
        sa.Column("customer", SLUG, primary_key=True),
        sa.Column("slug", SLUG, primary_key=True),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("freshness_deadline_minutes", sa.Integer),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_seen_hour", sa.String(13)),
        sa.Column("seen_records", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["customer"], ["registry_customers.slug"], name="registry_events_customer"),
    )


def _create_audit() -> None:
    op.create_table(
        "registry_audit",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.String(50), nullable=False),
        sa.Column("customer", SLUG),
        sa.Column("name", SLUG, nullable=False),
        sa.Column("before", sa.JSON),
        sa.Column("after", sa.JSON),
    )
    op.create_index("ix_registry_audit_customer", "registry_audit", ["customer"])
