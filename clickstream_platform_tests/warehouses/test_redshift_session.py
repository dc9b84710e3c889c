"""A session where a server is rarely: first writers, lost connections, refusals, what a failed COPY left."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from redshift_connector.error import InterfaceError

from clickstream_platform.errors import ConfigurationError, LoadError, WarehouseUnavailableError
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.gateways.redshift_login import iam_login
from clickstream_platform.gateways.secrets import resolve_secret
from clickstream_platform.load.queries import CountHour
from clickstream_platform.load.statements import (
    CreateSchema,
    DeleteHour,
    InsertLoads,
    PartLocation,
    StagePack,
    WidenVarchar,
)
from clickstream_platform.model.schemas import Column, ColumnType
from clickstream_platform.warehouses import redshift_load_errors as load_errors
from clickstream_platform.warehouses.redshift import RedshiftWarehouse
from clickstream_platform.warehouses.redshift_connection import Connector
from clickstream_platform.warehouses.redshift_copy import Manifests, manifest_body
from clickstream_platform.warehouses.redshift_destination import read_destination
from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_target import settings_of, stand_in_target
from clickstream_platform_tests.warehouses.scripted import ScriptedConnection, refusal
from clickstream_platform_tests.warehouses.test_redshift_dialect import row

ROLE = "arn:aws:iam::123456789012:role/copy"
ID = Column("id", ColumnType.VARCHAR, 4096)
FOLDER = "s3://lake/staged/customer=shop/hour=2026-11-22T09/d1"
PACK = StagePack("pack_0", (PartLocation(f"{FOLDER}/a.parquet", 100, 2),), (ID,), shared=False)
LOCK = 'LOCK TABLE "shop"."_lock$"'
COPY_FAILED = refusal("XX000", "Load into table 'pack_0$' failed.  Check 'sys_load_error_detail' for details.")


class S3Like(MemoryObjectStore):
    """Objects in memory under S3's addresses."""

    def url(self, key: str) -> str:
        """Return the address COPY would read."""
        return f"s3://lake/{key}"


@pytest.fixture
def connection() -> ScriptedConnection:
    return ScriptedConnection()


@pytest.fixture
def objects() -> S3Like:
    return S3Like()


@pytest.fixture
def warehouse(connection: ScriptedConnection, objects: S3Like) -> RedshiftWarehouse:
    connect = lambda: connection  # noqa: E731
    return RedshiftWarehouse(connect, Manifests(objects), iam_role=ROLE, place="destination 'eu'")  # type: ignore[arg-type]


def test_the_lock_is_taken_before_anything_is_read(
    warehouse: RedshiftWarehouse, connection: ScriptedConnection
) -> None:
    with warehouse.session("shop") as session:
        session.begin()
        session.columns(["seen"])
        assert session.execute(CreateSchema()) == 0
        session.commit()
        session.rollback()
    assert connection.texts[:2] == ["BEGIN", LOCK]
    assert connection.texts[2].startswith("SELECT c.relname")
    assert connection.texts[3:] == ["COMMIT"]
    assert connection.closed == 1


@pytest.mark.parametrize(("code", "created"), [("3F000", ["SCHEMA", "TABLE"]), ("42P01", ["TABLE"])])
def test_the_first_writer_makes_schema_and_lock_outside_its_transaction(
    warehouse: RedshiftWarehouse, connection: ScriptedConnection, code: str, created: list[str]
) -> None:
    connection.answer("^LOCK", refusal(code, "does not exist"), 0)
    with warehouse.session("shop") as session:
        session.begin()
    texts = [text for text in connection.texts if not text.startswith("CREATE")]
    assert texts == ["BEGIN", LOCK, "ROLLBACK", "BEGIN", LOCK, "ROLLBACK"]
    assert [text.split()[1] for text in connection.texts if text.startswith("CREATE")] == created
    assert connection.texts.index("ROLLBACK") < next(n for n, t in enumerate(connection.texts) if "CREATE" in t)


def test_another_first_writer_is_no_error(warehouse: RedshiftWarehouse, connection: ScriptedConnection) -> None:
    connection.answer("^LOCK", refusal("42P01", "does not exist"), 0)
    connection.answer("^CREATE TABLE", refusal("23505", "duplicate key"))
    with warehouse.session("shop") as session:
        session.begin()
        session.commit()
    texts = [text for text in connection.texts if not text.startswith("CREATE")]
    assert texts == ["BEGIN", LOCK, "ROLLBACK", "BEGIN", LOCK, "COMMIT"]
    assert sum(text.startswith("CREATE TABLE") for text in connection.texts) == 1


def test_a_lock_that_cannot_be_made_says_why(warehouse: RedshiftWarehouse, connection: ScriptedConnection) -> None:
    connection.answer("^LOCK", refusal("42P01", "does not exist"))
    connection.answer("^CREATE TABLE", refusal("42501", "permission denied for schema shop"))
    with warehouse.session("shop") as session, pytest.raises(LoadError, match=r"permission denied.*Grant the right"):
        session.begin()
    with warehouse.session("shop") as session:
        connection.rules.pop()
        with pytest.raises(WarehouseUnavailableError, match="was removed after it was made"):
            session.begin()


