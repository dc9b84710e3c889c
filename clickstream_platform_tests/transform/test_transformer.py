"""Raw objects to tables: columns, types, rows, discards and counts of whole batches."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import pytest
from isal import igzip

from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.object_keys import discarded_values_key
from clickstream_platform.model.schemas import DISCARDS_COLUMNS, MAX_COLUMNS
from clickstream_platform.model.staging import BATCH_FILE, StagedBatch
from clickstream_platform.model.streams import Stream
from clickstream_platform.transform.plan import SchemaPolicy
from clickstream_platform_tests.transform.batches import (
    CUSTOMER,
    HOUR,
    Staged,
    put_raw,
    route,
    stage,
    stage_lines,
    track,
)
from clickstream_platform_tests.transform.content import in_objects

time = datetime.fromisoformat


def record(kind: str, message_id: str, **fields: object) -> bytes:
    return orjson.dumps({"type": kind, "messageId": message_id, "receivedAt": "2026-11-22T09:10:00Z", **fields})


def one_row(staged: Staged, table: str) -> dict[str, Any]:
    (row,) = staged.rows(table)
    return {name: value for name, value in row.items() if value is not None}


def discards(staged: Staged) -> list[tuple[object, ...]]:
    assert staged.totals["discarded"] == len(staged.rows("_discards"))
    return sorted(
        (row["table_name"], row["column_name"], row["column_value"], row["column_type"], row["reason"], row["row_id"])
        for row in staged.rows("_discards")
    )


def test_a_track_record_becomes_a_row_of_its_event_and_of_tracks() -> None:
    staged = stage_lines(
        [
            track(
                "Order Completed",
                "m1",
                {
                    "orderId": "o1",
                    "total": 10,
                    "paid": True,
                    "placedAt": "2026-11-22T08:59:59.5+01:00",
                    "items": [{"a": 1}],
                },
                anonymousId="a1",
                userId="u1",
                context={"ip": "1.2.3.4", "page": {"url": "/x"}},
                originalTimestamp="2026-11-22T09:00:00Z",
                sentAt="2026-11-22T09:00:01Z",
                timestamp="2026-11-22 09:00:02",
            )
        ]
    )
    common = {
        "id": "m1",
        "anonymous_id": "a1",
        "user_id": "u1",
        "received_at": time("2026-11-22 09:10:00"),
        "original_timestamp": time("2026-11-22 09:00:00"),
        "sent_at": time("2026-11-22 09:00:01"),
        "timestamp": time("2026-11-22 09:00:02"),
        "event": "order_completed",
        "event_text": "Order Completed",
        "context_ip": "1.2.3.4",
        "context_page_url": "/x",
    }
    own = {
        "order_id": "o1",
        "total": 10,
        "paid": True,
        "placed_at": time("2026-11-22 07:59:59.5"),
        "items": '[{"a":1}]',
    }
    assert one_row(staged, "order_completed") == common | own
    assert one_row(staged, "tracks") == common
    assert discards(staged) == []
    assert staged.types("order_completed") | {
        "order_id": "varchar", "total": "bigint", "paid": "boolean", "placed_at": "timestamp", "items": "json"
    } == staged.types("order_completed")  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "table", "fields", "expected"),
    [
        (
            "identify",
            "identifies",
            {"traits": {"plan": "pro", "address": {"zip": "1"}}},
            {"plan": "pro", "address_zip": "1"},
        ),
        ("page", "pages", {"name": "Home", "properties": {"url": "/"}}, {"name": "Home", "url": "/"}),
        ("page", "pages", {"properties": {"name": "Home", "category": "c"}}, {"name": "Home", "category": "c"}),
        ("screen", "screens", {"name": "Main", "category": "c"}, {"name": "Main", "category": "c"}),
        ("group", "groups", {"groupId": "g1", "traits": {"size": 3}}, {"group_id": "g1", "size": 3}),
        ("alias", "aliases", {"previousId": "old"}, {"previous_id": "old"}),
    ],
)
def test_other_records_have_tables_of_their_own_and_are_not_in_tracks(
    kind: str, table: str, fields: dict[str, object], expected: dict[str, object]
) -> None:
    staged = stage_lines([record(kind, "m1", userId="u1", **fields)])
    row = one_row(staged, table)
    assert row == {"id": "m1", "user_id": "u1", "received_at": time("2026-11-22 09:10:00")} | expected
    assert staged.batch.tracks is None


def test_properties_named_like_standard_columns_are_kept_beside_them() -> None:
    staged = stage_lines(
        [
            track(
                "E",
                "m1",
                {"id": 7, "event": "x", "timestamp": "t", "context_ip": "p", "user": {"id": 1}},
                context={"ip": "c"},
            )
        ]
    )
    row = one_row(staged, "e")
    assert (row["id"], row["event"], row["context_ip"]) == ("m1", "e", "c")
    assert (row["_id"], row["_event"], row["_timestamp"], row["_context_ip"], row["_user_id"]) == (7, "x", "t", "p", 1)


def test_instructions_and_nulls_make_no_columns() -> None:
    fields = {"integrations": {"All": True}, "writeKey": "k", "version": 2, "context": None, "extra": {"a": 1}}
    staged = stage_lines([track("E", "m1", {"null": None, "empty": {}, "deep": {"null": None, "empty": {}}}, **fields)])
    assert one_row(staged, "e").keys() == {"id", "received_at", "event", "event_text", "extra_a"}


def test_objects_beyond_the_depth_limit_are_one_column() -> None:
    value: object = {"leaf": 1}
    for _ in range(10):
        value = {"d": value}
    row = one_row(stage_lines([track("E", "m1", {"top": value})]), "e")
    (name,) = row.keys() - {"id", "received_at", "event", "event_text"}
    assert name == "top" + "_d" * 7
    assert orjson.loads(row[name]) == {"d": {"d": {"d": {"leaf": 1}}}}


def test_types_are_inferred_over_all_rows() -> None:
    drift = [1, 2.5, 3]
    mixed = [True, "yes", 3]
    nested = ["a", [1], {"k": "v"}]
    big = [2**53 + 1, 1.5, 2]
    lines = [
        track("E", f"m{n}", {"drift": drift[n], "mixed": mixed[n], "nested": nested[n], "big": big[n]})
        for n in range(3)
    ]
    staged = stage_lines(lines)
    rows = staged.rows("e")
    assert [row["drift"] for row in rows] == [1.0, 2.5, 3.0]
    assert [row["mixed"] for row in rows] == ["true", "yes", "3"]
    assert [row["nested"] for row in rows] == ['"a"', "[1]", None]
    assert [row["nested_k"] for row in rows] == [None, None, "v"]
    assert [row["big"] for row in rows] == ["9007199254740993", "1.5", "2"]
    assert discards(staged) == []


def test_every_reason_to_discard_a_value() -> None:
    long = "é" * 40_000
    lines = [
        track("E", "m1", {"firstName": "a", "First Name": "b", "same": 1, "SAME": 1, "long": long, "nul": "a\0b"}),
        record("track", "m2", event="E", properties="text", context=[1], timestamp="no time"),
        track("E", "m3", {"ok": 1}, anonymousId={"a": 1}, userId=[5]),
    ]
    staged = stage_lines(lines)
    key = discarded_values_key(HOUR, Stream(CUSTOMER, "e"), staged.batch.streams[0].digest)
    beginning = '"' + long[:999] + f"… [40002 characters, in {key}]"
    assert discards(staged) == [
        ("e", "context", "[1]", "", "not_an_object", "m2"),
        ("e", "first_name", '"b"', "varchar", "name_collision", "m1"),
        ("e", "long", beginning, "varchar", "too_long", "m1"),
        ("e", "nul", '"a\\u0000b"', "varchar", "nul_character", "m1"),
        ("e", "properties", '"text"', "", "not_an_object", "m2"),
        ("e", "timestamp", '"no time"', "timestamp", "type_conflict", "m2"),
        ("e", "user_id", "[5]", "varchar", "type_conflict", "m3"),
        ("tracks", "timestamp", '"no time"', "timestamp", "type_conflict", "m2"),
        ("tracks", "user_id", "[5]", "varchar", "type_conflict", "m3"),
    ]
    assert [row["nul"] for row in staged.rows("e")] == ["ab", None, None]
    assert [row["anonymous_id_a"] for row in staged.rows("e")] == [None, None, 1]
    kept = [orjson.loads(line) for line in igzip.decompress(staged.store.get(key)).splitlines()]
    assert kept == [{"table": "e", "column": "long", "row_id": "m1", "value": f'"{long}"'}]


def test_json_longer_than_the_warehouse_takes_is_a_discard() -> None:
    values = [["x" * 90], ["y" * 200], {"a": 1}]
    lines = [track("Sample", f"m{number}", {"v": value}) for number, value in enumerate(values)]
    staged = stage_lines(lines, policy=SchemaPolicy(max_json_bytes=100))
    rows = {row["id"]: row["v"] for row in staged.rows("sample") if row.get("v")}
    assert rows == {"m0": orjson.dumps(values[0]).decode()}
    text = orjson.dumps(values[1]).decode()
    assert discards(staged) == [("sample", "v", text, "json", "too_long", "m1")]


@pytest.mark.parametrize("rows", [1, 400])
def test_json_nested_deeper_than_the_warehouse_takes_is_a_discard(rows: int) -> None:
    texts = ["[" * 1000 + "]" * 1000, "[" * 1001 + "]" * 1001, "[" + "[]," * 1500 + '"[[["]', '"' + "[" * 1100 + '"']
    lines = [
        track("Sample", f"m{number}-{row}", {"v": None}).replace(b"null", text.encode())
        for number, text in enumerate(texts)
        for row in range(rows)
    ]
    staged = stage_lines(lines, policy=SchemaPolicy(max_json_bytes=65_535))
    assert {str(row["id"]).partition("-")[0] for row in staged.rows("sample") if row["v"] is None} == {"m1"}
    assert {(reason, str(identity).partition("-")[0]) for *_, reason, identity in discards(staged)} == {
        ("too_long", "m1")
    }


def test_discards_tell_where_they_are_from() -> None:
    staged = stage_lines([track("E", "m1", {}, timestamp="no time"), track("E", "m2", {}, receivedAt="whenever")])
    rows = staged.rows("_discards")
    assert tuple(rows[0]) == tuple(column.name for column in DISCARDS_COLUMNS)
    assert {(row["event"], row["received_at"], row["batch_hour"]) for row in rows} == {
        ("e", time("2026-11-22 09:10:00"), time("2026-11-22 09:00:00")),
        ("e", time("2026-11-22 09:00:00"), time("2026-11-22 09:00:00")),
    }
    # An arrival that is no time is the hour it arrived in.
    assert [row["received_at"] for row in staged.rows("e")] == [
        time("2026-11-22 09:10:00"),
        time("2026-11-22 09:00:00"),
    ]


def test_two_thousand_columns_stop_at_the_limit_and_harm_no_other_table() -> None:
    wide = [track("Wide", f"m{n}", {f"p{n * 100 + i:04d}": i for i in range(100)}) for n in range(20)]
    staged = stage_lines([*wide, track("Other", "x", {"p1999": 1})])
    columns = staged.types("wide")
    assert len(columns) + 2 == MAX_COLUMNS  # uuid_ts and batch_hour are added by the load
    assert "p1999" in staged.types("other")
    assert staged.totals == {
        "raw": 21,
        "rows": 21,
        "duplicates": 0,
        "rejected": 0,
        "discarded": 2000 - (MAX_COLUMNS - 11),
    }
    found = discards(staged)
    assert {row[4] for row in found} == {"column_limit"}
    values = [
        (str(row["id"]), name)
        for row in staged.rows("wide")
        for name in row
        if name[0] == "p" and row[name] is not None
    ]
    assert len(set(values) | {(str(row[5]), str(row[1])) for row in found}) == 2000


def test_the_customers_own_column_limit() -> None:
    staged = stage_lines([track("E", "m1", {"a": 1, "b": 2, "c": 3})], policy=SchemaPolicy(column_limit=12))
    assert one_row(staged, "e")["a"] == 1
    assert discards(staged) == [
        ("e", name, value, "", "column_limit", "m1") for name, value in (("b", "2"), ("c", "3"))
    ]


def test_small_tables_with_conflicting_types_are_all_right() -> None:
    values: list[object] = [1, "text", True, 2.5, "2026-11-22", [1]]
    lines = [track(f"Event {n}", f"m{n}", {"v": value, f"own{n}": n}) for n, value in enumerate(values)]
    staged = stage_lines(lines)
    assert [one_row(staged, f"event_{n}")["v"] for n in range(6)] == [1, "text", True, 2.5, time("2026-11-22"), "[1]"]
    assert [one_row(staged, f"event_{n}")[f"own{n}"] for n in range(6)] == list(range(6))
    assert [staged.types(f"event_{n}").keys() >= {"v", f"own{n}"} for n in range(6)] == [True] * 6
    assert len(staged.rows("tracks")) == 6
    assert 1 < len(staged.batch.packs) <= 7


def test_a_table_of_many_rows_has_parts_of_its_own() -> None:
    lines = [track("Big", f"m{n}", {"n": n}) for n in range(6000)] + [track("Small", f"s{n}") for n in range(5)]
    staged = stage_lines(lines)
    big, small = staged.batch.table_of("big"), staged.batch.table_of("small")
    assert big is not None
    assert small is not None
    assert big.pack != small.pack
    assert not staged.batch.packs[big.pack].shared
    assert [row["n"] for row in staged.rows("big")] == list(range(6000))
    assert sum(part.rows for part in staged.batch.packs[big.pack].parts) == 6000


@pytest.mark.parametrize("lines", [[], [b"", b"   "], [b"\t" * 40]])
def test_objects_without_records(lines: list[bytes]) -> None:
    store = MemoryObjectStore()
    staged = stage(put_raw(store, {"empty": lines}), store)
    assert staged.totals == {"raw": 0, "rows": 0, "duplicates": 0, "rejected": 0, "discarded": 0}
    assert (staged.batch.tables, staged.batch.packs, staged.batch.tracks) == ((), (), None)
    assert [stream.event for stream in staged.batch.streams] == ["empty"]


def test_a_stream_of_rejected_records_only_has_no_table() -> None:
    store = MemoryObjectStore()
    staged = stage(put_raw(store, {"e": [b"{"], **route([track("Good", "m")])}), store)
    assert staged.batch.table_of("e") is None
    assert [(s.event, s.counts.raw, s.counts.rows, s.counts.rejected) for s in staged.batch.streams] == [
        ("e", 1, 0, 1),
        ("good", 1, 1, 0),
    ]


def test_the_batch_is_described_beside_its_parts() -> None:
    staged = stage_lines([track("E", "m1"), b"{", track("F", "m2", {"long": "x" * 70_000})])
    (key,) = [info.key for info in staged.store.list_objects("staged/") if info.key.endswith(BATCH_FILE)]
    assert StagedBatch.from_json(staged.store.get(key)) == staged.batch
    described = {part.key for pack in staged.batch.packs for part in pack.parts} | {key}
    assert {info.key for info in staged.store.list_objects("staged/")} == described
    assert all(part.rows for pack in staged.batch.packs for part in pack.parts)


def test_counts_are_of_each_stream() -> None:
    lines = [track("A", "m1"), track("A", "m1"), track("B", "m1", {"firstName": 1, "FirstName": 2}), track("B", "m2")]
    refs, store = in_objects([lines, lines[:1]])
    staged = stage(refs, store)
    counts = {stream.event: stream.counts for stream in staged.batch.streams}
    assert [(c.objects, c.raw, c.rows, c.duplicates, c.rejected, c.discarded) for c in counts.values()] == [
        (2, 3, 1, 2, 0, 0),
        (1, 2, 2, 0, 0, 1),
    ]
    assert counts["a"].bytes == sum(ref.size for ref in refs["a"])
