"""Transactions beside each other: locks, error 1023, snapshots, statements that end a transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from clickstream_platform_tests.redshift_stand_in_tests.client import Client, Parts, SqlFailedError

OpenClient = Callable[[], Client]


def in_background(work: Callable[[], object]) -> threading.Thread:
    """Start work that is expected to wait, and see that it does."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    return thread


def test_two_transactions_that_read_and_write_a_table_give_1023(open_client: OpenClient) -> None:
    first, second = open_client(), open_client()
    first.run("CREATE TABLE t (a INT)")
    for client in (first, second):
        client.run("BEGIN")
        client.run("SELECT COUNT(*) FROM t")
    first.run("INSERT INTO t VALUES (1)")
    errors: list[SqlFailedError] = []

    def write_too() -> None:
        try:
            second.run("INSERT INTO t VALUES (2)")
            second.run("COMMIT")
        except SqlFailedError as error:
            errors.append(error)

    waiting = in_background(write_too)
    first.run("COMMIT")
    waiting.join()
    assert [(error.code, error.message) for error in errors] == [("XX000", "1023")]
    assert "Serializable isolation violation on table" in errors[0].detail
    second.run("ROLLBACK")
    assert second.run("SELECT a FROM t") == [(1,)]


def test_writers_of_a_table_wait_for_each_other_and_readers_do_not(open_client: OpenClient, parts: Parts) -> None:
    first, second = open_client(), open_client()
    first.run("CREATE TABLE t (a BIGINT)")
    for client in (first, second):
        client.run("BEGIN")
    first.run("INSERT INTO t VALUES (1)")
    copy = parts.copy("t", parts.parquet(a=[2]))
    waiting = in_background(lambda: second.run(copy))
    assert open_client().run("SELECT COUNT(*) FROM t") == [(0,)]
    first.run("COMMIT")
    waiting.join()
    second.run("COMMIT")
    assert second.run("SELECT a FROM t ORDER BY a") == [(1,), (2,)]


def test_lock_comes_before_the_snapshot(open_client: OpenClient) -> None:
    """Who waits for a lock sees what its holder has committed."""
    first, second = open_client(), open_client()
    first.run('CREATE TABLE "lock$" (x BOOLEAN)')
    first.run("CREATE TABLE t (a INT)")
    first.run("BEGIN")
    first.run('LOCK TABLE "lock$"')
    second.run("BEGIN")
    waiting = in_background(lambda: second.run("LOCK lock$"))
    first.run("INSERT INTO t VALUES (1)")
    first.run("COMMIT")
    waiting.join()
    assert second.run("SELECT COUNT(*) FROM t") == [(1,)]
    second.run("INSERT INTO t SELECT COUNT(*) FROM t")
    second.run("COMMIT")


def test_a_lock_of_what_is_missing(client: Client) -> None:
    for name, code in (("missing", "42P01"), ("missing.t", "3F000")):
        client.run("BEGIN")
        with pytest.raises(SqlFailedError) as failed:
            client.run(f"LOCK TABLE {name}")
        assert failed.value.code == code
        client.run("ROLLBACK")


def test_a_transaction_keeps_its_snapshot(open_client: OpenClient) -> None:
    first, second = open_client(), open_client()
    first.run("CREATE TABLE t (a INT)")
    first.run("BEGIN READ ONLY")
    assert first.run("SELECT COUNT(*) FROM t") == [(0,)]
    second.run("INSERT INTO t VALUES (1)")
    assert first.run("SELECT COUNT(*) FROM t") == [(0,)]
    first.run("END")
    assert first.run("SELECT COUNT(*) FROM t") == [(1,)]


def test_tables_are_created_in_the_transaction(open_client: OpenClient) -> None:
    first, second = open_client(), open_client()
    first.run("BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    first.run("CREATE TABLE t (a INT) DISTSTYLE EVEN")
    first.run("CREATE TEMP TABLE u AS SELECT 1 AS a")
    first.run("INSERT INTO t SELECT a FROM u")
    assert second.run("SELECT table_name FROM svv_tables") == []
    first.run("COMMIT")
    assert second.run("SELECT \"table\", diststyle FROM svv_table_info WHERE schema = 'public'") == [("t", "EVEN")]
    with pytest.raises(SqlFailedError, match="does not exist"):
        second.run("SELECT * FROM u")


def test_truncate_commits(open_client: OpenClient) -> None:
    first, second = open_client(), open_client()
    first.run("CREATE TABLE t (a INT)")
    first.run("BEGIN")
    first.run("CREATE TABLE u (a INT)")
    first.run("TRUNCATE TABLE t")
    assert second.run("SELECT COUNT(*) FROM u") == [(0,)]
    first.run("ROLLBACK")
    assert second.run("SELECT COUNT(*) FROM u") == [(0,)]


def test_update_from_delete_using_and_merge(client: Client) -> None:
    client.run("CREATE SCHEMA s")
    client.run("CREATE TABLE s.t (id INT, n INT)")
    client.run("CREATE TEMP TABLE new (id INT, n INT)")
    client.run("INSERT INTO s.t VALUES (1, 1), (2, 2), (3, 3)")
    client.run("INSERT INTO new VALUES (1, 10), (4, 40)")
    client.run('UPDATE "s"."t" SET n = t.n + moved.n FROM (SELECT id, n FROM new) AS moved WHERE "s"."t".id = moved.id')
    client.run('DELETE FROM "s"."t" USING new AS late WHERE late.id + 1 = "s"."t".id')
    assert client.cursor.rowcount == 1
    client.run(
        "MERGE INTO s.t USING new ON t.id = new.id WHEN MATCHED THEN UPDATE SET n = new.n "
        "WHEN NOT MATCHED THEN INSERT (id, n) VALUES (new.id, new.n)"
    )
    client.run("DELETE s.t WHERE id = 3")
    assert client.run("SELECT id, n FROM s.t ORDER BY id") == [(1, 10), (4, 40)]
