"""Write keys, API tokens, sessions, kept answers, contracts, sample records, and what events and policies gained."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SLUG = sa.String(100, collation="C").with_variant(sa.String(100), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add columns, each with a value for the rows that are there, and create the new tables."""
    op.add_column(
        "registry_customers", sa.Column("load_threshold_percent", sa.Integer, nullable=False, server_default="100")
    )
    op.add_column("registry_customers", sa.Column("retention_days", sa.Integer))
    op.add_column("registry_events", sa.Column("last_seen_hour", sa.String(13)))
    op.add_column("registry_events", sa.Column("waiting_records", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("registry_events", sa.Column("activation", sa.Integer, nullable=False, server_default="1"))
    op.add_column("registry_events", sa.Column("contract_version", sa.Integer))
    _create_samples_and_contracts()
    _create_write_keys()
    _create_tokens()
    op.create_table(
        "registry_answers",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("kept_until", MOMENT, nullable=False),
    )
    op.create_index("ix_registry_answers_kept_until", "registry_answers", ["kept_until"])


def downgrade() -> None:
    """Drop the new tables and columns, and with them all keys, tokens and contracts."""
    for table in ("answers", "sessions", "tokens", "write_keys", "contracts", "samples"):
        op.drop_table(f"registry_{table}")
    for column in ("contract_version", "activation", "waiting_records", "last_seen_hour"):
        op.drop_column("registry_events", column)
    for column in ("retention_days", "load_threshold_percent"):
        op.drop_column("registry_customers", column)


def _create_samples_and_contracts() -> None:
    of_an_event = ["customer", "event"], ["registry_events.customer", "registry_events.slug"]
    op.create_table(
        "registry_samples",
        sa.Column("customer", SLUG, primary_key=True),
        sa.Column("event", SLUG, primary_key=True),
        sa.Column("sample", sa.JSON, nullable=False),
        sa.Column("taken_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(*of_an_event, name="registry_samples_event"),
    )
    op.create_table(
        "registry_contracts",
        sa.Column("customer", SLUG, primary_key=True),
        sa.Column("event", SLUG, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("mode", sa.String(20), nullable=False),
        sa.Column("schema", sa.JSON, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(*of_an_event, name="registry_contracts_event"),
    )


def _create_write_keys() -> None:
    op.create_table(
        "registry_write_keys",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("customer", SLUG, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("hint", sa.String(20), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["customer"], ["registry_customers.slug"], name="registry_write_keys_customer"),
    )
    op.create_index("ix_registry_write_keys_customer", "registry_write_keys", ["customer"])


def _create_tokens() -> None:
    op.create_table(
        "registry_tokens",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scope", sa.String(20), nullable=False),
        sa.Column("customer", SLUG),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.Column("last_used_at", MOMENT),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["customer"], ["registry_customers.slug"], name="registry_tokens_customer"),
    )
    op.create_table(
        "registry_sessions",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("token", sa.String(40), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["token"], ["registry_tokens.id"], name="registry_sessions_token"),
    )