@pytest.mark.parametrize(
    "error",
    [
        refusal(
            "40001", "1023", "Serializable isolation violation on table - 1, transactions forming the cycle are: 2"
        ),
        InterfaceError("BrokenPipe: server socket closed."),
        TimeoutError("timed out"),
        struct.error("unpack requires a buffer of 5 bytes"),
        refusal("57P01", "terminating connection due to administrator command"),
    ],
)
def test_what_passes_is_to_be_tried_again(
    warehouse: RedshiftWarehouse, connection: ScriptedConnection, error: Exception
) -> None:
    connection.answer("^DELETE", error)
    with warehouse.session("shop") as session:
        session.begin()
        with pytest.raises(WarehouseUnavailableError):
            session.execute(DeleteHour("seen", HOUR))
    assert connection.texts[-1] == "ROLLBACK"


def test_a_connection_that_cannot_roll_back_is_closed(
    warehouse: RedshiftWarehouse, connection: ScriptedConnection
) -> None:
    connection.answer("^(COMMIT|ROLLBACK)", InterfaceError("connection is closed"))
    with warehouse.session("shop") as session:
        session.begin()
        with pytest.raises(WarehouseUnavailableError):
            session.commit()
        session.rollback()
        assert connection.closed == 1


def test_a_pack_is_one_copy_of_a_manifest_beside_its_parts(
    warehouse: RedshiftWarehouse, connection: ScriptedConnection, objects: S3Like
) -> None:
    with warehouse.session("shop") as session:
        session.execute(PACK)
        assert session.copies == 1
    (manifest,) = objects.list_objects("staged/customer=shop/hour=2026-11-22T09/d1/pack_0-")
    assert connection.texts[-1] == (
        f"COPY \"pack_0$\" FROM 's3://lake/{manifest.key}' IAM_ROLE '{ROLE}' FORMAT AS PARQUET MANIFEST STATUPDATE OFF"
    )
    assert json.loads(objects.get(manifest.key)) == {
        "entries": [{"url": PACK.parts[0].url, "mandatory": True, "meta": {"content_length": 100}}]
    }
    assert objects.get(manifest.key) == manifest_body(PACK.parts)


def test_parts_outside_of_s3_are_refused(warehouse: RedshiftWarehouse) -> None:
    local = StagePack("pack_0", (PartLocation("/tmp/a.parquet", 1, 1),), (ID,), shared=False)
    with warehouse.session("shop") as session, pytest.raises(ConfigurationError, match="COPY reads from S3 only"):
        session.execute(local)


def test_a_failed_copy_is_explained_by_its_query(warehouse: RedshiftWarehouse, connection: ScriptedConnection) -> None:
    detail = ["s3://lake/staged/a.parquet ", "name", "varchar", 512, None, 15001, "value is longer than its column "]
    connection.answer("^COPY", COPY_FAILED)
    connection.answer("pg_last_copy_id", [[4711]])
    connection.answer("sys_load_error_detail", [detail])
    connection.answer("stl_load_errors", [[*detail[:4], "x" * 500, 15001, "value is longer"]])
    with warehouse.session("shop") as session:
        session.begin()
        with pytest.raises(LoadError) as caught:
            session.execute(PACK)
    text = str(caught.value)
    for part in ("shop 2026-11-22T09, pack_0", "object s3://lake/staged/a.parquet", "column 'name' (varchar(512))"):
        assert part in text
    assert "a value of 80 characters: " in text
    assert "value is longer than its column (code 15001). Nothing was loaded. Stage the hour again" in text
    after = connection.texts[next(n for n, each in enumerate(connection.texts) if each.startswith("COPY")) + 1 :]
    assert after[:2] == ["ROLLBACK", "SELECT pg_last_copy_id()"]
    assert connection.sent[-2:] == [(after[2], [4711]), (after[3], [4711])]
    assert all("pg_backend_pid()" in text for text in after[2:])


def test_a_value_of_another_row_is_told_with_its_own_column(
    warehouse: RedshiftWarehouse, connection: ScriptedConnection
) -> None:
    connection.answer("^COPY", COPY_FAILED)
    connection.answer("pg_last_copy_id", [[4711]])
    connection.answer("sys_load_error_detail", [["s3://lake/a", "name", "varchar", 512, None, 1204, "too long"]])
    connection.answer("stl_load_errors", [["s3://lake/b", "n", "int8", "0", "x1", 1207, "Invalid digit"]])
    with warehouse.session("shop") as session, pytest.raises(LoadError) as caught:
        session.execute(PACK)
    assert "object s3://lake/b, column 'n' (int8), a value of 2 characters: Invalid digit" in str(caught.value)
    assert "s3://lake/a" not in str(caught.value)


