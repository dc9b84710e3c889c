"""Recorded results of Segment's and RudderStack's warehouses: equal, or different for one documented reason."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from clickstream_platform.model.naming import snake_case
from clickstream_platform.model.records import ENVELOPE_COLUMNS, LOAD_COLUMNS, TRACK_COLUMNS
from clickstream_platform.model.reserved_words import RESERVED_WORDS
from clickstream_platform.model.schemas import Column, ColumnType, TableState
from clickstream_platform.model.timestamps import parse_timestamp
from clickstream_platform_tests.acceptance.driver import Platform
from clickstream_platform_tests.acceptance.edges import event_tables
from clickstream_platform_tests.acceptance.segment_cases import CLASSES, OUR_TYPES, Difference, compare
from clickstream_platform_tests.acceptance.segment_packs import load_cases
from clickstream_platform_tests.shared_data import REPOSITORY, needs_shared_data, read_json_lines, shared_data
from clickstream_platform_tests.transform.batches import stage_lines, track

FIXTURES = "2-segment-fixtures"
needs_fixtures = needs_shared_data(FIXTURES)
Record = Callable[[str, object], None]

# Classes of the small collections below, beside those of `segment_cases`: name -> section of docs/deviations.md.
OTHER_CLASSES = {
    "integers-beyond-int64": "Types",
    "json-keys": "Types",
    "objects": "Types",
    "no-cut": "Types",
    "no-such-day": "Timestamps",
}


def fixtures(name: str) -> list[dict[str, Any]]:
    return read_json_lines(shared_data(FIXTURES, f"{name}.jsonl"))


def score(results: Iterable[Difference | None]) -> Counter[str]:
    """Count agreements (`equal`) and differences by class; fail on a difference of no class or of several."""
    counts: Counter[str] = Counter()
    unexplained = []
    for result in results:
        classes = ["equal"] if result is None else [name for name, (_, holds) in CLASSES.items() if holds(result)]
        if len(classes) != 1:
            unexplained.append((classes, result))
        counts.update(classes)
    assert not unexplained, "\n".join(map(str, unexplained))
    return counts


@needs_fixtures
def test_rudderstack_redshift_cases(
    platforms: Callable[[], Platform], record_property: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every table, column, type and value that RudderStack gives is here, but for the documented classes."""
    cases = fixtures("rudder_redshift_default_cases")
    tables = load_cases(platforms, cases)
    results = [result for case in cases for result in compare(case, tables[case["id"]])]
    expected = score(result for result in results if result is None or result.what != "more")
    more = score(result for result in results if result is not None and result.what == "more")
    record_property("score", {"expected": dict(expected), "more": dict(more)})
    with capsys.disabled():
        print(f"\n{len(cases)} cases: {expected['equal']} of {expected.total()} tables and columns as recorded.")
        print(f"Different: {dict((expected - Counter(equal=expected['equal'])).most_common())}")
        print(f"More here: {dict(more.most_common())}")
    # The floor is what is reached (36,477 of 37,506), rounded down: it catches a class that swallows what was equal.
    assert expected["equal"] >= 0.972 * expected.total()
    assert more["all-fields"] < 0.05 * more.total()


# What their type names mean as a column of an existing table here.
COLUMNS = {
    "int": Column("v", ColumnType.BIGINT),
    "float": Column("v", ColumnType.DOUBLE),
    "string": Column("v", ColumnType.VARCHAR, 512),
    "boolean": Column("v", ColumnType.BOOLEAN),
    "datetime": Column("v", ColumnType.TIMESTAMP),
    "json": Column("v", ColumnType.JSON),
}


@needs_fixtures
def test_type_conflicts() -> None:
    """A value in a column of another type is converted or discarded as at RudderStack: all equal."""
    for case in fixtures("type_conflict_cases"):
        columns = (*ENVELOPE_COLUMNS, *TRACK_COLUMNS, *LOAD_COLUMNS, COLUMNS[case["column_type"]])
        state = TableState("e", {column.name: column for column in columns})
        staged = stage_lines([track("E", "m", {"v": case["value"]})], states={"e": state})
        (row,) = staged.rows("e")
        if "expected_value" in case:
            expected, found = case["expected_value"], row["v"]
            assert found == expected or json.loads(str(found)) == expected, case
            assert staged.rows("_discards") == [], case
        else:
            assert row["v"] is None, case
            (discard,) = staged.rows("_discards")
            assert json.loads(str(discard["column_value"])) == case["value"], case


@needs_fixtures
def test_timestamps(record_property: Record) -> None:
    """What is a time there is one here and means the same, but for days that no month has."""
    counts: Counter[str] = Counter()
    for case in fixtures("timestamp_cases"):
        moment = parse_timestamp(case["input"])
        ours = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None
        if case["expected"] == (moment is not None if isinstance(case["expected"], bool) else ours):
            counts["equal"] += 1
        else:
            assert case["input"] == "1988-04-31"  # no-such-day
            assert moment is None
            counts["no-such-day"] += 1
    record_property("score", dict(counts))
    assert counts == {"equal": 13, "no-such-day": 2}


