"""Foreign test suites as events: JSONTestSuite, naughty strings, UTF-8, DuckDB's JSON files, gzip files of others."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from clickstream_platform.model.records import RejectReason
from clickstream_platform_tests.acceptance.driver import Platform
from clickstream_platform_tests.acceptance.edges import (
    customer_of,
    data_of,
    discards_of,
    event_tables,
    lines_of,
    raw_lines,
    run,
)
from clickstream_platform_tests.shared_data import needs_shared_data, read_json_lines, shared_data

pytestmark = needs_shared_data("5-edge-cases")

R = RejectReason


def probes_of(name: str) -> tuple[set[str], set[str]]:
    """Return the ids of a probe object's guards and probes."""
    entry = next(entry for entry in json.loads(data_of("jts_manifest.json")) if entry["object"] == name)
    probes = {probe["messageId"] for probe in entry["probe_ids"]}
    assert len(probes) == entry["probes"]
    lines = [line for line in lines_of(name) if b'"Jts Guard"' in line]
    guards = {json.loads(line)["messageId"] for line in lines}
    assert len(guards) == entry["guards"]
    return guards, probes


def probe_lines(name: str) -> dict[str, bytes]:
    """Return the lines of probes by their id, as bytes: most are no JSON."""
    lines = [line for line in lines_of(name) if b'"Jts Probe"' in line]
    return {line.partition(b'"messageId":"')[2].partition(b'"')[0].decode(): line for line in lines}


def run_probes(platform: Platform, name: str) -> tuple[set[str], dict[bytes, RejectReason]]:
    """Load a probe object; return the ids of its loaded probes and the rejected lines. All guards are loaded."""
    guards, _ = probes_of(name)
    tables = run(platform, name)
    assert set(tables["jts_guard"].column("id")) == guards
    assert sorted(tables["jts_guard"].column("n")) == list(range(len(guards)))
    quarantined = {record.data: record.reason for record in platform.quarantined(customer_of(name))}
    counts = platform.counts(customer_of(name))
    assert counts["duplicate"] == 0
    assert counts["rejected"] == len(quarantined)
    loaded = set(tables["jts_probe"].column("id")) if "jts_probe" in tables else set()
    assert counts["loaded"] == len(guards) + len(loaded)
    return loaded, quarantined


def test_valid_documents_are_all_loaded(shared: Platform) -> None:
    _, probes = probes_of("jts_probe_valid.ndjson")
    loaded, quarantined = run_probes(shared, "jts_probe_valid.ndjson")
    assert quarantined == {}
    assert loaded == probes


def test_invalid_documents_are_all_rejected_with_their_bytes(shared: Platform) -> None:
    name = "jts_probe_invalid.ndjson"
    loaded, quarantined = run_probes(shared, name)
    assert loaded == set()
    assert quarantined.keys() == set(probe_lines(name).values())
    assert set(quarantined.values()) == {R.NOT_JSON, R.NOT_UTF8, R.LONE_SURROGATE}


def test_what_the_standard_leaves_open_is_loaded_or_rejected(shared: Platform) -> None:
    name = "jts_probe_implementation.ndjson"
    loaded, quarantined = run_probes(shared, name)
    lines = probe_lines(name)
    assert (
        loaded | {identity for identity, line in lines.items() if raw_lines([line])[0] in quarantined} == lines.keys()
    )
    assert len(loaded) + len(quarantined) == len(lines)
    # Numbers that no double holds are loaded as they were written; half of a surrogate pair is no text.
    assert set(quarantined.values()) <= {R.NOT_UTF8, R.LONE_SURROGATE, R.NOT_JSON}
    assert {reason for line, reason in quarantined.items() if b"number" in line} == set()


def test_whole_documents_as_lines(shared: Platform) -> None:
    cases = read_json_lines(shared_data("5-edge-cases", "jsontestsuite.jsonl"))
    documents = [base64.b64decode(case["content_b64"]) for case in cases]
    lines = [document for document in documents if b"\n" not in document]
    customer = shared.add_customer("documents")
    shared.ingest(customer, lines)
    shared.load(customer)
    # None is an event. What is blank is no record; a byte-order mark at the very start is none of the first line's.
    expected = [line.removesuffix(b"\r") for line in lines if line.strip()]
    quarantined = shared.quarantined(customer)
    assert sorted(record.data for record in quarantined) == sorted(expected)
    assert event_tables(shared.tables(customer)) == {}
    assert shared.counts(customer)["raw"] == len(expected)


