"""Awkward values, names and envelopes, each object a run of its own: `expect` of the manifest, as assertions."""

from __future__ import annotations

import json

import pytest

from clickstream_platform.model.naming import event_slug, property_column
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.schemas import MAX_COLUMNS
from clickstream_platform.model.timestamps import parse_timestamp
from clickstream_platform.registry.entities import Policy
from clickstream_platform_tests.acceptance.driver import HOUR, Platform
from clickstream_platform_tests.acceptance.edges import (
    customer_of,
    data_of,
    discards_of,
    event_tables,
    lines_of,
    raw_lines,
    records_of,
    rejected,
    run,
)
from clickstream_platform_tests.shared_data import needs_shared_data

pytestmark = needs_shared_data("5-edge-cases")

R = RejectReason


def test_26_long_strings(shared: Platform) -> None:
    name = "26-long-strings.ndjson.gz"
    tables = run(shared, name)
    rows = {row["id"]: row for row in tables["long"].rows}
    sent = {record["messageId"]: record["properties"] for record in records_of(name)}
    assert rows.keys() == sent.keys()
    lengths = {identity: len(values["v"].encode()) for identity, values in sent.items()}
    expected = next(e for e in json.loads(data_of("manifest.json")) if e["object"] == name)["byte_lengths"]
    assert sorted(lengths.values()) == sorted(expected)
    for identity, values in sent.items():
        assert rows[identity].get("v") == (values["v"] if lengths[identity] <= 65_535 else None)
    too_long = sorted(identity for identity, length in lengths.items() if length > 65_535)
    assert [(row, reason) for row, _, _, reason in discards_of(tables)] == [(row, "too_long") for row in too_long]


def test_27_two_thousand_columns(shared: Platform) -> None:
    name = "27-two-thousand-columns.ndjson"
    tables = run(shared, name)
    (wide,) = event_tables(tables).values()
    assert len(wide.rows) == 20
    # On Redshift one column is kept free for widening another.
    assert len(wide.types) + len({"uuid_ts"}) == MAX_COLUMNS - shared.is_redshift
    assert wide.types.keys() >= {"id", "received_at", "batch_hour", "event_text"}
    sent = {
        (record["messageId"], property_column([key])) for record in records_of(name) for key in record["properties"]
    }
    loaded = {(row["id"], column) for row in wide.rows for column in row}
    discarded = {(row, column) for row, column, _, reason in discards_of(tables) if reason == "column_limit"}
    assert len(sent) == 2000
    assert sent <= loaded | discarded
    assert len(discarded) == len(discards_of(tables)) == 2000 - len(sent & loaded)
    assert len(tables["tracks"].rows) == 20


def test_28_one_event_with_1700_columns(shared: Platform) -> None:
    # A row of the stand-in has to fit into a page of PostgreSQL: 8,160 bytes, which 1600 numbers do not.
    limit = 900 if shared.is_redshift else MAX_COLUMNS
    tables = run(shared, "28-one-event-1700-columns.ndjson", Policy(column_limit=limit))
    assert len(tables["order_completed"].rows) == len(tables["wide_one"].rows) == 1
    assert len(tables["wide_one"].types) + len({"uuid_ts"}) == limit
    loaded = [column for column in tables["wide_one"].rows[0] if column.startswith("q")]
    assert [reason for _, _, _, reason in discards_of(tables)] == ["column_limit"] * (1700 - len(loaded))


def test_29_numbers(shared: Platform) -> None:
    name = "29-numbers.ndjson"
    table = run(shared, name)["num"]
    literals = next(e for e in json.loads(data_of("manifest.json")) if e["object"] == name)["literals"]
    found = {row["i"]: row["num"] for row in table.rows}
    assert len(found) == len(literals) == 20
    assert table.types["num"] == "VARCHAR"  # among numbers beyond int64 only text keeps every digit
    for number, literal in enumerate(literals):
        assert float(found[number]) == float(literal)
        if literal.lstrip("-").isdigit():
            assert int(found[number]) == int(literal)


def test_30_nan_and_infinity(shared: Platform) -> None:
    name = "30-nan-infinity.ndjson"
    tables = run(shared, name)
    assert [row["id"] for row in tables["order_completed"].rows] == ["s-00002"]
    assert "nan" not in tables
    assert {record.data for record in shared.quarantined(customer_of(name))} == set(lines_of(name)[:5])


