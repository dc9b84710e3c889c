"""Bringing the registry's database to the schema this version of the platform needs.

Belongs here: running Alembic's migrations, safely when several processes start at once. Does not: the migrations
themselves (`migrations/versions`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from clickstream_platform.errors import RegistryError
from clickstream_platform.registry.store import Store

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0003"
"""The newest migration."""
VERSION_TABLE = "registry_schema_version"
"""Not Alembic's default name, which Dagster's storage uses in the same PostgreSQL database."""
_LOCK = 0x636C69636B  # any number nobody else uses with PostgreSQL's advisory locks


def migrate(store: Store, revision: str = HEAD) -> None:
    """Bring the database to `revision`, up or down; a database that is there already is only read.

    Raises RegistryError when a newer version of the platform made the database.
    """
    with store.reading() as transaction:
        current = current_revision(transaction.connection)
    if current == revision:
        return
    with store.begin_writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        # Another process may have migrated while this one waited for its turn.
        current = current_revision(connection)
        if current != revision:
            _run(connection, current, revision, store.url)


def current_revision(connection: sa.Connection) -> str | None:
    """Return the migration the database is at; None when it is empty."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return found


def alembic_config() -> Config:
    """Return the configuration of Alembic, without any file."""
    from alembic.config import Config  # here, because a database that is up to date never needs Alembic

    config = Config()
    # Alembic's configuration treats `%` as the start of a variable.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _run(connection: sa.Connection, current: str | None, revision: str, url: str) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = alembic_config()
    config.attributes["connection"] = connection
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    if current is not None and current not in known:
        raise RegistryError(
            "opening the registry",
            where=url,
            cause=f"its schema {current!r} is unknown to this version, which has {known[-1]!r}",
            remedy="Use the newer version of the platform that made it.",
        )
    positions = ["base", *known]
    if positions.index(revision) > positions.index(current or "base"):
        command.upgrade(config, revision)
    else:
        command.downgrade(config, revision)
