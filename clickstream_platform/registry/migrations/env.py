"""How Alembic runs the registry's migrations: on the connection and in the transaction of `registry.migrating`."""

from __future__ import annotations

from alembic import context

from clickstream_platform.registry.migrating import VERSION_TABLE
from clickstream_platform.registry.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # SQLite changes a column by building the table anew.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