def test_31_timestamps(shared: Platform) -> None:
    name = "31-timestamps.ndjson"
    tables = run(shared, name)
    rows = {row["id"]: row for table in event_tables(tables).values() for row in table.rows}
    assert len(rows) == len(records_of(name)) == 48
    assert rejected(shared, name) == {}
    bad = []
    for record in records_of(name):
        identity, sent, time = record["messageId"], record["properties"].get("prop_time"), record["timestamp"]
        # Some of the property's values are no times, so all of them are text, as sent.
        assert rows[identity].get("prop_time") == (sent if isinstance(sent, str) else sent and json.dumps(sent))
        moment = parse_timestamp(time) if isinstance(time, str) else None
        assert rows[identity].get("timestamp") == (moment and moment.replace(tzinfo=None))
        if moment is None:
            bad.append((identity, "timestamp", json.dumps(time, ensure_ascii=False), "type_conflict"))
    assert discards_of(tables) == sorted(bad)
    assert 10 < len(bad) < 24


def test_32_keys(shared: Platform) -> None:
    name = "32-keys.ndjson"
    tables = run(shared, name)
    rows = {row["id"]: row for row in tables["keys"].rows}
    assert len(rows) == 45
    discarded = {(row, column, value): reason for row, column, value, reason in discards_of(tables)}
    for record in records_of(name):
        taken: set[str] = set()
        for key, value in record["properties"].items():
            column = property_column([key])
            if column in taken:
                assert discarded.pop((record["messageId"], column, str(value))) == "name_collision"
            else:
                assert rows[record["messageId"]][column] == value
            taken.add(column)
    assert discarded == {}


def test_33_duplicate_keys(shared: Platform) -> None:
    name = "33-duplicate-keys.ndjson"
    tables = run(shared, name)
    # The last of equal keys counts, for every reader in the path.
    assert [(row["id"], row.get("x"), row.get("y_z")) for row in tables["dup"].rows] == [
        ("sdup-1", 2, None),
        ("sdup-4", None, 2),
    ]
    assert [row["id"] for row in tables["pages"].rows] == ["sdup-2"]
    assert shared.counts(customer_of(name)) == {"raw": 3, "loaded": 3, "duplicate": 0, "rejected": 0, "discarded": 4}
    assert discards_of(tables) == [
        ("sdup-1", "x", "1", "duplicate_key"),
        ("sdup-2", "type", '"track"', "duplicate_key"),
        ("sdup-4", "id", '"sdup-3"', "duplicate_key"),
        ("sdup-4", "y", '{"z":1}', "duplicate_key"),
    ]


def test_34_deep(shared: Platform) -> None:
    name = "34-deep.ndjson"
    tables = run(shared, name)
    assert [row["id"] for row in tables["order_completed"].rows] == ["s-00005"]
    loaded = {row["n"]: row for row in tables["deep"].rows}
    arrays = {row["n"]: row["d"] for row in tables["deep_array"].rows}
    assert loaded.keys() == arrays.keys() == {10, 50, 100, 500, 1000}
    for depth, text in arrays.items():
        assert text == "[" * depth + "]" * depth
    for depth, row in loaded.items():
        (text,) = (value for column, value in row.items() if column.startswith("d_a"))
        assert text.count('{"a":') == depth - 7
    assert rejected(shared, name) == {R.NESTED_TOO_DEEPLY: 2}


# What becomes of each envelope: its table and columns, or the reason it is rejected.
ENVELOPES: dict[str, dict[str, object] | RejectReason] = {
    "se1": R.UNKNOWN_TYPE,
    "se2": R.UNKNOWN_TYPE,
    "se3": R.UNKNOWN_TYPE,
    "se4": R.NO_EVENT_NAME,
    "se5": R.NO_EVENT_NAME,
    "se6": R.NO_EVENT_NAME,
    "se7": R.NO_EVENT_NAME,
    "se8": R.NO_EVENT_NAME,
    "se9": {"event": "props_string"},
    "se10": {"event": "props_array"},
    "se11": {"event": "props_null"},
    "se12": {"event": "ctx_string"},
    "se13": {"event": "ctx_null"},
    "12345": {"event": "id_number"},
    "se14": {"user_id": "100", "a": 1},
    "se15": {"user_id": "1.5", "a": 1},
    "se16": {},
    "se17": {"user_id": "u"},
    "se18": {"name": "from props"},
    "se19": {"event": "traits_str", "context_traits_0": "f", "context_traits_1": "o", "context_traits_2": "o"},
}


