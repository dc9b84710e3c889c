"""Batches for tables that exist: columns widen, the schema is frozen, records with unknown columns are rejected."""

from __future__ import annotations

from datetime import datetime

import pytest

from clickstream_platform.model.records import ENVELOPE_COLUMNS, LOAD_COLUMNS, TRACK_COLUMNS, RejectReason
from clickstream_platform.model.schemas import Column, ColumnType, TableState
from clickstream_platform.transform.plan import SchemaPolicy
from clickstream_platform_tests.transform.batches import Staged, stage_lines, track
from clickstream_platform_tests.transform.content import content_of

T = ColumnType


def table(name: str, *columns: Column, binding: bool = True) -> TableState:
    fixed = (*ENVELOPE_COLUMNS, *TRACK_COLUMNS, *LOAD_COLUMNS)
    return TableState(name, {column.name: column for column in (*fixed, *columns)}, binding)


def discards(staged: Staged) -> list[tuple[object, ...]]:
    return sorted((r["table_name"], r["column_name"], r["column_value"], r["reason"]) for r in staged.rows("_discards"))


def test_bigint_is_widened_where_the_stored_integers_allow_it() -> None:
    lines = [track("E", "m1", {"n": 5.5}), track("E", "m2", {"n": 5})]
    states = {"e": table("e", Column("n", T.BIGINT))}
    widened = stage_lines(lines, states=states, greatest=2**53)
    assert widened.types("e")["n"] == "double"
    assert [row["n"] for row in widened.rows("e")] == [5.5, 5.0]

    kept = stage_lines(lines, states=states, greatest=2**53 + 1)
    assert kept.types("e")["n"] == "bigint"
    assert [row["n"] for row in kept.rows("e")] == [None, 5]
    assert discards(kept) == [("e", "n", "5.5", "type_conflict")]


@pytest.mark.parametrize(
    ("column", "value", "loaded", "reason"),
    [
        (Column("c", T.BIGINT), 2**63, None, "out_of_range"),
        (Column("c", T.BIGINT), "5", None, "type_conflict"),
        (Column("c", T.BIGINT), 5.0, 5, None),
        (Column("c", T.DOUBLE), 2**53 + 1, None, "inexact"),
        (Column("c", T.DOUBLE), 7, 7.0, None),
        (Column("c", T.BOOLEAN), 1, None, "type_conflict"),
        (Column("c", T.TIMESTAMP), "yesterday", None, "type_conflict"),
        (Column("c", T.TIMESTAMP), "2026-11-22", datetime.fromisoformat("2026-11-22"), None),
        (Column("c", T.VARCHAR, 512), 5, "5", None),
        (Column("c", T.VARCHAR, 512), True, "true", None),
        (Column("c", T.VARCHAR, 512), "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z", None),
        (Column("c", T.VARCHAR, 512), [1], None, "type_conflict"),
        (Column("c", T.JSON), 5, "5", None),
        (Column("c", T.JSON), "text", '"text"', None),
    ],
)
def test_an_existing_column_wins(column: Column, value: object, loaded: object, reason: str | None) -> None:
    staged = stage_lines([track("E", "m1", {"c": value})], states={"e": table("e", column)})
    assert staged.types("e")["c"] == column.type
    assert [row["c"] for row in staged.rows("e")] == [loaded]
    assert [row[3] for row in discards(staged)] == ([reason] if reason else [])


def test_longer_text_widens_the_column_of_the_event_and_of_tracks() -> None:
    states = {
        "e": table("e", Column("text", T.VARCHAR, 512), Column("context_ua", T.VARCHAR, 4096)),
        "tracks": table("tracks", Column("context_ua", T.VARCHAR, 512)),
    }
    staged = stage_lines([track("E", "m1", {"text": "x" * 513}, context={"ua": "y" * 600})], states=states)
    (event,), tracks = staged.batch.tables, staged.batch.tracks
    assert tracks is not None
    lengths = {column.name: column.length for column in event.columns}
    assert (lengths["text"], lengths["context_ua"]) == (4096, 4096)
    assert {column.name: column.length for column in tracks.columns}["context_ua"] == 4096


