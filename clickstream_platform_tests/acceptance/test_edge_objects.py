"""Damaged objects, each a run of its own: what `expect` says of them in the manifest, as assertions."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from isal import igzip

from clickstream_platform.model.records import RejectReason
from clickstream_platform_tests.acceptance.driver import HOUR, Platform
from clickstream_platform_tests.acceptance.edges import (
    customer_of,
    data_of,
    lines_of,
    raw_lines,
    records_of,
    rejected,
    run,
)
from clickstream_platform_tests.acceptance.readers import Table
from clickstream_platform_tests.shared_data import needs_shared_data

pytestmark = needs_shared_data("5-edge-cases")

ORDERS = "order_completed"
R = RejectReason
# Rows and rejected records of the objects that hold the 21 orders in one form or another.
ORDER_OBJECTS = {
    "00-plain-good.ndjson.gz": (21, {}),
    "01-zero-byte.ndjson.gz": (0, {}),
    "04-gzip-of-nothing.ndjson.gz": (0, {}),
    "05-truncated.ndjson.gz": (9, {R.GZIP_TRUNCATED: 1}),
    "06-bad-crc.ndjson.gz": (21, {R.GZIP_CHECKSUM: 1}),
    "07-trailing-garbage.ndjson.gz": (21, {R.GZIP_TRAILING_BYTES: 1}),
    "08-three-members.ndjson.gz": (21, {}),
    "09-member-split-inside-line.ndjson.gz": (21, {}),
    "10-double-gzip.ndjson.gz": (21, {}),
    "11-plain-text-named-gz.ndjson.gz": (21, {}),
    "12-gzip-with-name-and-comment.ndjson.gz": (21, {}),
    "13-bom-crlf.ndjson": (21, {}),
    "14-no-final-newline.ndjson": (21, {}),
    "15-blank-lines.ndjson": (21, {}),
    "16-no-separators.ndjson": (0, {R.NOT_JSON: 1}),
    "17-cr-only.ndjson": (0, {R.NOT_JSON: 1}),
    "20-utf16.ndjson": (0, {R.NOT_UTF8: 1, R.NOT_JSON: 21}),
}


def test_every_object_of_the_manifest_has_a_test() -> None:
    manifest = json.loads(data_of("manifest.json"))
    names = {entry["object"] for entry in manifest}
    markers = {"02-directory-marker", "03-folder-marker"}
    numbers = {f"{number:02d}" for number in (18, 19, *range(21, 41))}
    assert {name for name in names - ORDER_OBJECTS.keys() - markers if name[:2] not in numbers} == set()
    assert {name[:2] for name in names} >= numbers


@pytest.mark.parametrize("name", ORDER_OBJECTS)
def test_orders_by_ingest(shared: Platform, name: str) -> None:
    rows, reasons = ORDER_OBJECTS[name]
    tables = run(shared, name)
    check_orders(tables, rows)
    assert rejected(shared, name) == reasons
    assert shared.counts(customer_of(name))["raw"] == rows + sum(reasons.values())


@pytest.mark.parametrize("name", ORDER_OBJECTS)
def test_orders_as_raw_objects_of_another_producer(shared: Platform, name: str) -> None:
    rows, reasons = ORDER_OBJECTS[name]
    customer = shared.add_customer(f"raw_{customer_of(name)}")
    shared.put_raw(customer, ORDERS, data_of(name))
    shared.load(customer)
    tables = shared.tables(customer)
    check_orders(tables, rows)
    assert Counter(record.reason for record in shared.quarantined(customer)) == reasons
    (load,) = tables["_loads"].rows  # an empty object is recorded as such
    assert (load["objects"], load["bytes"]) == (1, len(data_of(name)))
    assert (load["raw_records"], load["loaded_rows"]) == (rows + sum(reasons.values()), rows)


def check_orders(tables: dict[str, Table], rows: int) -> None:
    """Check the order rows against the good object, to the last value."""
    good = records_of("00-plain-good.ndjson.gz")[:rows]
    found = tables[ORDERS].rows if ORDERS in tables else ()
    keys = ("id", "anonymous_id", "order_id", "total", "i")
    expected = {
        (r["messageId"], r["anonymousId"], r["properties"]["order_id"], r["properties"]["total"], r["properties"]["i"])
        for r in good
    }
    assert {tuple(row.get(key) for key in keys) for row in found} == expected
    assert len(found) == len(expected) == rows
    assert not any("\r" in str(value) or "\ufeff" in str(value) for row in found for value in row.values())


def test_markers_are_ignored_and_stop_nothing(shared: Platform) -> None:
    customer = shared.add_customer("markers")
    store = shared.pipeline.wiring.objects
    for event in (ORDERS, "empty_folder"):
        prefix = f"raw/hour={HOUR}/customer={customer}/event={event}"
        store.put(f"{prefix}_$folder$", data_of("03-folder-marker"))
        store.put(f"{prefix}/", data_of("02-directory-marker"))
    shared.put_raw(customer, ORDERS, data_of("00-plain-good.ndjson.gz"))
    shared.load(customer)
    check_orders(shared.tables(customer), 21)
    assert shared.counts(customer)["raw"] == 21


def test_a_corrected_object_gives_every_row_once(platform: Platform) -> None:
    platform.add_customer("acme")
    platform.ingest("acme", data_of("05-truncated.ndjson.gz"))
    platform.load("acme")
    platform.ingest("acme", data_of("00-plain-good.ndjson.gz"))
    platform.load("acme")
    check_orders(platform.tables("acme"), 21)
    assert platform.counts("acme") == {"raw": 31, "loaded": 21, "duplicate": 9, "rejected": 1, "discarded": 0}


def test_18_unicode_line_separators(shared: Platform) -> None:
    name = "18-unicode-line-separators.ndjson"
    table = run(shared, name)["line_sep"]
    assert sorted(table.column("i")) == [0, 1, 2, 3, 4]
    assert table.column("v") == ["a\u2028b\u2029c\x85d\x1ce\x0bf\x0cg"] * 5
    assert rejected(shared, name) == {}


def test_19_bad_lines_among_good(shared: Platform) -> None:
    name = "19-bad-lines-among-good.ndjson"
    assert len(run(shared, name)[ORDERS].rows) == 13
    bad = [line for line in lines_of(name) if (line and b'"s-000' not in line) or line.endswith(b"T04:04:")]
    assert sorted(record.data for record in shared.quarantined(customer_of(name))) == sorted(bad)
    assert len(bad) == 8


@pytest.mark.parametrize(("name", "good"), [("21-line-over-4MiB.ndjson.gz", 2), ("22-line-over-1MiB.ndjson.gz", 1)])
def test_long_lines(shared: Platform, name: str, good: int) -> None:
    tables = run(shared, name)
    (long,) = (line for line in lines_of(name) if len(line) > 1_000_000)
    identity = json.loads(long)["messageId"]
    others = {record["messageId"] for record in records_of(name)} - {identity}
    assert others <= {row["id"] for table in tables.values() for row in table.rows if "id" in row}
    assert len(others) == good
    if len(long) > 4_000_000:  # a row of a COPY: the record is rejected, with all its bytes
        (record,) = shared.quarantined(customer_of(name))
        assert (record.reason, record.data) == (R.TOO_LARGE, long)
    else:  # a value that no column takes: the record lives, the value is kept in full beside the quarantine
        (row,) = tables["_discards"].rows
        assert (row["reason"], row["row_id"]) == ("too_long", identity)
        key = row["column_value"].rpartition("in ")[2].removesuffix("]")
        kept = json.loads(igzip.decompress(shared.pipeline.wiring.objects.get(key)))
        assert json.loads(kept["value"]) in json.loads(long)["properties"].values()


def test_23_nul_escapes(shared: Platform) -> None:
    tables = run(shared, "23-nul-escapes.ndjson")
    assert {row["i"]: row["v"] for row in tables["nul"].rows} == {0: "lead", 1: "middle", 2: "trail", 3: "", 4: "abc"}
    assert [row["reason"] for row in tables["_discards"].rows] == ["nul_character"] * 5


def test_24_raw_control_bytes(shared: Platform) -> None:
    name = "24-raw-nul-and-controls.ndjson"
    assert [row["i"] for row in run(shared, name)["_raw"].rows] == [3]
    assert {record.data for record in shared.quarantined(customer_of(name))} == set(lines_of(name)[:2])


def test_25_invalid_utf8(shared: Platform) -> None:
    name = "25-invalid-utf8.ndjson"
    assert [(row["i"], row["v"]) for row in run(shared, name)["utf"].rows] == [(4, "😀")]
    assert rejected(shared, name) == {R.NOT_UTF8: 2, R.LONE_SURROGATE: 1}
    assert {record.data for record in shared.quarantined(customer_of(name))} == set(raw_lines(lines_of(name)[:3]))


SOME_OBJECTS = [name for name in ORDER_OBJECTS if name[:2] in ("01", "05", "06", "07", "10", "13", "15")]


@pytest.mark.parametrize("name", [*SOME_OBJECTS, "19-bad-lines-among-good.ndjson"])
def test_damage_with_objects_in_any_store(any_platform: Platform, name: str) -> None:
    rows, reasons = ORDER_OBJECTS.get(name, (13, None))
    any_platform.add_customer("other")
    any_platform.put_raw("other", ORDERS, data_of(name))
    any_platform.load("other")
    tables = run(any_platform, name)
    for found in (tables, any_platform.tables("other")):
        assert len(found[ORDERS].rows if ORDERS in found else ()) == rows
    if reasons is not None:
        assert rejected(any_platform, name) == reasons
    ready = {"other": 1, customer_of(name): len(any_platform.raw_keys()) - 1}
    assert any_platform.discover() == {customer: objects for customer, objects in ready.items() if objects}
