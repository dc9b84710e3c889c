"""Programmed faults, from this process and by SQL, and the log of statements."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from redshift_connector.error import Error

from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn, Statement
from clickstream_platform_tests.redshift_stand_in_tests.client import Client, Parts, SqlFailedError, refusal

OpenClient = Callable[[], Client]


def test_the_nth_matching_statement_gives_1023(stand_in: RedshiftStandIn, client: Client) -> None:
    client.run("CREATE TABLE t (a INT)")
    fault = stand_in.faults.add("serialization", "^INSERT", nth=2)
    client.run("BEGIN")
    client.run("INSERT INTO t VALUES (1)")
    with pytest.raises(SqlFailedError, match="1023"):
        client.run("INSERT INTO t VALUES (2)")
    with pytest.raises(SqlFailedError, match="aborted"):
        client.run("INSERT INTO t VALUES (3)")
    client.run("ROLLBACK")
    client.run("INSERT INTO t VALUES (4)")
    assert client.run("SELECT a FROM t") == [(4,)]
    assert fault.is_over


def test_throttling_and_errors_of_any_kind(stand_in: RedshiftStandIn, client: Client, parts: Parts) -> None:
    client.run("CREATE TABLE t (a BIGINT)")
    stand_in.faults.add("throttle", "^COPY", times=2)
    stand_in.faults.add("error", "^SELECT", code="57014", message="cancelled on user's request")
    copy = parts.copy("t", parts.parquet(a=[1]))
    for _ in range(2):
        with pytest.raises(SqlFailedError, match="Error SlowDown"):
            client.run(copy)
    client.run(copy)
    with pytest.raises(SqlFailedError, match="cancelled"):
        client.run("SELECT a FROM t")
    assert client.run("SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize(("kind", "rows"), [("drop_before", 0), ("drop_after", 1)])
@pytest.mark.parametrize("pattern", ["^COMMIT", "^INSERT"])
def test_the_connection_drops(
    stand_in: RedshiftStandIn, open_client: OpenClient, kind: str, rows: int, pattern: str
) -> None:
    """After a COMMIT the rows are there, though nobody was told; an INSERT without BEGIN commits by itself."""
    client = open_client()
    client.run("CREATE TABLE t (a INT)")
    stand_in.faults.add(kind, pattern)  # type: ignore[arg-type]
    if pattern == "^COMMIT":
        client.run("BEGIN")
        client.run("INSERT INTO t VALUES (1)")
    with pytest.raises((Error, OSError)):
        client.run("COMMIT" if pattern == "^COMMIT" else "INSERT INTO t VALUES (1)")
    other = open_client()
    assert other.run("SELECT COUNT(*) FROM t") == [(rows,)]
    other.run("DROP TABLE t")


def test_a_transaction_ends_with_its_connection(stand_in: RedshiftStandIn, open_client: OpenClient) -> None:
    client = open_client()
    client.run("CREATE TABLE t (a INT)")
    stand_in.faults.add("drop_after", "^INSERT")
    client.run("BEGIN")
    with pytest.raises((Error, OSError)):
        client.run("INSERT INTO t VALUES (1)")
    other = open_client()
    other.run("BEGIN")
    other.run("LOCK TABLE t")  # nobody holds it any more
    assert other.run("SELECT COUNT(*) FROM t") == [(0,)]


def test_a_slow_statement(stand_in: RedshiftStandIn, client: Client) -> None:
    stand_in.faults.add("delay", "SELECT 1", seconds=0.2)
    started = time.monotonic()
    assert client.run("SELECT 1") == [(1,)]
    assert time.monotonic() - started >= 0.2


def test_connections_are_refused(stand_in: RedshiftStandIn, open_client: OpenClient) -> None:
    stand_in.faults.add("refuse_connection")
    assert "connection limit" in refusal(stand_in)
    assert open_client().run("SELECT 1") == [(1,)]


def test_faults_by_sql(stand_in: RedshiftStandIn, client: Client) -> None:
    client.run('SET stand_in.fault TO \'{"kind": "serialization", "pattern": "SELECT 1"}\'')
    with pytest.raises(SqlFailedError, match="1023"):
        client.run("SELECT 1")
    client.run('SET stand_in.fault TO \'{"kind": "serialization", "pattern": "SELECT 1"}\'')
    client.run("RESET stand_in.fault")
    assert client.run("SELECT 1") == [(1,)]
    for wrong in ('{"kind": "flood"}', "x", '{"kind": "delay", "colour": 1}', "[]"):
        with pytest.raises(SqlFailedError, match=r"stand_in\.fault"):
            client.run(f"SET stand_in.fault TO '{wrong}'")
    assert stand_in.statements.texts == ["SELECT 1", "SELECT 1"]


def test_the_log_has_what_was_executed_in_order(stand_in: RedshiftStandIn, open_client: OpenClient) -> None:
    first, second = open_client(), open_client()
    heard: list[Statement] = []
    stand_in.statements.listeners.append(heard.append)
    try:
        first.run("BEGIN")
        second.run("SELECT CAST(? AS INT)", 1)
        first.run("COMMIT")
    finally:
        stand_in.statements.listeners.clear()
    assert [(entry.sql, entry.kind) for entry in heard] == [
        ("BEGIN", "BEGIN"),
        ("SELECT CAST($1 AS INT)", "SELECT"),
        ("COMMIT", "COMMIT"),
    ]
    assert heard == stand_in.statements.entries
    assert [entry.session == heard[0].session for entry in heard] == [True, False, True]
    assert stand_in.statements.count("COMMIT") == 1


def test_the_history_of_a_session(client: Client) -> None:
    client.run("SELECT 1")
    (query_id,) = client.run("SELECT pg_last_query_id()")[0]
    with pytest.raises(SqlFailedError):
        client.run("SELECT missing")
    with pytest.raises(SqlFailedError):
        client.run("SELECT CAST(? AS INT)", "x")
    history = "SELECT query_type, status, query_text FROM sys_query_history WHERE session_id = pg_backend_pid()"
    assert client.run(f"{history} AND query_id = ?", query_id) == [("SELECT", "success", "SELECT 1")]


def test_after_a_statement_its_commit_is_known_before_its_client_knows(
    stand_in: RedshiftStandIn, open_client: OpenClient
) -> None:
    client, other = open_client(), open_client()
    client.run("CREATE TABLE t (a INT)")
    seen: list[tuple[str, int]] = []

    def look(statement: Statement) -> None:
        if statement.kind in ("INSERT", "COMMIT"):
            seen.append((statement.kind, other.run("SELECT COUNT(*) FROM t")[0][0]))

    stand_in.statements.after_listeners.append(look)
    try:
        client.run("INSERT INTO t VALUES (1)")
        client.run("BEGIN")
        client.run("INSERT INTO t VALUES (2)")
        client.run("COMMIT")
    finally:
        stand_in.statements.after_listeners.clear()
    assert seen == [("INSERT", 1), ("INSERT", 1), ("COMMIT", 2)]
