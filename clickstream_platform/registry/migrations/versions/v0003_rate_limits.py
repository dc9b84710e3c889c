"""A customer's rate limit at the collector."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty: the collector's default holds."""
    op.add_column("registry_customers", sa.Column("events_per_second", sa.Integer))


def downgrade() -> None:
    """Drop the limits."""
    op.drop_column("registry_customers", "events_per_second")
