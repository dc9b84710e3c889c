"""The unmodified driver: logging in, TLS, parameters, transactions; and a client of the simple protocol."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from redshift_connector.error import Error

from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_stand_in_tests.client import Client, SqlFailedError, connect, refusal


def test_a_wrong_password_and_an_unknown_user_are_refused(stand_in: RedshiftStandIn) -> None:
    for user, password in ((stand_in.user, "wrong"), ("nobody", stand_in.password)):
        assert "password authentication failed" in refusal(stand_in, user=user, password=password)


def test_an_unknown_database_is_refused(stand_in: RedshiftStandIn) -> None:
    assert "does not exist" in refusal(stand_in, "missing")


def test_an_unknown_ca_is_refused(stand_in: RedshiftStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "CERTIFICATE_VERIFY_FAILED" in refusal(stand_in)


def test_a_host_that_the_certificate_does_not_name_is_refused(
    stand_in: RedshiftStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in, "host", "localhost.localdomain")
    monkeypatch.setattr("socket.getaddrinfo", lambda **_: [(2, 1, 6, "", ("127.0.0.1", stand_in.port))])
    assert "localhost.localdomain" in refusal(stand_in)


def test_a_client_without_tls_is_refused(stand_in: RedshiftStandIn) -> None:
    assert "SSL off" in refusal(stand_in, ssl=False)


def test_users_come_and_go(stand_in: RedshiftStandIn, database: str, client: Client) -> None:
    stand_in.add_user("IAM:loader", "first")
    client.run("CREATE TABLE public.t (a INT)")
    with connect(stand_in, database, user="IAM:loader", password="first") as connection:
        loader = Client(connection)
        assert loader.run("SELECT current_user") == [("IAM:loader",)]
        with pytest.raises(SqlFailedError) as refused:
            loader.run("SELECT * FROM public.t")
        assert refused.value.code == "42501"
    stand_in.remove_user("IAM:loader")
    assert "password" in refusal(stand_in, user="IAM:loader", password="first")


def test_parameters_and_results_of_every_type(client: Client) -> None:
    client.run(
        "CREATE TABLE t (a BIGINT, b DOUBLE PRECISION, c BOOLEAN, d VARCHAR(20), e TIMESTAMP, f TIMESTAMPTZ, g DATE, "
        "h DECIMAL(20, 5), i SMALLINT, j REAL)"
    )
    time = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)
    row = (-(2**63), 0.1, True, "ü'\\x", time.replace(tzinfo=None), time, date(2026, 1, 1), Decimal("1.50000"), 7, 0.5)
    client.run(f"INSERT INTO t VALUES ({', '.join('?' * 10)})", *row)
    client.run(f"INSERT INTO t VALUES ({', '.join('?' * 10)})", *[None] * 10)
    assert client.run("SELECT * FROM t WHERE a IS NOT NULL") == [row]
    assert client.run("SELECT * FROM t WHERE a IS NULL") == [(None,) * 10]
    client.run("UPDATE t SET b = ? WHERE a = ?", math.inf, row[0])
    assert client.run("SELECT b FROM t WHERE b = 'Infinity'") == [(math.inf,)]


def test_statements_that_the_driver_keeps_prepared(stand_in: RedshiftStandIn, database: str) -> None:
    with connect(stand_in, database, max_prepared_statements=2) as connection:
        client = Client(connection)
        client.run("CREATE TABLE t (a INT)")
        for number in range(3):
            for table in ("t", "t AS u", "t AS v"):
                assert client.run(f"SELECT COUNT(*) + ? FROM {table}", number) == [(number,)]


def test_the_drivers_own_transactions(stand_in: RedshiftStandIn, database: str) -> None:
    with connect(stand_in, database) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE t (a INT)")
        connection.commit()
        cursor.executemany("INSERT INTO t VALUES (%s)", [(1,), (2,)])
        connection.rollback()
        cursor.executemany("INSERT INTO t VALUES (%s)", [(3,), (4,)])
        assert cursor.rowcount == 2
        connection.commit()
        cursor.execute("SELECT a FROM t ORDER BY a")
        assert [list(row) for row in cursor.fetchall()] == [[3], [4]]
    assert [stand_in.statements.count(kind) for kind in ("BEGIN", "COMMIT", "ROLLBACK", "INSERT")] == [4, 2, 1, 4]


def test_an_error_ends_the_transaction_and_not_the_session(client: Client) -> None:
    client.run("BEGIN")
    client.run("CREATE TABLE t (a INT)")
    with pytest.raises(SqlFailedError) as missing:
        client.run("SELECT * FROM missing")
    assert missing.value.code == "42P01"
    for sql in ("SELECT 1", "CREATE TABLE u (a INT)", "TRUNCATE t"):
        with pytest.raises(SqlFailedError) as aborted:
            client.run(sql)
        assert aborted.value.code == "25P02"
    client.run("ROLLBACK")
    assert client.run("SELECT COUNT(*) FROM svv_tables") == [(0,)]


def test_a_refusal_ends_the_transaction_too(client: Client) -> None:
    client.run("BEGIN")
    with pytest.raises(SqlFailedError, match="SAVEPOINT"):
        client.run("SAVEPOINT here")
    with pytest.raises(SqlFailedError, match="aborted"):
        client.run("SELECT 1")
    client.run("ROLLBACK")


def test_a_slow_statement_is_cancelled(client: Client) -> None:
    client.run("SET statement_timeout TO 50")
    client.run("CREATE TABLE n AS SELECT 1 AS a")
    for _ in range(14):
        client.run("INSERT INTO n SELECT a FROM n")
    with pytest.raises(SqlFailedError, match="cancelled on user's request") as cancelled:
        client.run("SELECT COUNT(*) FROM n AS x, n AS y WHERE x.a + y.a = 3")
    assert cancelled.value.code == "57014"


def test_settings_of_a_session(client: Client) -> None:
    client.run("SET query_group TO 'clickstream'")
    client.run("SET search_path TO shop, public")
    assert client.run("SHOW query_group") == [("clickstream",)]
    assert client.run("SHOW search_path") == [("shop, public",)]
    for sql in ("SET enable_case_sensitive_identifier TO true", "SET work_mem TO 1", "SHOW work_mem"):
        with pytest.raises(SqlFailedError):
            client.run(sql)


def test_the_simple_protocol(stand_in: RedshiftStandIn, database: str, tmp_path: Path) -> None:
    """Parameters are in the text there; a backslash escapes in a literal, as on Redshift."""
    psycopg2 = pytest.importorskip("psycopg2")
    connection = psycopg2.connect(
        host="localhost", port=stand_in.port, user=stand_in.user, password=stand_in.password, dbname=database,
        sslmode="verify-full", sslrootcert=str(stand_in.ca_file),
    )  # fmt: skip
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (a VARCHAR(20), s SUPER) SORTKEY(a)")
            cursor.execute("INSERT INTO t SELECT %s, JSON_PARSE('[1, 2]')", ("ü\\'x",))
            cursor.execute("SELECT a, s FROM t")
            assert cursor.fetchall() == [("ü\\'x", "[1,2]")]
            with pytest.raises(psycopg2.Error, match="one statement at a time"):
                cursor.execute("SELECT 1; SELECT 2")
    finally:
        connection.close()


def test_databases_are_apart_and_can_be_emptied(stand_in: RedshiftStandIn) -> None:
    name = stand_in.create_database()
    try:
        for _ in range(2):
            with connect(stand_in, name) as connection:
                client = Client(connection)
                client.run("CREATE SCHEMA shop")
                client.run("CREATE TABLE shop.t (a INT)")
                client.run("CREATE TABLE t (a INT)")
                client.run("BEGIN")
                client.run("LOCK TABLE t")
                stand_in.empty_database(name)
    finally:
        stand_in.drop_database(name)
    assert "does not exist" in refusal(stand_in, name)


def test_connections_can_all_be_dropped(stand_in: RedshiftStandIn, open_client: Callable[[], Client]) -> None:
    clients = [open_client(), open_client()]
    stand_in.drop_connections()
    for client in clients:
        with pytest.raises((Error, OSError)):
            client.run("SELECT 1")
    assert open_client().run("SELECT 1") == [(1,)]
