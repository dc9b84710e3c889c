"""Tables by Redshift's rules: types, VARCHAR in bytes, SUPER, physical design, changes of columns, system views."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clickstream_platform_tests.redshift_stand_in_tests.client import Client, SqlFailedError

LONG = "n" * 126 + "x"


def code(client: Client, sql: str, *params: object) -> str:
    """Return the SQLSTATE a statement fails with."""
    with pytest.raises(SqlFailedError) as failed:
        client.run(sql, *params)
    return failed.value.code


def test_varchar_counts_bytes(client: Client) -> None:
    client.run("CREATE TABLE t (a VARCHAR(4), b VARCHAR)")
    client.run("INSERT INTO t VALUES ('üü', ?)", "x" * 256)
    for value in ("üüx", "12345"):
        assert code(client, "INSERT INTO t (a) VALUES (?)", value) == "22001"
        assert code(client, "UPDATE t SET a = ?", value) == "22001"
    client.run("CREATE TABLE u AS SELECT a FROM t")
    assert code(client, "INSERT INTO u VALUES ('üüx')") == "22001"
    assert code(client, "INSERT INTO t (b) VALUES (?)", "x" * 257) == "22001"
    assert client.run("SELECT CAST('üüü' AS VARCHAR(5)), CAST('abc' AS VARCHAR(2))") == [("üü", "ab")]
    assert code(client, "CREATE TABLE v (a VARCHAR(65536))") == "22023"


def test_super_holds_json(client: Client) -> None:
    client.run("CREATE TABLE t (id INT, s SUPER)")
    client.run("INSERT INTO t SELECT 1, JSON_PARSE(?)", '{"b": [1, " x  y"], "a": 1.50}')
    client.run("INSERT INTO t SELECT 2, NULL")
    client.run("INSERT INTO t SELECT 3, CAST(? AS VARCHAR(20))", '{"a": 1}')
    assert client.run("SELECT s, JSON_SERIALIZE(s), JSON_TYPEOF(s) FROM t ORDER BY id") == [
        ('{"b":[1," x  y"],"a":1.50}', '{"b":[1," x  y"],"a":1.50}', "object"),
        (None, None, None),
        (r'"{\"a\": 1}"', r'"{\"a\": 1}"', "string"),
    ]
    assert client.run("SELECT COUNT(DISTINCT s), COUNT(s) FROM t WHERE s IS NOT NULL") == [(2, 2)]
    assert client.cursor.description is not None
    assert code(client, "SELECT JSON_PARSE('{')") == "22P02"
    client.run("SELECT s FROM t")
    assert client.cursor.description[0][1] == 4000  # the driver's type code of SUPER


def test_names_are_folded_and_can_be_long(client: Client) -> None:
    client.run(f'CREATE TABLE "{LONG}" ("{LONG}" BIGINT, "Upper Case" BIGINT, "注文_金額" BIGINT) DISTKEY("{LONG}")')
    client.run(f'INSERT INTO {LONG} ("{LONG.upper()}", "upper case", "注文_金額") VALUES (1, 2, 3)')
    assert client.run(f'SELECT *, 4 AS "{LONG[:-1]}y" FROM "{LONG}"') == [(1, 2, 3, 4)]
    names = [column[0] for column in client.cursor.description]
    assert names == [LONG, "upper case", "注文_金額", f"{LONG[:-1]}y"]
    catalog = (
        "SELECT c.relname, a.attname FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c "
        "ON c.oid = a.attrelid WHERE c.relname = ? AND a.attnum > 0 ORDER BY a.attnum"
    )
    assert client.run(catalog, LONG) == [(LONG, name) for name in names[:3]]
    for view in ("information_schema.columns", "svv_columns", "svv_redshift_columns"):
        assert client.run(f"SELECT column_name FROM {view} WHERE table_name = ? ORDER BY 1", LONG)[0] == (LONG,)
    assert client.run('SELECT diststyle FROM svv_table_info WHERE "table" = ?', LONG) == [(f"KEY({LONG})",)]
    with pytest.raises(SqlFailedError, match=LONG[:-1] + "z"):
        client.run(f'SELECT "{LONG[:-1]}z" FROM "{LONG}"')
    assert code(client, f'CREATE TABLE "{LONG}x" (a INT)') == "42622"
    assert code(client, f'CREATE TABLE "{"ü" * 64}" (a INT)') == "42622"


def test_the_physical_design_is_kept(client: Client) -> None:
    client.run(
        "CREATE TABLE t (id VARCHAR(10) ENCODE ZSTD, time TIMESTAMP, n BIGINT IDENTITY(5, 2), PRIMARY KEY (id)) "
        "DISTSTYLE KEY DISTKEY(id) COMPOUND SORTKEY(time, id) ENCODE AUTO"
    )
    client.run("INSERT INTO t (id) VALUES ('a'), ('a')")
    assert client.run("SELECT id, n FROM t ORDER BY n") == [("a", 5), ("a", 7)]  # the key is not enforced
    assert code(client, "INSERT INTO t (id) VALUES (NULL)") == "23502"
    columns = "diststyle, sortkey1, sortkey_num, max_varchar, tbl_rows >= 0"
    assert client.run(f"SELECT {columns} FROM svv_table_info") == [("KEY(id)", "time", 2, 10, True)]
    assert sorted(client.run('SELECT "column", type, encoding, distkey, sortkey, "notnull" FROM pg_table_def')) == [
        ("id", "character varying(10)", "zstd", True, 2, True),
        ("n", "bigint", "auto", False, 0, True),
        ("time", "timestamp without time zone", "auto", False, 1, False),
    ]
    client.run("CREATE TABLE u (LIKE t INCLUDING DEFAULTS)")
    client.run("ALTER TABLE t RENAME COLUMN id TO other")
    client.run("INSERT INTO u (id, n) VALUES ('a', 1)")
    found = dict(client.run('SELECT "table", diststyle FROM svv_table_info'))
    assert found == {"t": "KEY(other)", "u": "KEY(id)"}
    assert code(client, "ALTER TABLE t DROP COLUMN other") == "0A000"
    client.run("CREATE TABLE IF NOT EXISTS t (a INT) DISTSTYLE ALL")
    assert client.run("SELECT diststyle FROM svv_table_info WHERE \"table\" = 't'") == [("KEY(other)",)]


@pytest.mark.parametrize(
    "definition",
    [
        "(a INT) DISTSTYLE KEY",
        "(a INT) DISTSTYLE EVEN DISTKEY(a)",
        "(a INT) DISTKEY(b)",
        "(a INT) SORTKEY(b)",
        "(a SUPER) SORTKEY(a)",
        "(a INT DISTKEY, b INT DISTKEY)",
        "(a INT ENCODE GZIP)",
        "(a JSONB)",
        "(a TEXT[])",
        "(a DOUBLE)",
        "(a INT CHECK (a > 0))",
        "(a INT) PARTITION BY RANGE (a)",
        "(a INT) WITH (fillfactor = 50)",
    ],
)
def test_definitions_that_redshift_refuses(client: Client, definition: str) -> None:
    assert code(client, f"CREATE TABLE t {definition}") in ("42601", "42703", "42704", "0A000", "22023")


def test_a_table_has_1600_columns_at_most(client: Client) -> None:
    client.run(f"CREATE TABLE t ({', '.join(f'c{number} BIGINT' for number in range(1600))})")
    assert code(client, "ALTER TABLE t ADD COLUMN one_more BIGINT") == "54011"
    client.run("INSERT INTO t (c0, c1599) VALUES (1, 2)")
    assert client.run("SELECT c0, c800, c1599 FROM t") == [(1, None, 2)]
    columns = ", ".join(f"c{number} BIGINT" for number in range(1601))
    assert code(client, f"CREATE TABLE u ({columns})") == "54011"


def test_columns_are_added_one_by_one(client: Client) -> None:
    client.run("CREATE TABLE t (a INT)")
    client.run("INSERT INTO t VALUES (1)")
    client.run("ALTER TABLE t ADD COLUMN b VARCHAR(10) DEFAULT 'x' NOT NULL ENCODE ZSTD")
    client.run("ALTER TABLE t ADD c SUPER")
    assert client.run("SELECT * FROM t") == [(1, "x", None)]
    for refused in (
        "ADD COLUMN d INT, ADD COLUMN e INT",
        "ADD COLUMN d INT NOT NULL",
        "ADD COLUMN IF NOT EXISTS d INT",
        "ADD COLUMN d INT DISTKEY",
        "DROP COLUMN IF EXISTS a",
        "ALTER COLUMN a TYPE BIGINT",
        "ALTER COLUMN a SET NOT NULL",
        "SET SCHEMA other",
    ):
        assert code(client, f"ALTER TABLE t {refused}") in ("0A000", "42601")
    assert code(client, "ALTER TABLE t ADD COLUMN a INT") == "42701"


def test_varchar_is_widened_outside_a_transaction(client: Client) -> None:
    client.run("CREATE TABLE t (a VARCHAR(4), b VARCHAR(4) DEFAULT 'x', c BIGINT)")
    client.run("INSERT INTO t (a) VALUES ('üü')")
    client.run("BEGIN")
    assert code(client, "ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(8)") == "25001"
    client.run("ROLLBACK")
    client.run("ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(8)")
    client.run("ALTER TABLE t ALTER COLUMN a ENCODE ZSTD")
    client.run("UPDATE t SET a = 'üüüü'")
    with pytest.raises(SqlFailedError, match="target column size should be different"):
        client.run("ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(8)")
    for refused in ("a TYPE VARCHAR(7)", "b TYPE VARCHAR(9)", "c TYPE VARCHAR(9)"):
        assert code(client, f"ALTER TABLE t ALTER COLUMN {refused}") == "0A000"
    assert code(client, "ALTER TABLE t ALTER COLUMN d TYPE VARCHAR(9)") == "42703"


def test_rows_of_another_table_are_appended(client: Client) -> None:
    client.run("CREATE TABLE t (a INT, b INT)")
    client.run("CREATE TABLE u (a INT)")
    client.run("INSERT INTO u VALUES (1)")
    assert code(client, "ALTER TABLE t APPEND FROM u") == "0A000"
    client.run("BEGIN")
    assert code(client, "ALTER TABLE t APPEND FROM u FILLTARGET") == "25001"
    client.run("ROLLBACK")
    client.run("ALTER TABLE t APPEND FROM u FILLTARGET")
    assert client.run("SELECT * FROM t") == [(1, None)]
    assert client.run("SELECT * FROM u") == []


def test_maintenance(client: Client) -> None:
    client.run("CREATE TABLE t (a INT, b INT) SORTKEY(a)")
    client.run("INSERT INTO t VALUES (1, 2), (3, 4)")
    for sql in ("ANALYZE t", "ANALYZE t (a) ", "ANALYZE t PREDICATE COLUMNS", "ANALYZE VERBOSE t ALL COLUMNS"):
        client.run(sql)
    for sql in ("VACUUM", "VACUUM t", "VACUUM FULL t TO 99 PERCENT BOOST", "VACUUM SORT ONLY t", "VACUUM RECLUSTER t"):
        client.run(sql)
    client.run("BEGIN")
    assert code(client, "VACUUM t") == "25001"
    client.run("ROLLBACK")


def test_maintenance_is_seen_in_the_table_info(open_client: Callable[[], Client]) -> None:
    writer = open_client()
    writer.run("CREATE TABLE t (a INT) SORTKEY(a)")
    writer.run("INSERT INTO t VALUES (1), (2)")
    writer.close()  # PostgreSQL counts a session's rows some seconds later, or when it ends
    client = open_client()
    info = "SELECT unsorted, stats_off, tbl_rows FROM svv_table_info"
    assert client.run(info) == [(100, 100, 2)]
    client.run("ANALYZE t PREDICATE COLUMNS")
    assert client.run(info) == [(100, 0, 2)]
    client.run("VACUUM t")
    assert client.run(info) == [(0, 0, 2)]