def test_naughty_strings_are_loaded_as_they_are(shared: Platform) -> None:
    name = "blns_values.ndjson"
    tables = run(shared, name)
    sent = {json.loads(line)["messageId"]: json.loads(line)["properties"] for line in lines_of(name) if line}
    rows = {row["id"]: row for row in tables["naughty_value"].rows}
    assert rows.keys() == sent.keys()
    for identity, properties in sent.items():
        assert rows[identity]["value"] == properties["value"].replace("\0", "")
        assert rows[identity]["n"] == properties["n"]
    assert {reason for _, _, _, reason in discards_of(tables)} <= {"nul_character"}


def test_utf8_cases(shared: Platform) -> None:
    cases = read_json_lines(shared_data("5-edge-cases", "utf8_cases.jsonl"))
    lines = {}
    for case in cases:
        text = bytes.fromhex(case["bytes_hex"])
        if not any(byte < 0x20 or byte in b'"\\' for byte in text):  # not as they are inside a JSON string
            head = b'{"type":"track","event":"Utf","messageId":"%s","properties":{"v":"' % case["id"].encode()
            lines[case["id"]] = (head + text + b'"}}', case)
    customer = shared.add_customer("utf8")
    shared.ingest(customer, [line for line, _ in lines.values()])
    shared.load(customer)
    rows = {row["id"]: row.get("v") for row in shared.tables(customer)["utf"].rows}
    quarantined = {record.data: record.reason for record in shared.quarantined(customer)}
    for identity, (line, case) in lines.items():
        if case["valid"]:
            assert rows[identity] == bytes.fromhex(case["bytes_hex"]).decode()
        else:
            assert quarantined[line] is R.NOT_UTF8
    assert len(rows) + len(quarantined) == len(lines) > 80


def duckdb_files() -> list[str]:
    folder = shared_data("5-edge-cases", "duckdb-json")
    return sorted(path.name for path in folder.glob("*") if path.name != "manifest.json") if folder.exists() else []


def test_files_of_others_are_no_events_but_accounted_for(shared: Platform) -> None:
    """Not one line of these files is an event: all are rejected, with every byte; blank ones are no records."""
    customer = shared.add_customer("foreign")
    expected = []
    gzips = [("gzip-foreign", entry["file"]) for entry in json.loads(foreign("gzip-foreign", "manifest.json"))]
    for folder, name in [*(("duckdb-json", name) for name in duckdb_files()), *gzips]:
        data = foreign(folder, name)
        shared.ingest(customer, data, name=name)
        expected += [line.removesuffix(b"\r") for line in text_of(data).split(b"\n") if line.strip()]
    shared.load(customer)
    assert sorted(record.data for record in shared.quarantined(customer)) == sorted(expected)
    assert shared.counts(customer)["rejected"] == len(expected)
    assert event_tables(shared.tables(customer)) == {}


def foreign(*parts: str) -> bytes:
    return shared_data("5-edge-cases", *parts).read_bytes()


def text_of(data: bytes) -> bytes:
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def test_duckdb_json_lines_as_properties_are_loaded(shared: Platform) -> None:
    lines, sent = [], {}
    for name in duckdb_files():
        data = foreign("duckdb-json", name)
        for number, line in enumerate(text_of(data).split(b"\n")):
            properties = parse(line)
            if isinstance(properties, dict):
                identity = f"{name}-{number}"
                sent[identity] = properties
                lines.append(
                    b'{"type":"track","event":"Duck","messageId":"%s","properties":%s}'
                    % (identity.encode(), line.strip())
                )
    customer = shared.add_customer("duckdb_properties")
    shared.ingest(customer, lines)
    shared.load(customer)
    table = shared.tables(customer)["duck"]
    assert set(table.column("id")) == sent.keys()
    assert table.types["_id"] == "JSON"  # a string, numbers and an array
    ids = {
        identity: json.dumps(properties["id"], separators=(",", ":"))
        for identity, properties in sent.items()
        if "id" in properties
    }
    assert {row["id"]: row["_id"] for row in table.rows if "_id" in row} == ids
    assert shared.counts(customer)["rejected"] == 0


def parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