@needs_fixtures
def test_data_types(record_property: Record) -> None:
    """A new column has the type that RudderStack gives it, but for the documented classes."""
    counts: Counter[str] = Counter()
    for case in fixtures("datatype_cases"):
        value = case["value"]
        if isinstance(value, dict) and "go" in value:
            value = float(re.sub(r"[^\d.]", "", value["go"].partition("(")[2]))
            value = int(value) if value > 2**63 else value
        line = track("E", "m", {"v": 12321}).replace(b"12321", json.dumps(value).encode())
        types = stage_lines([line]).types("e")
        if types.get("v") == OUR_TYPES.get(case["expected_type"]):
            counts["equal"] += 1
        elif isinstance(value, int) and abs(value) >= 2**63:
            assert types["v"] == "varchar"
            counts["integers-beyond-int64"] += 1
        elif isinstance(value, float):
            assert types["v"] == "double"
            counts["written-fraction"] += 1
        elif isinstance(value, dict):
            assert {types[f"v_{key}"] for key in value} == {"bigint"}
            counts["objects"] += 1
        else:
            assert isinstance(json.loads(value), dict)
            assert (types["v"], case["expected_type"]) == ("varchar", "json")
            counts["json-keys"] += 1
    record_property("score", dict(counts))
    assert counts == {"equal": 3, "written-fraction": 2, "integers-beyond-int64": 1, "objects": 1, "json-keys": 5}


@needs_fixtures
def test_segment_warehouse_rules() -> None:
    """The examples and rules of Segment's documentation of its warehouse schema."""
    by_id = {case["id"]: case for case in fixtures("segment_warehouse_rules")}
    examples = [case for case in by_id.values() if "input" in case]
    assert len(examples) == 3
    for case in examples:
        staged = stage_lines([json.dumps(case["input"] | {"messageId": case["id"]}).encode()])
        (table,) = staged.batch.tables
        assert table.table == case.get("expected_table", "x")
        assert case["expected"].items() <= staged.rows(table.table)[0].items()

    assert by_id["segwh-07"]["rule"] == "a column is created only when a non-null value arrives"
    nulls = stage_lines([track("E", "m", {"nothing": None, "later": None}), track("E", "n", {"later": 1})])
    assert {"later"} == nulls.types("e").keys() & {"nothing", "later"}

    assert by_id["segwh-09"]["rule"] == "strings are cut at 512 characters"  # no-cut
    assert stage_lines([track("E", "m", {"text": "x" * 5000})]).rows("e")[0]["text"] == "x" * 5000

    assert by_id["segwh-11"]["rule"] == "Redshift reserved words get a leading _"
    words = {word for word in RESERVED_WORDS if snake_case(word) == word}  # `text32k` becomes `text32_k`
    reserved = stage_lines([track("E", "m", dict.fromkeys(sorted(words), 1))]).types("e")
    assert {f"_{word}" for word in words} <= reserved.keys()
    assert reserved.keys() & RESERVED_WORDS == {"timestamp"}

    assert by_id["segwh-13"]["rule"].startswith("tracks has the common columns only")
    staged = stage_lines([track("E", "m", {"own": 1}, context={"ip": "1"}, channel="web")])
    assert staged.rows("e")[0].keys() - staged.rows("tracks")[0].keys() == {"own"}
    assert {"context_ip", "channel", "event", "event_text"} <= staged.rows("tracks")[0].keys()


@needs_fixtures
def test_payloads_of_the_documentation_are_all_loaded(platforms: Callable[[], Platform]) -> None:
    """Every call that Segment's documentation shows becomes a row, or is rejected for lacking what makes it one."""
    payloads = [case["payload"] | {"messageId": case["id"]} for case in fixtures("segment_docs_payloads")]
    platform = platforms()
    platform.add_customer("acme")
    platform.ingest("acme", [json.dumps(payload).encode() for payload in payloads])
    platform.load("acme", *platform.hours("acme"))
    loaded = {row["id"] for table in event_tables(platform.tables("acme")).values() for row in table.rows}
    rejected = [json.loads(record.data) for record in platform.quarantined("acme")]
    assert {record["messageId"] for record in rejected} | loaded >= {payload["messageId"] for payload in payloads}
    for record in rejected:
        known = record.get("type") in ("track", "identify", "page", "screen", "group", "alias")
        assert not known or not str(record.get("event") or "").strip(), record


def test_every_class_is_documented() -> None:
    """Each class is a row of its section, and each row of the sections Types, Timestamps and Tables is a class."""
    page = (REPOSITORY / "docs" / "deviations.md").read_text(encoding="utf-8")
    documented = {
        section: re.findall(
            r"^\| `([a-z0-9-]+)` \|", page.partition(f"## {section}\n")[2].partition("\n## ")[0], re.MULTILINE
        )
        for section in ("Names", "Types", "Timestamps", "Tables")
    }
    classes = {name: section for name, (section, _) in CLASSES.items()} | OTHER_CLASSES
    for section, names in documented.items():
        assert len(names) == len(set(names))
        ours = {name for name, where in classes.items() if where == section}
        assert ours <= set(names)
        assert section == "Names" or ours == set(names)
