"""The database's schema: up, down, the same as the tables in code, and what happens on a database that does not fit."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from clickstream_platform.errors import ConfigurationError, RegistryError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.entities import Policy
from clickstream_platform.registry.migrating import HEAD, VERSION_TABLE, alembic_config, current_revision, migrate
from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.refusals import RegistryUnavailableError
from clickstream_platform.registry.service import RegistryService
from clickstream_platform.registry.store import Store
from clickstream_platform.registry.tables import metadata


def _tables(store: Store) -> set[str]:
    with store.engine.connect() as connection:
        return set(sa.inspect(connection).get_table_names())


def test_the_newest_migration_is_the_one_in_code() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [HEAD]


def test_up_and_down_and_up_again(database_url: str) -> None:
    store = Store(database_url)
    migrate(store)
    assert _tables(store) == {*metadata.tables, VERSION_TABLE}

    migrate(store, "base")
    assert _tables(store) == {VERSION_TABLE}
    with store.engine.connect() as connection:
        assert current_revision(connection) is None

    migrate(store)
    assert _tables(store) == {*metadata.tables, VERSION_TABLE}
    store.close()


def test_the_migrations_build_the_tables_in_code(database_url: str) -> None:
    store = Store(database_url)
    migrate(store)
    options = {"version_table": VERSION_TABLE, "compare_type": True, "target_metadata": metadata}
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    store.close()


def test_what_is_stored_survives_opening_again(database_url: str, clock: FixedClock) -> None:
    with open_registry(database_url, clock) as service:
        service.add_customer("acme")
        before = service.snapshot()
    with open_registry(database_url, clock) as service:
        assert service.snapshot() == before


def test_rows_of_the_first_form_survive_the_second_and_the_way_back(database_url: str, clock: FixedClock) -> None:
    store = Store(database_url)
    migrate(store, "0001")
    with store.begin_writing() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO registry_customers (slug, display_name, auto_activate, schema_mode, dedup_window_hours, "
                "column_limit, destination, isolated, created_at, revision) "
                "VALUES ('acme', 'Acme', true, 'evolve', 24, 1600, 'default', false, '2026-11-22 09:00:00', 1)"
            )
        )
        connection.execute(
            sa.text(
                "INSERT INTO registry_events (customer, slug, display_name, state, first_seen_at, seen_records, "
                "revision) VALUES ('acme', 'a', 'A', 'paused', '2026-11-22 09:00:00', 3, 4)"
            )
        )
    migrate(store)
    service = RegistryService(store, clock)
    assert service.get_customer("acme").policy == Policy()
    event = service.get_event("acme", "a")
    assert (event.seen_records, event.activation, event.waiting_records, event.revision) == (3, 1, 0, 4)
    assert service.resume_event("acme", "a").activation == 2
    service.add_token("me", "admin")

    migrate(store, "0001")
    with store.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT state FROM registry_events")).scalar_one() == "active"
    migrate(store)
    assert service.get_event("acme", "a").state.value == "active"
    store.close()


def test_a_failed_migration_leaves_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(database_url)
    monkeypatch.setattr("alembic.op.create_index", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        migrate(store)
    assert _tables(store) == set()
    store.close()


def test_a_database_of_a_newer_version_is_refused(database_url: str, clock: FixedClock) -> None:
    open_registry(database_url, clock).close()
    store = Store(database_url)
    with store.begin_writing() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    store.close()
    with pytest.raises(RegistryError, match="newer version"):
        open_registry(database_url, clock)


def test_the_folder_may_have_any_name(tmp_path: Path, clock: FixedClock) -> None:
    folder = tmp_path / "100%s {x} 注文"
    with open_registry(f"sqlite:///{folder}/registry.db", clock) as service:
        assert service.list_customers() == []
    assert (folder / "registry.db").is_file()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://user:hunter2@host/db", "oracle+cx://user:hunter2@host/db"])
def test_a_url_that_cannot_be_used_is_refused_and_not_repeated(url: str, clock: FixedClock) -> None:
    with pytest.raises(ConfigurationError, match="CLICKSTREAM_REGISTRY_URL") as refusal:
        open_registry(url, clock)
    assert "hunter2" not in str(refusal.value)


def test_a_file_that_is_no_database_is_terminal(tmp_path: Path, clock: FixedClock) -> None:
    (tmp_path / "registry.db").write_bytes(b"no database" * 100)
    with pytest.raises(RegistryError, match="not a database"):
        open_registry(f"sqlite:///{tmp_path}/registry.db", clock)
    with pytest.raises(ConfigurationError, match="folder"):
        open_registry(f"sqlite:///{tmp_path}/registry.db/registry.db", clock)


def test_a_database_that_is_away_is_retryable(tmp_path: Path, clock: FixedClock) -> None:
    with pytest.raises(RegistryUnavailableError) as refusal:
        open_registry(f"postgresql+psycopg2://user:hunter2@/db?host={tmp_path}", clock)
    assert "hunter2" not in str(refusal.value)


def test_another_writer_that_holds_on_is_retryable(tmp_path: Path, clock: FixedClock) -> None:
    url = f"sqlite:///{tmp_path}/registry.db"
    open_registry(url, clock).close()
    store = Store(url, busy_timeout_seconds=0.05)
    other = sqlite3.connect(tmp_path / "registry.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RegistryUnavailableError, match="locked"), store.writing():
        pytest.fail("the lock is somebody else's")
    other.close()
    with store.writing() as transaction:
        assert transaction.version() == 0
    store.close()