def test_tracks_may_have_another_type_than_the_event() -> None:
    states = {
        "tracks": table("tracks", Column("context_v", T.VARCHAR, 512)),
        "e": table("e", Column("context_v", T.BIGINT)),
    }
    staged = stage_lines([track("E", "m1", context={"v": 5}), track("E", "m2", context={"v": "x"})], states=states)
    assert [row["context_v"] for row in staged.rows("e")] == [5, None]
    assert [row["context_v"] for row in staged.rows("tracks")] == ["5", "x"]
    assert discards(staged) == [("e", "context_v", '"x"', "type_conflict")]


def test_a_frozen_schema_discards_new_columns() -> None:
    states = {"past": table("past", Column("known", T.BIGINT)), "tracks": table("tracks")}
    lines = [track("Past", "m1", {"known": 1, "extra": 2}, context={"ip": "1"}), track("Fresh", "m2", {"extra": 3})]
    staged = stage_lines(lines, states=states, policy=SchemaPolicy("freeze"))
    assert discards(staged) == [
        ("past", "context_ip", '"1"', "frozen_schema"),
        ("past", "extra", "2", "frozen_schema"),
        ("tracks", "context_ip", '"1"', "frozen_schema"),
    ]
    assert staged.rows("past")[0]["known"] == 1
    assert staged.rows("fresh")[0]["extra"] == 3
    assert "extra" not in staged.types("past")


def test_a_frozen_table_takes_no_values_of_a_column_that_another_table_of_its_pack_has() -> None:
    states = {"past": table("past")}
    lines = [track("Fresh", "m1", {"c": 1}), track("Past", "m2", {"c": 2}), track("Other", "m3", {"c": 3})]
    staged = stage_lines(lines, states=states, policy=SchemaPolicy("freeze"))
    assert "c" not in staged.types("past")
    assert [staged.rows(event)[0]["c"] for event in ("fresh", "other")] == [1, 3]
    assert discards(staged) == [("past", "c", "2", "frozen_schema")]


def test_reject_puts_records_with_unknown_columns_into_quarantine() -> None:
    states = {"past": table("past", Column("known", T.BIGINT))}
    lines = [
        track("Past", "m1", {"known": 1}),
        track("Past", "m2", {"known": 1, "new": 2, "newer": 3}),
        track("Past", "m3", {"known": 2, "null": None, "id": None}, channel="web"),
        track("Past", "m4", {}, context={"ip": "1"}),
        track("Fresh", "m5", {"new": 1}),
    ]
    staged = stage_lines(lines, states=states, policy=SchemaPolicy("reject"))
    assert [row["id"] for row in staged.rows("past")] == ["m1", "m3"]
    assert [row["id"] for row in staged.rows("fresh")] == ["m5"]
    found = {record.data: (record.reason, record.line) for record in staged.quarantined()}
    assert found == {lines[1]: (RejectReason.UNKNOWN_COLUMN, 2), lines[3]: (RejectReason.UNKNOWN_COLUMN, 4)}
    assert staged.totals == {"raw": 5, "rows": 3, "duplicates": 0, "rejected": 2, "discarded": 0}


@pytest.mark.parametrize("mode", ["evolve", "freeze", "reject"])
def test_a_table_of_nothing_but_this_hour_ends_as_when_loaded_at_once(mode: str) -> None:
    lines = [track("E", f"m{n}", {"v": value, f"own{n}": 1}) for n, value in enumerate([1, "text", 2.5])]
    policy = SchemaPolicy(mode)  # type: ignore[arg-type]
    at_once = content_of(stage_lines(lines, policy=policy))
    half = stage_lines(lines[:1], policy=policy)
    states = {
        name: TableState(name, {column.name: column for column in (*staged.columns, *LOAD_COLUMNS)}, binding=False)
        for name, staged in (("e", half.batch.tables[0]), ("tracks", half.batch.tracks))
        if staged is not None
    }
    assert content_of(stage_lines(lines, states=states, policy=policy)) == at_once