def test_a_refused_value_is_told_from_the_tables_themselves(
    stand_in: RedshiftStandIn, database: str, s3_bucket: str, s3_endpoint: str, tmp_path: Path
) -> None:
    """Another session, to which the same user belongs, doesn't see its row."""
    here = stand_in_target(tmp_path, stand_in, database, s3_bucket, s3_endpoint)
    batch = here.batch().add("seen", [{"id": "a", "note": "x" * 600}]).build(shared=False)
    pack = batch.packs[batch.tables[0].pack]
    columns = tuple(replace(each, length=512) if each.name == "note" else each for each in pack.columns)
    packs = tuple(replace(pack, columns=columns) if each is pack else each for each in batch.packs)
    error = str(here.load(replace(batch, packs=packs)).failed[0].error)
    for part in (f"object s3://{s3_bucket}/", "column 'note'", "a value of 80 characters", "Stage the hour again"):
        assert part in error
    destination = read_destination("test", settings_of(stand_in, database), f"file:{tmp_path}/secret")
    connection = Connector(destination, resolve_secret, iam_login)()
    cursor = connection.cursor()
    for query in (load_errors._WHOLE_REASON, load_errors._WITH_VALUE):
        for mine, rows in ((" AND session", 0), (" OR session", 1)):
            cursor.execute(query.replace("= ?", "> 0").replace(" AND session", mine))
            assert len(cursor.fetchall()) == rows
    connection.close()


def test_the_older_table_is_asked_when_the_newer_has_nothing(
    warehouse: RedshiftWarehouse, connection: ScriptedConnection
) -> None:
    connection.answer("^COPY", refusal("XX000", "Spectrum Scan Error", "query:     815  location: x"))
    connection.answer("sys_load_error_detail", refusal("42501", "permission denied for relation"))
    connection.answer("stl_load_errors", [["s3://lake/b", "n", "int8", "0", "x" * 500, 1207, "Invalid digit"]])
    with warehouse.session("shop") as session, pytest.raises(LoadError) as caught:
        session.execute(PACK)
    assert "object s3://lake/b, column 'n' (int8), a value of 80 characters: Invalid digit" in str(caught.value)
    assert [params for text, params in connection.sent if "load_error" in text] == [[815], [815]]
    assert "SELECT pg_last_copy_id()" not in connection.texts


def test_a_failed_copy_without_a_row_is_told_in_redshifts_words(
    warehouse: RedshiftWarehouse, connection: ScriptedConnection
) -> None:
    detail = "The length of the data column plan is longer than the length defined in the table. File name: s3://l/c"
    connection.answer("^COPY", refusal("XX000", "Spectrum Scan Error", detail))
    connection.answer("pg_last_copy_id", [[-1]])
    with (
        warehouse.session("shop") as session,
        pytest.raises(LoadError, match="object s3://l/c, column 'plan': Spectrum"),
    ):
        session.execute(PACK)


def test_throttling_while_copying_is_to_be_tried_again(
    warehouse: RedshiftWarehouse, connection: ScriptedConnection
) -> None:
    connection.answer("^COPY", refusal("XX000", "S3ServiceException:Please reduce your request rate.,Status 503"))
    with warehouse.session("shop") as session, pytest.raises(WarehouseUnavailableError, match="S3 throttles"):
        session.execute(PACK)


WIDEN = WidenVarchar("seen", ID)


def test_lengthening_a_text_that_somebody_has_lengthened_is_done(
    warehouse: RedshiftWarehouse, connection: ScriptedConnection
) -> None:
    connection.answer("TYPE VARCHAR", refusal("0A000", "target column size should be different"))
    with warehouse.session("shop") as session:
        assert session.execute(WIDEN) == 0


def test_an_encoding_that_cannot_be_lengthened_is_changed_first(
    warehouse: RedshiftWarehouse, connection: ScriptedConnection
) -> None:
    connection.answer("TYPE VARCHAR", refusal("0A000", "cannot alter type of a column with BYTEDICT encoding"), 0)
    with warehouse.session("shop") as session:
        session.execute(WIDEN)
    assert [text.partition('"id" ')[2] for text in connection.texts if text.startswith("ALTER")] == [
        "TYPE VARCHAR(4096)",
        "ENCODE ZSTD",
        "TYPE VARCHAR(4096)",
    ]


def test_other_refusals_of_lengthening_are_errors(warehouse: RedshiftWarehouse, connection: ScriptedConnection) -> None:
    connection.answer("TYPE VARCHAR", refusal("42501", "must be owner of relation seen"))
    with warehouse.session("shop") as session, pytest.raises(LoadError, match="must be owner"):
        session.execute(WIDEN)


def test_counts_of_the_ledgers_parts_are_added_up(warehouse: RedshiftWarehouse, connection: ScriptedConnection) -> None:
    connection.answer("^INSERT", 500, 100)
    with warehouse.session("shop") as session:
        assert session.execute(InsertLoads(tuple(map(row, range(600))))) == 600
        assert session.statements == 2


def test_answers_to_the_parts_of_a_question_are_one(
    warehouse: RedshiftWarehouse, connection: ScriptedConnection
) -> None:
    connection.answer("^SELECT CAST", [["a", 1]], [["b", 2]])
    with warehouse.session("shop") as session:
        assert session.fetch(CountHour(HOUR, tuple(f"t{n}" for n in range(60)))) == [("a", 1), ("b", 2)]
