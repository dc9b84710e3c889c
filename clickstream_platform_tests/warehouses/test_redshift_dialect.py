"""Redshift's SQL as text: forms, limits, and that a parser of its dialect takes every statement."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.load import queries as q
from clickstream_platform.load import statements as s
from clickstream_platform.load.ledger_row import LedgerRow
from clickstream_platform.load.newest import NEWEST
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.schemas import DISCARDS_COLUMNS, LOADS_COLUMNS, Column, ColumnType
from clickstream_platform.warehouses.redshift_copy import copy_statement
from clickstream_platform.warehouses.redshift_dialect import RedshiftDialect
from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.warehouses.redshift_lint import check

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ID = Column("id", ColumnType.VARCHAR, 4096)
RECEIVED = Column("received_at", ColumnType.TIMESTAMP)
TAGS = Column("tags", ColumnType.JSON)
PRICE = Column("price", ColumnType.DOUBLE)
COLUMNS = (ID, RECEIVED, TAGS, PRICE, Column("ok", ColumnType.BOOLEAN), Column("n", ColumnType.BIGINT))
ROWS = s.Rows("pack_0", 3, ("seen", "bought"))
INSERT = s.InsertStaged("seen", COLUMNS, ROWS, HOUR, NOW, "seen")
PARTS = (s.PartLocation("s3://lake/staged/a.parquet", 100, 2),)
USERS = NEWEST[0]


def row(number: int) -> LedgerRow:
    return LedgerRow("shop", f"event_{number}", HOUR, "digest", StreamCounts(objects=1), "run", NOW, NOW)


NAMED: list[s.Statement | q.Query] = [
    s.CreateSchema(),
    s.CreateTable("seen", COLUMNS),
    s.CreateTable("_loads", LOADS_COLUMNS),
    s.AddColumn("seen", TAGS),
    s.WidenVarchar("seen", ID),
    s.WidenToDouble("seen", "n"),
    s.RetypeColumn("seen", PRICE),
    s.StagePack("pack_0", PARTS, COLUMNS, shared=True),
    s.StagePack("pack_1", PARTS, DISCARDS_COLUMNS, shared=False),
    INSERT,
    s.InsertStaged("tracks", COLUMNS, s.Rows("pack_1"), HOUR, None, ""),
    s.CreateFilled(INSERT),
    s.DeleteHour("tracks", HOUR, ("seen",)),
    s.FindLate(
        (s.LateSearch("tracks", ROWS, None, NOW, NOW), s.LateSearch("pages", ROWS, "pages", NOW, NOW)),
        HOUR,
        timedelta(hours=24),
    ),
    s.DeleteLater("seen", "seen"),
    s.DeleteLater("tracks", None),
    s.AdjustLater("shop"),
    s.ReopenHours("shop", "seen", (HOUR,)),
    s.ForgetTouched(USERS),
    s.TouchHour(USERS, HOUR),
    s.TouchLater(USERS),
    s.MergeTouched(USERS, (RECEIVED, TAGS, PRICE), HOUR, NOW),
    s.DeleteTouched(USERS),
    s.InsertTouched(USERS, (RECEIVED, TAGS, PRICE), NOW),
    s.DeleteLoads("shop", HOUR, ("seen",)),
    s.InsertLoads((row(1), row(2))),
    q.ReadLoads("shop", HOUR, "seen"),
    q.FindLedgers(),
    q.ReadLedgers((("shop", "shop"), ("s2", "other")), HOUR, (HOUR, HOUR.plus(1)), ("seen",)),
    q.ReadEventSums("shop", HOUR),
    q.ReadEventTotals("shop", HOUR),
    q.ReadLate(),
    q.ReadReceivedRanges((ROWS, s.Rows("pack_1"))),
    q.ReadIntegerRange("seen", "n"),
    q.CountOtherRows("tracks", HOUR, ("seen",)),
    q.CountVanished("seen", HOUR, ROWS),
    q.CountHour(HOUR, ("seen", "bought")),
    q.CountHourByEvent("tracks", HOUR),
]


@pytest.fixture
def dialect() -> RedshiftDialect:
    return RedshiftDialect("shop")


def texts(dialect: RedshiftDialect, named: s.Statement | q.Query) -> list[str]:
    return [sql.text for sql in dialect.render(named)]


def every_statement(dialect: RedshiftDialect) -> Iterator[tuple[str, int]]:
    for named in NAMED:
        for sql in dialect.render(named):
            yield sql.text, len(sql.params)
    for sql in (dialect.create_lock(), dialect.take_lock(), dialect.read_columns(["seen", "tracks"])):
        yield sql.text, len(sql.params)
    yield dialect.encode_plainly(s.WidenVarchar("seen", ID)).text, 0
    yield copy_statement('"pack_0$"', "s3://lake/x.manifest", "arn:aws:iam::123456789012:role/copy").text, 0


def test_every_kind_of_statement_is_here() -> None:
    kinds = {type(named) for named in NAMED}
    assert kinds == {*s.Statement.__args__, *q.Query.__args__}


def test_a_parser_of_the_dialect_takes_every_statement(dialect: RedshiftDialect) -> None:
    for text, params in every_statement(dialect):
        check(text)
        assert text.count("?") == params


def test_growing_tables_are_spread_by_id_and_sorted_by_arrival(dialect: RedshiftDialect) -> None:
    assert texts(dialect, s.CreateTable("seen", COLUMNS)) == [
        'CREATE TABLE "shop"."seen" ("id" VARCHAR(4096), "received_at" TIMESTAMP, "tags" SUPER, '
        '"price" DOUBLE PRECISION, "ok" BOOLEAN, "n" BIGINT) '
        'DISTSTYLE KEY DISTKEY("id") SORTKEY("received_at") ENCODE AUTO'
    ]
    ends = {
        "users": 'DISTKEY("id") SORTKEY("id") ENCODE AUTO',
        "_loads": 'DISTSTYLE AUTO SORTKEY("hour") ENCODE AUTO',
        "_discards": 'DISTSTYLE AUTO SORTKEY("batch_hour") ENCODE AUTO',
        "odd": '"price" DOUBLE PRECISION) DISTSTYLE AUTO ENCODE AUTO',
    }
    columns = {"users": (ID, RECEIVED), "_loads": LOADS_COLUMNS, "_discards": DISCARDS_COLUMNS, "odd": (PRICE,)}
    for table, end in ends.items():
        assert texts(dialect, s.CreateTable(table, columns[table]))[0].endswith(end)


def test_a_pack_is_staged_in_the_order_of_its_parquet_and_json_as_text(dialect: RedshiftDialect) -> None:
    assert texts(dialect, s.StagePack("pack_0", PARTS, (TAGS, ID), shared=True)) == [
        'DROP TABLE IF EXISTS "pack_0$"',
        'CREATE TEMP TABLE "pack_0$" ("tags" VARCHAR(65535), "id" VARCHAR(4096), "$table" INTEGER) '
        'DISTSTYLE KEY DISTKEY("id") SORTKEY("$table")',
    ]
    assert texts(dialect, s.StagePack("pack_1", PARTS, (PRICE,), shared=False))[1].endswith(") DISTSTYLE EVEN")


def test_json_is_parsed_on_its_way_into_the_table(dialect: RedshiftDialect) -> None:
    insert = s.InsertStaged("seen", (ID, TAGS), s.Rows("pack_0", 1), HOUR, None)
    assert texts(dialect, insert) == [
        'INSERT INTO "shop"."seen" ("id", "tags", "batch_hour") SELECT "id", JSON_PARSE("tags"), '
        'TIMESTAMP \'2026-11-22 09:00:00.000000\' AS "batch_hour" FROM "pack_0$" WHERE "$table" = 1'
    ]


def test_a_new_table_is_created_with_lengths_then_filled(dialect: RedshiftDialect) -> None:
    create, insert = texts(dialect, s.CreateFilled(INSERT))
    assert create.startswith('CREATE TABLE "shop"."seen" ("id" VARCHAR(4096), ')
    assert '"uuid_ts" TIMESTAMP, "batch_hour" TIMESTAMP) DISTSTYLE KEY' in create
    assert insert.startswith('INSERT INTO "shop"."seen" (')
    without = texts(dialect, s.CreateFilled(s.InsertStaged("_discards", (ID,), ROWS, HOUR, None)))[0]
    assert '"batch_hour" TIMESTAMP' in without
    assert "uuid_ts" not in without


def test_a_bigint_becomes_double_by_add_copy_swap(dialect: RedshiftDialect) -> None:
    assert texts(dialect, s.WidenToDouble("seen", "n")) == [
        'ALTER TABLE "shop"."seen" ADD COLUMN "widened$" DOUBLE PRECISION',
        'UPDATE "shop"."seen" SET "widened$" = "n" WHERE "n" IS NOT NULL',
        'ALTER TABLE "shop"."seen" DROP COLUMN "n"',
        'ALTER TABLE "shop"."seen" RENAME COLUMN "widened$" TO "n"',
    ]


def test_only_lengthening_a_text_is_outside_of_the_transaction() -> None:
    changes: list[s.SchemaChange] = [
        s.WidenVarchar("t", ID),
        s.WidenToDouble("t", "n"),
        s.AddColumn("t", ID),
        s.RetypeColumn("t", ID),
    ]
    assert [RedshiftDialect.is_transactional(change) for change in changes] == [False, True, True, True]


def test_the_newest_json_goes_through_its_text(dialect: RedshiftDialect) -> None:
    window = (
        'OVER (PARTITION BY "user_id" ORDER BY received_at NULLS FIRST, id '
        "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
    )
    text = dialect.newest_rows(USERS, (TAGS, PRICE), "TRUE")
    assert f'JSON_PARSE(LAST_VALUE(JSON_SERIALIZE("tags") IGNORE NULLS) {window}) AS "tags"' in text
    assert f'LAST_VALUE("price" IGNORE NULLS) {window} AS "price"' in text


def test_the_ledger_is_written_within_the_limit_of_parameters(dialect: RedshiftDialect) -> None:
    rendered = dialect.render(s.InsertLoads(tuple(map(row, range(2_501)))))
    assert [len(sql.params) // 14 for sql in rendered] == [500] * 5 + [1]
    assert rendered[-1].params[:2] == ("shop", "event_2500")
    assert all(len(sql.params) < 32_767 for sql in rendered)


def test_long_unions_are_asked_in_parts(dialect: RedshiftDialect) -> None:
    counted = dialect.render(q.CountHour(HOUR, tuple(f"t{n}" for n in range(120))))
    assert [sql.params for sql in counted] == [
        tuple(f"t{n}" for n in range(start, min(start + 50, 120))) for start in (0, 50, 100)
    ]
    ranges = dialect.render(q.ReadReceivedRanges(tuple(s.Rows("pack_0", n, ("e",)) for n in range(51))))
    assert [sql.text.count("SELECT") for sql in ranges] == [50, 1]
    assert ranges[1].text.startswith("SELECT 50, MIN(received_at)")
    assert ranges[1].params == ("e",)


def test_temporary_tables_can_never_be_a_customers(dialect: RedshiftDialect) -> None:
    assert dialect.session_table("late$") == '"late$"'
    assert dialect.session_table("pack_0") == '"pack_0$"'
    drops = [text for text, _ in every_statement(dialect) if text.startswith("DROP TABLE")]
    assert len(drops) == 5
    assert all(text.endswith('$"') for text in drops)


def test_names_that_redshift_would_fold_are_refused(dialect: RedshiftDialect) -> None:
    for named in (s.CreateTable("Seen", (ID,)), s.AddColumn("seen", Column("firstName", ColumnType.BIGINT))):
        with pytest.raises(InvalidNameError, match="capital letters"):
            dialect.render(named)
    assert dialect.table("注文_ÜÏ") == '"shop"."注文_ÜÏ"'
    with pytest.raises(InvalidNameError, match="127 bytes"):
        dialect.render(s.AddColumn("seen", Column("ü" * 64, ColumnType.BIGINT)))


def test_the_catalog_is_read_as_types() -> None:
    found = RedshiftDialect.columns_of(
        [
            ("seen", "id", "character varying(4096)"),
            ("seen", "any", "character varying"),
            ("seen", "n", "bigint"),
            ("seen", "x", "double precision"),
            ("seen", "ok", "boolean"),
            ("seen", "t", "timestamp without time zone"),
            ("seen", "tags", "super"),
            ("seen", "foreign", "numeric(18,2)"),
        ]
    )
    assert list(found["seen"].values()) == [
        ID,
        Column("any", ColumnType.VARCHAR, 65_535),
        Column("n", ColumnType.BIGINT),
        Column("x", ColumnType.DOUBLE),
        Column("ok", ColumnType.BOOLEAN),
        Column("t", ColumnType.TIMESTAMP),
        TAGS,
    ]