def test_35_envelopes(shared: Platform) -> None:
    name = "35-envelopes.ndjson"
    tables = run(shared, name)
    rows = {row["id"]: row for table in event_tables(tables).values() for row in table.rows}
    quarantined = {record.data: record.reason for record in shared.quarantined(customer_of(name))}
    for line in lines_of(name)[:-1]:
        (raw,) = raw_lines([line])
        identity = json.loads(raw).get("messageId")
        expected = ENVELOPES.get(str(identity))
        if isinstance(expected, dict):
            assert expected.items() <= rows[str(identity)].items()
        elif expected is not None or isinstance(identity, dict):
            assert quarantined[raw] is (expected or R.NO_MESSAGE_ID)
    # One without id got the hash of its line; one has an id of kilobytes; two names differ behind 200 characters.
    assert {row["event"] for row in rows.values() if row["id"].startswith("auto-")} == {"no_id"}
    long_id = next(record["messageId"] for record in records_of(name) if record.get("event") == "Id Long")
    assert (long_id in rows) == (len(long_id) <= 4096)
    names = [row["event"] for row in rows.values() if row["id"] in ("se20", "se21")]
    assert len(set(names)) == 2
    assert discards_of(tables) == [
        ("se10", "properties", '[1,{"a":2}]', "not_an_object"),
        ("se12", "context", '"{{invalid object}}"', "not_an_object"),
        ("se9", "properties", '"x"', "not_an_object"),
    ]
    counts = shared.counts(customer_of(name))
    assert (counts["raw"], counts["loaded"] + counts["rejected"]) == (25, 25)


def test_36_event_names(shared: Platform) -> None:
    name = "36-event-names.ndjson"
    tables = run(shared, name)
    placed = {row["orig"]: slug for slug, table in event_tables(tables).items() for row in table.rows}
    assert placed == {record["event"]: event_slug(record["event"]) for record in records_of(name)}
    assert len(placed) == len(tables["tracks"].rows) == 31
    assert len(tables["order_completed"].rows) == 8
    assert placed["users"] == "_users"
    assert placed["日本語"] == "日本語"
    assert all(len(slug.encode()) <= 100 for slug in placed.values())
    assert discards_of(tables) == []


def test_37_and_38_duplicates_in_an_hour_and_in_the_next(platform: Platform) -> None:
    platform.add_customer("acme")
    platform.ingest("acme", data_of("37-duplicates.ndjson"))
    platform.load("acme")
    first = platform.tables("acme")
    # One row for each id and event: of two payloads the one that arrived first, and that is the smaller hash here.
    assert sorted(first["dedup"].column("id")) == ["s-ctx", "s-ev", "s-nat", "s-syn"]
    assert first["dedup_other"].column("id") == ["s-ev"]
    assert platform.counts("acme") == {"raw": 9, "loaded": 5, "duplicate": 4, "rejected": 0, "discarded": 0}

    platform.ingest("acme", data_of("38-duplicates-next-hour.ndjson"), HOUR.plus(1))
    platform.load("acme", HOUR, HOUR.plus(1))
    assert platform.tables("acme")["dedup"] == first["dedup"]
    assert platform.counts("acme", HOUR.plus(1)) | {"discarded": 0} == {
        "raw": 5,
        "loaded": 0,
        "duplicate": 5,
        "rejected": 0,
        "discarded": 0,
    }


@pytest.mark.parametrize("order", ["as sent", "reversed", "in halves"])
def test_39_type_drift(platform: Platform, order: str) -> None:
    lines = lines_of("39-type-drift.ndjson")[:-1]
    platform.add_customer("acme")
    parts = {"as sent": [lines], "reversed": [lines[::-1]], "in halves": [lines[10:], lines[:10]]}[order]
    for part in parts:
        platform.ingest("acme", part)
        platform.load("acme")
    table = platform.tables("acme")["drift"]
    assert sorted(table.column("i")) == list(range(20))
    assert (table.types["v"], table.types["v_a"], table.types["v_a_b"]) == ("JSON", "BIGINT", "JSON")
    for row in table.rows:
        sent = records_of("39-type-drift.ndjson")[row["i"]]["properties"]["v"]
        if isinstance(sent, dict):
            assert (row.get("v_a"), row.get("v_a_b")) == {8: (None, "[1]"), 9: (None, None), 16: (1, None)}[row["i"]]
        else:
            assert ("v" in row) == (sent is not None)
            assert sent is None or json.loads(row["v"]) == sent
    assert platform.counts("acme")["discarded"] == 0


def test_40_a_record_cannot_name_its_customer(shared: Platform) -> None:
    name = "40-other-customer-isolation.ndjson"
    other = shared.add_customer("other_co")
    (row,) = run(shared, name)["order_completed"].rows
    assert (row["order_id"], row["context_customer"]) == ("x", "other-co")
    assert "write_key" not in row
    assert shared.tables(other) == {}
