"""COPY of Parquet by manifest: what is loaded, what is refused, who may read, what the error views say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_stand_in_tests.client import Client, Parts, SqlFailedError

NASTY = ["", " ", "\\N", "\\.", "a\\nb", "tab\there", "line\nfeed\r\n", "quote'\"", "ünï\U0001f600", "\\", None, "null"]


def failure(client: Client, sql: str) -> SqlFailedError:
    """Return how a statement fails."""
    with pytest.raises(SqlFailedError) as failed:
        client.run(sql)
    return failed.value


def test_every_text_arrives_as_it_was(client: Client, parts: Parts) -> None:
    client.run("CREATE TABLE t (n INT, a VARCHAR(20), b VARCHAR(20))")
    numbers = pa.array(range(len(NASTY)), pa.int32())
    client.run(parts.copy("t", parts.parquet(n=numbers, a=NASTY, b=NASTY[::-1]), options="STATUPDATE OFF"))
    assert client.run("SELECT a, b FROM t ORDER BY n") == list(zip(NASTY, NASTY[::-1], strict=True))
    assert client.run("SELECT pg_last_copy_count()") == [(len(NASTY),)]


def test_every_type_arrives_as_it_was(client: Client, parts: Parts) -> None:
    client.run("CREATE TABLE t (a BIGINT, b DOUBLE PRECISION, c BOOLEAN, d TIMESTAMP, e TIMESTAMPTZ, f VARCHAR(MAX))")
    time = datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    naive = time.replace(tzinfo=None)
    entry = parts.parquet(
        a=[2**63 - 1, -(2**63), None],
        b=[0.1, 1e300, None],
        c=[True, False, None],
        d=pa.array([naive, naive, None], pa.timestamp("us")),
        e=pa.array([time, time, None], pa.timestamp("us", tz="UTC")),
        f=pa.array(["x", "y", None]).dictionary_encode(),
    )
    client.run(parts.copy("t", entry))
    assert client.run("SELECT * FROM t ORDER BY f") == [
        (2**63 - 1, 0.1, True, naive, time, "x"),
        (-(2**63), 1e300, False, naive, time, "y"),
        (None,) * 6,
    ]


def test_columns_go_by_position_and_can_be_named(client: Client, parts: Parts) -> None:
    client.run("CREATE TABLE t (a BIGINT, b VARCHAR(5), c BIGINT)")
    client.run(parts.copy("t (c, b)", parts.parquet(whatever=[1], names=["x"])))
    assert client.run("SELECT * FROM t") == [(None, "x", 1)]


def test_several_objects_and_many_rows(client: Client, parts: Parts) -> None:
    client.run("CREATE TABLE t (a BIGINT)")
    entries = [parts.parquet(a=list(range(start, start + 3000))) for start in (0, 3000)]
    client.run(parts.copy("t", *entries, parts.parquet(a=pa.array([], pa.int64()))))
    assert client.run("SELECT COUNT(*), COUNT(DISTINCT a), MAX(a) FROM t") == [(6000, 6000, 5999)]
    long = client.run(f"SELECT a, '{'x' * 1000}' FROM t ORDER BY a")
    assert [row[0] for row in long] == list(range(6000))


def test_a_copy_is_part_of_its_transaction(client: Client, parts: Parts) -> None:
    client.run("CREATE TABLE t (a BIGINT)")
    for end, rows in (("ROLLBACK", 0), ("COMMIT", 2)):
        client.run("BEGIN")
        client.run(parts.copy("t", parts.parquet(a=[1, 2])))
        assert client.run("SELECT COUNT(*) FROM t") == [(2,)]
        client.run(end)
        assert client.run("SELECT COUNT(*) FROM t") == [(rows,)]


def test_a_failed_copy_leaves_nothing_and_says_why(client: Client, parts: Parts) -> None:
    client.run("CREATE TABLE t (a BIGINT, b VARCHAR(4))")
    client.run("BEGIN")
    bad = parts.parquet(a=[1, 2], b=["four", "üüü"])
    error = failure(client, parts.copy("t", parts.parquet(a=[0], b=["x"]), bad))
    assert (error.message, "longer than the length defined" in error.detail) == ("Spectrum Scan Error", True)
    assert failure(client, "SELECT 1").code == "25P02"
    client.run("ROLLBACK")
    assert client.run("SELECT COUNT(*) FROM t") == [(0,)]
    (query_id,) = client.run("SELECT pg_last_copy_id()")[0]
    assert f"query:     {query_id}" in error.detail
    columns = "query_id, file_name, line_number, column_name, column_type, column_length, error_code"
    assert client.run(f"SELECT {columns} FROM sys_load_error_detail WHERE query_id = ?", query_id) == [
        (query_id, bad["url"], 2, "b", "character varying", "4", 1204)
    ]
    columns = "filename, colname, col_length, raw_field_value, err_code"
    assert client.run(f"SELECT {columns} FROM stl_load_errors WHERE query = ?", query_id) == [
        (bad["url"], "b", "4", "üüü", 1204)
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"meta": {"content_length": 5}}, "Incorrect file size"),
        ({"meta": {}}, "content_length"),
        ({"meta": None}, "'meta' key"),
        ({"url": "s3://{bucket}/missing"}, "Error NoSuchKey"),
        ({"url": "s3://{bucket}/folder/"}, "full path of an S3 object"),
        ({"url": "s3://missing-bucket/x"}, "Error NoSuchBucket"),
    ],
)
def test_a_manifest_entry_must_be_complete_and_true(
    client: Client, parts: Parts, change: dict[str, Any], message: str
) -> None:
    client.run("CREATE TABLE t (a BIGINT)")
    entry = parts.parquet(a=[1]) | change
    entry["url"] = entry["url"].format(bucket=parts.bucket)
    error = failure(client, parts.copy("t", {name: value for name, value in entry.items() if value is not None}))
    assert message in error.message + error.detail
    assert client.run("SELECT COUNT(*) FROM t") == [(0,)]


def test_only_a_missing_object_that_is_not_mandatory_is_passed_over(client: Client, parts: Parts) -> None:
    client.run("CREATE TABLE t (a BIGINT)")
    gone = parts.parquet(a=[1]) | {"url": f"s3://{parts.bucket}/gone", "mandatory": False}
    client.run(parts.copy("t", gone, parts.parquet(a=[2])))
    assert client.run("SELECT a FROM t") == [(2,)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1]}, "Unmatched number of columns between table and file. Table columns: 2, Data columns: 1"),
        ({"a": [1.5], "b": ["x"]}, "incompatible Parquet schema for column 'a'. Column type: BIGINT"),
        ({"a": [1], "b": [True]}, "incompatible Parquet schema for column 'b'"),
        ({"a": [1], "b": ["a\0b"]}, "NULL byte"),
        ({"a": [1], "b": ["x" * 65536]}, "longer than the length defined in the table. Table: 65535, Data: 65536"),
    ],
)
def test_files_must_fit_the_table(client: Client, parts: Parts, columns: dict[str, Any], message: str) -> None:
    client.run("CREATE TABLE t (a BIGINT, b VARCHAR(MAX))")
    assert message in failure(client, parts.copy("t", parts.parquet(**columns))).detail


def test_a_row_has_a_limit(client: Client, parts: Parts) -> None:
    names = [f"c{number}" for number in range(65)]
    client.run(f"CREATE TABLE t ({', '.join(f'{name} VARCHAR(MAX)' for name in names)})")
    entry = parts.parquet(**{name: ["x" * 65535] for name in names})
    assert "exceeds the COPY limit of 4194304 bytes" in failure(client, parts.copy("t", entry)).detail


def test_bytes_that_are_no_parquet(client: Client, parts: Parts) -> None:
    client.run("CREATE TABLE t (a BIGINT)")
    entry = {"url": parts.put("x", b"no parquet"), "mandatory": True, "meta": {"content_length": 10}}
    assert "invalid Parquet" in failure(client, parts.copy("t", entry)).detail
    url = parts.put("m", b"no json")
    copy = f"COPY t FROM '{url}' IAM_ROLE '{parts.role}' FORMAT PARQUET MANIFEST"
    assert "Invalid manifest file" in failure(client, copy).message


def test_serialize_to_json(client: Client, parts: Parts) -> None:
    """Nested Parquet becomes objects and arrays; a text becomes a string, whatever is in it."""
    client.run("CREATE TABLE t (n BIGINT, s SUPER)")
    entry = parts.parquet(n=[1, 2], s=['{"a": 1}', None])
    assert "SERIALIZETOJSON" in failure(client, parts.copy("t", entry)).detail
    client.run(parts.copy("t", entry, options="SERIALIZETOJSON"))
    assert client.run("SELECT s, json_typeof(s), s IS NULL FROM t ORDER BY n") == [
        (r'"{\"a\": 1}"', "string", False),
        (None, None, True),
    ]
    assert client.run("SELECT JSON_PARSE(s::VARCHAR) FROM t WHERE n = 1") == [('{"a":1}',)]
    client.run(parts.copy("t", parts.parquet(n=[3], s=[{"a": ["ü", None]}]), options="SERIALIZETOJSON"))
    assert client.run("SELECT s FROM t WHERE n = 3") == [('{"a":["ü",null]}',)]


def test_a_role_reads_what_it_may(stand_in: RedshiftStandIn, client: Client, parts: Parts) -> None:
    client.run("CREATE TABLE t (a BIGINT)")
    role, chained = (f"arn:aws:iam::123456789012:role/{name}" for name in ("narrow", "chained"))
    entry = parts.parquet(a=[1])
    assert "not authorized to assume IAM Role" in failure(client, parts.copy("t", entry, role=role)).detail
    stand_in.allow_role(role, f"s3://{parts.bucket}/manifests/")
    assert "Error AccessDenied" in failure(client, parts.copy("t", entry, role=role)).message
    stand_in.allow_role(chained, f"s3://{parts.bucket}/")
    client.run(parts.copy("t", entry, role=f"{role},{chained}"))
    stand_in.allow_role(role, f"s3://{parts.bucket}/")
    client.run(parts.copy("t", entry, role=role))
    stand_in.refuse_role(role)
    assert "not authorized" in failure(client, parts.copy("t", entry, role=role)).detail
    client.run(parts.copy("t", entry).replace(f"'{parts.role}'", "default"))
    assert client.run("SELECT COUNT(*) FROM t") == [(3,)]


@pytest.mark.parametrize(
    "form",
    [
        "ACCESS_KEY_ID 'key' SECRET_ACCESS_KEY 'secret' SESSION_TOKEN 'token'",
        "CREDENTIALS 'aws_access_key_id=key;aws_secret_access_key=secret;token=token'",
    ],
)
def test_temporary_credentials_go_to_s3(client: Client, parts: Parts, form: str) -> None:
    client.run("CREATE TABLE t (a BIGINT)")
    copy = parts.copy("t", parts.parquet(a=[1]))
    client.run(copy.replace(f"IAM_ROLE '{parts.role}'", form))
    assert client.run("SELECT a FROM t") == [(1,)]
    assert "only one" in failure(client, f"{copy} {form}").message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("FORMAT AS PARQUET", "FORMAT AS JSON 'auto'", "PARQUET"),
        ("MANIFEST", "", "key prefix"),
        ("MANIFEST", "MANIFEST MAXERROR 5", "MAXERROR argument is not supported"),
        ("MANIFEST", "MANIFEST COMPUPDATE OFF", "COMPUPDATE argument is not supported"),
        ("MANIFEST", "MANIFEST FILLRECORD", "FILLRECORD"),
        ("COPY t", "COPY t (nope)", 'column "nope"'),
        ("COPY t", "COPY missing", '"missing" does not exist'),
        ("'s3://", "'dynamodb://", "anything but S3"),
    ],
)
def test_what_copy_does_not_take(client: Client, parts: Parts, old: str, new: str, message: str) -> None:
    client.run("CREATE TABLE t (a BIGINT)")
    assert message in failure(client, parts.copy("t", parts.parquet(a=[1])).replace(old, new, 1)).message
