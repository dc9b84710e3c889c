"""What Redshift doesn't have or the stand-in doesn't know is refused by name; what both have is passed on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_stand_in_tests.client import Client, SqlFailedError, connect

ROWS = (
    "CREATE TABLE t AS SELECT 1 AS id, 'a' AS k, TIMESTAMP '2026-01-31 10:00:00' AS time, JSON_PARSE('[1]') AS s "
    "UNION ALL SELECT 2, 'a', TIMESTAMP '2026-02-28 10:00:00', NULL "
    "UNION ALL SELECT 3, 'b', NULL, JSON_PARSE('{}')"
)


def at(*parts: int) -> datetime:
    """Return a time as TIMESTAMP gives it."""
    year, month, day, hour = (*parts, 0)[:4]
    return datetime(year, month, day, hour, tzinfo=UTC).replace(tzinfo=None)


@pytest.fixture(scope="module")
def client(running_stand_in: RedshiftStandIn) -> Iterator[Client]:
    """Return a session on a database with one table; these tests change nothing."""
    running_stand_in.faults.clear()
    database = running_stand_in.create_database()
    opened = Client(connect(running_stand_in, database))
    opened.run(ROWS)
    yield opened
    opened.close()
    running_stand_in.drop_database(database)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SAVEPOINT a", "SAVEPOINT"),
        ("ROLLBACK TO a", "savepoints"),
        ("CREATE INDEX i ON t (id)", "INDEX"),
        ("CREATE TYPE x AS ENUM ()", "TYPE"),
        ("CREATE SEQUENCE x", "SEQUENCE"),
        ("CREATE UNLOGGED TABLE x (a INT)", "UNLOGGED"),
        ("CREATE VIEW v AS SELECT 1 WITH NO SCHEMA BINDING", "late-binding"),
        ("COMMENT ON TABLE t IS 'x'", "COMMENT"),
        ("DO 'x'", "DO"),
        ("UNLOAD ('SELECT 1') TO 's3://b/'", "UNLOAD"),
        ("COPY t TO STDOUT", "TO"),
        ("LISTEN x", "LISTEN"),
        ("LOCK TABLE t IN SHARE MODE", "mode in LOCK"),
        ("DROP FUNCTION f()", "FUNCTION"),
        ("ALTER SCHEMA public RENAME TO x", "SCHEMA"),
        ("INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING", "ON CONFLICT"),
        ("INSERT INTO t (id) VALUES (1) RETURNING id", "RETURNING"),
        ("DELETE FROM t AS u WHERE u.id = 9", "alias"),
        ("WITH gone AS (DELETE FROM t RETURNING id) SELECT * FROM gone", "DELETE"),
        ("SELECT * FROM (VALUES (1), (2)) AS v", "VALUES"),
        ("VALUES (1)", "VALUES"),
        ("SELECT id INTO u FROM t", "INTO"),
        ("SELECT DISTINCT ON (k) * FROM t", "DISTINCT ON"),
        ("SELECT COUNT(*) FILTER (WHERE id > 1) FROM t", "FILTER"),
        ("SELECT * FROM t, LATERAL (SELECT 1) AS x", "LATERAL"),
        ("SELECT * FROM t FOR UPDATE", "FOR UPDATE"),
        ("SELECT * FROM t WHERE id IS NOT DISTINCT FROM 1", "DISTINCT FROM"),
        ("SELECT ARRAY[1, 2]", "ARRAY"),
        ("SELECT s -> 'a' FROM t", "->"),
        ("SELECT '{}'::jsonb", "JSONB"),
        ("SELECT CAST('{}' AS JSON)", "JSON"),
        ("SELECT jsonb_agg(id) FROM t", "jsonb_agg"),
        ("SELECT pg_sleep(1)", "pg_sleep"),
        ("SELECT public.f(1)", "public.f"),
        ("SELECT string_agg(k, ',') FROM t", "string_agg"),
        ("SELECT * FROM generate_series(1, 2)", "generate_series"),
        ("SELECT unnest('{1,2}')", "unnest"),
        ("SELECT SUM(id) OVER (ORDER BY id) FROM t", "frame clause"),
        ("SELECT LAST_VALUE(id) OVER (PARTITION BY k ORDER BY id) FROM t", "frame clause"),
        ("SELECT SUM(id) OVER w FROM t WINDOW w AS (PARTITION BY k)", "named window"),
        ("SELECT id FROM t FETCH FIRST 1 ROW ONLY", "FETCH FIRST"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("SELECT $1$x$1$", "syntax error"),
    ],
)
def test_refused(client: Client, sql: str, named: str) -> None:
    with pytest.raises(SqlFailedError) as refused:
        client.run(sql)
    assert named in refused.value.message
    assert refused.value.code in ("0A000", "42601", "42883")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("DATEADD(month, 1, TIMESTAMP '2026-01-15 10:00:00')", at(2026, 2, 15, 10)),
        ("DATEDIFF(day, TIMESTAMP '2026-01-01 23:59:59', TIMESTAMP '2026-01-02 00:00:00')", 1),
        ("DATEDIFF(week, TIMESTAMP '2026-11-21 00:00:00', TIMESTAMP '2026-11-22 00:00:00')", 1),
        ("DATEDIFF('months', TIMESTAMP '2025-12-31 00:00:00', TIMESTAMP '2026-02-01 00:00:00')", 2),
        ("DATE_TRUNC('hour', TIMESTAMP '2026-11-22 12:34:56')", at(2026, 11, 22, 12)),
        ("GETDATE() <= SYSDATE", True),
        ("NVL(NULL, 2)", 2),
        ("LEN('üx')", 2),
        ("OCTET_LENGTH('üx')", 3),
        ("'a\\\\b'", "a\\b"),
        ("'it''s'", "it's"),
        ("JSON_EXTRACT_PATH_TEXT('{\"a\": {\"b\": \"x\"}}', 'a', 'b')", "x"),
        ("CAN_JSON_PARSE('[1')", False),
        ("IS_VALID_JSON('{\"a\": 1}')", True),
        ("CONVERT_TIMEZONE('Europe/Vienna', TIMESTAMP '2026-01-01 00:00:00')", at(2026, 1, 1, 1)),
        ("CAST(1 AS DOUBLE PRECISION) / 4", 0.25),
        ("POSITION('b' IN 'abc')", 2),
        ("EXTRACT(year FROM TIMESTAMP '2026-01-01 00:00:00') = 2026", True),
        ("CASE WHEN EXISTS (SELECT 1 FROM t) THEN 1 END", 1),
        ("TIMESTAMP '2026-01-01 00:00:00' + INTERVAL '86400 seconds'", at(2026, 1, 2)),
        ("VERSION() LIKE '%Redshift 1.0%'", True),
    ],
)
def test_expressions(client: Client, expression: str, value: object) -> None:
    assert client.run(f"SELECT {expression}") == [(value,)]


def test_qualify(client: Client) -> None:
    sql = "SELECT id, k FROM t WHERE id <> ? QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY id DESC) = 1 ORDER BY k"
    assert client.run(sql, 0) == [(2, "a"), (3, "b")]


@pytest.mark.parametrize("form", ["(time IGNORE NULLS)", "(time) IGNORE NULLS"])
@pytest.mark.parametrize("frame", ["ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"])
def test_ignore_nulls(client: Client, form: str, frame: str) -> None:
    found = client.run(
        f"SELECT id, FIRST_VALUE{form} OVER (PARTITION BY k ORDER BY id DESC {frame}), "
        f"LAST_VALUE{form} OVER (ORDER BY id {frame}), "
        f"JSON_PARSE(LAST_VALUE(JSON_SERIALIZE(s) IGNORE NULLS) OVER (PARTITION BY k ORDER BY id {frame})) "
        "FROM t ORDER BY id"
    )
    last = at(2026, 2, 28, 10)
    assert found == [(1, last, last, "[1]"), (2, last, last, "[1]"), (3, None, last, "{}")]


def test_queries_of_many_parts(client: Client) -> None:
    sql = (
        "WITH twice (n, name) AS (SELECT id, k FROM t UNION ALL SELECT id + 10, k FROM t) "
        "SELECT name, COUNT(DISTINCT n), MIN(n) FROM twice AS b "
        "JOIN (SELECT k FROM t GROUP BY k) AS g (kk) ON g.kk = b.name "
        "WHERE n IN (1, 2, 13) AND name LIKE '_' GROUP BY 1 HAVING COUNT(*) > 0 ORDER BY name DESC NULLS LAST LIMIT 5"
    )
    assert client.run(sql) == [("b", 1, 13), ("a", 2, 1)]


def test_a_statement_has_a_limit(client: Client) -> None:
    with pytest.raises(SqlFailedError, match="Statement is too large"):
        client.run(f"SELECT '{'x' * 16 * 1024 * 1024}'")
