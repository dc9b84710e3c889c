"""Batches under contract: both engines do the same, however the batch is cut, and the counts add up."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.model.staging import StagedBatch
from clickstream_platform.record_contracts.bounds import InvalidSchemaError
from clickstream_platform.transform.chunks import BatchStream
from clickstream_platform.transform.contracts import ContractMode, ContractRule, open_contract
from clickstream_platform.transform.engines import duckdb as duckdb_engine
from clickstream_platform.transform.engines.duckdb import DuckDBEngine
from clickstream_platform.transform.engines.port import Shredded
from clickstream_platform.transform.engines.single import SingleEngine
from clickstream_platform.transform.plan import SchemaPolicy
from clickstream_platform.transform.transformer import TransformSettings
from clickstream_platform_tests.record_contracts.schemas import objects, schemas
from clickstream_platform_tests.transform.awkward import mixed_lines
from clickstream_platform_tests.transform.batches import Staged, stage, stage_lines, track
from clickstream_platform_tests.transform.content import content_of, in_objects
from clickstream_platform_tests.transform.test_engines import ODD_LINES, canonical, make_chunk, shred_with

MODES: tuple[ContractMode, ...] = ("evolve", "freeze", "reject")
PRICED = {
    "type": "object",
    "properties": {"price": {"maximum": 50}, "word": {"type": "string"}, "drift": {"type": ["number", "null"]}},
    "required": ["number"],
    "propertyNames": {"not": {"const": "rare 7"}},
}
CONTRACTS = SchemaPolicy(
    contracts={
        f"event_{number}": ContractRule(number + 1, mode, PRICED)
        for number, mode in enumerate((*MODES, *MODES, "freeze"))
    }
)
LINES = mixed_lines(3000)


def shred_both(
    lines: list[bytes], mode: ContractMode, schema: dict[str, Any], *, min_rows: int = 1
) -> tuple[Shredded, Shredded]:
    """Shred the lines of one stream with both engines."""
    chunk, _ = make_chunk({"sample": lines})
    streams = [BatchStream(0, "sample", open_contract("sample", ContractRule(1, mode, schema)))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duckdb_engine, "MIN_ROWS", min_rows)
        found = shred_with(DuckDBEngine(max_depth=8), chunk, streams)
    return shred_with(SingleEngine(max_depth=8), chunk, streams), found


def assert_same(expected: Shredded, found: Shredded) -> None:
    assert canonical(found) == canonical(expected)
    assert sorted(found.broken) == sorted(expected.broken)
    assert sorted(map(repr, found.notes)) == sorted(map(repr, expected.notes))
    assert sorted(each.detail for each in found.rejections) == sorted(each.detail for each in expected.rejections)


@settings(max_examples=120, deadline=None)
@given(schemas, st.lists(objects, min_size=1, max_size=10), st.sampled_from(MODES))
def test_both_engines_give_the_verdict_of_the_schema(
    schema: dict[str, Any], records: list[dict[str, Any]], mode: ContractMode
) -> None:
    lines = [_line(number, properties) for number, properties in enumerate(records)]
    expected, found = shred_both(lines, mode, schema)
    assert_same(expected, found)
    reference = jsonschema.Draft202012Validator(schema)
    broken = [number for number, properties in enumerate(records) if not reference.is_valid(properties)]
    assert sorted(found.broken) == broken
    rejected = [each.index for each in found.rejections]
    assert sorted(rejected) == (broken if mode == "reject" else [])
    assert {number for number, _ in found.notes if mode != "freeze"} <= _noted_without(lines)


def _line(number: int, properties: dict[str, Any]) -> bytes:
    text = _exact(properties)
    return track("Sample", f"m{number}", {"x": 0}).replace(b'{"x":0}', text)


def _exact(value: Any) -> bytes:
    """Write integers of any size, which orjson does not."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _noted_without(lines: list[bytes]) -> set[int]:
    chunk, streams = make_chunk({"sample": lines})
    return {number for number, _ in shred_with(SingleEngine(max_depth=8), chunk, streams).notes}


@pytest.mark.parametrize("mode", MODES)
def test_odd_lines_become_the_same_under_contract(mode: ContractMode) -> None:
    schema = {"properties": {"a": {"type": "integer", "maximum": 20}, "b": {"type": "string"}}}
    regular = [track("Sample", f"r{number}", {"a": number, "b": "x"}) for number in range(40)]
    expected, found = shred_both([*regular[:15], *ODD_LINES, *regular[15:]], mode, schema)
    assert_same(expected, found)
    assert len(found.broken) > 19


@pytest.mark.parametrize("mode", MODES)
def test_records_that_fit_are_extracted_not_read_one_by_one(
    mode: ContractMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [track("Sample", f"r{number}", {"a": number}) for number in range(1000)]
    chunk, _ = make_chunk({"sample": lines})
    rule = ContractRule(1, mode, {"properties": {"a": {"maximum": 989}}})
    streams = [BatchStream(0, "sample", open_contract("sample", rule))]
    engine, read = DuckDBEngine(max_depth=8), []
    original = engine._single.shred_lines

    def spy(chunk: Any, indexes: Any, *rest: Any) -> None:
        read.extend(indexes := list(indexes))
        original(chunk, indexes, *rest)

    monkeypatch.setattr(engine._single, "shred_lines", spy)
    shredded = shred_with(engine, chunk, streams)
    assert sorted(shredded.broken) == list(range(990, 1000))
    assert read == ([] if mode == "evolve" else list(range(990, 1000)))


@pytest.fixture(scope="module")
def expected() -> dict[str, object]:
    """What staging all lines at once gives, under contract."""
    return content(stage_lines(LINES, policy=CONTRACTS))


def content(staged: Staged) -> dict[str, object]:
    found = content_of(staged)
    found["broken"] = [(s.event, s.contract_version, s.broken_records) for s in staged.batch.streams]
    return found


def test_the_batch_holds_all_three_modes(expected: dict[str, object]) -> None:
    reasons = [reason for reason, _ in expected["quarantine"]]  # type: ignore[attr-defined]
    assert reasons.count("contract") > 50
    broken = {event: (version, count) for event, version, count in expected["broken"]}  # type: ignore[attr-defined]
    assert broken["event_9"] == (None, 0)
    assert all(broken[f"event_{number}"][1] > 20 for number in range(7))
    frozen = [row for row in expected["_discards"] if ("reason", "contract") in row]  # type: ignore[attr-defined]
    assert len(frozen) > 100
    assert {value for row in frozen for name, value in row if name == "event"} <= {"event_1", "event_4", "event_6"}


@pytest.mark.parametrize(
    "options",
    [TransformSettings(block_bytes=1, max_record_bytes=4000), TransformSettings(memory_bytes=0)],
    ids=["small blocks", "on disk"],
)
def test_blocks_and_memory_make_no_difference(expected: dict[str, object], options: TransformSettings) -> None:
    assert content(stage_lines(LINES, policy=CONTRACTS, settings=options)) == expected


@pytest.mark.parametrize("min_rows", [1, 10**9], ids=["extracted", "one by one"])
def test_the_engine_makes_no_difference(
    expected: dict[str, object], monkeypatch: pytest.MonkeyPatch, min_rows: int
) -> None:
    monkeypatch.setattr(duckdb_engine, "MIN_ROWS", min_rows)
    assert content(stage_lines(LINES, policy=CONTRACTS)) == expected


def test_order_and_objects_make_no_difference(expected: dict[str, object]) -> None:
    shuffled = LINES.copy()
    random.Random(5).shuffle(shuffled)
    refs, store = in_objects([shuffled[1000:], shuffled[:1000]])
    assert content(stage(refs, store, policy=CONTRACTS)) == expected


def test_the_contract_is_written_down_with_the_batch() -> None:
    lines = [track("E", "m1", {"a": 1}), track("E", "m2", {"a": "x"}), track("E", "m2", {"a": "x"})]
    rule = ContractRule(7, "reject", {"properties": {"a": {"type": "integer"}}})
    staged = stage_lines(lines, policy=SchemaPolicy(contracts={"e": rule}))
    (stream,) = staged.batch.streams
    assert (stream.contract_version, stream.broken_records) == (7, 2)
    assert (stream.counts.raw, stream.counts.rows, stream.counts.rejected) == (3, 1, 2)
    assert [record.reason for record in staged.quarantined()] == ["contract", "contract"]
    assert StagedBatch.from_json(staged.batch.to_json()) == staged.batch
    older = orjson.loads(staged.batch.to_json())
    for each in older["streams"]:
        del each["contract_version"], each["broken_records"]
    assert StagedBatch.from_json(orjson.dumps(older)).streams[0].contract_version is None


def test_frozen_values_make_no_column_and_no_type() -> None:
    rule = ContractRule(1, "freeze", {"properties": {"a": {"type": "integer"}}, "additionalProperties": False})
    lines = [track("E", "m1", {"a": 1, "b": 2}), track("E", "m2", {"a": "text"})]
    staged = stage_lines(lines, policy=SchemaPolicy(contracts={"e": rule}))
    assert staged.types("e")["a"] == "bigint"
    assert "b" not in staged.types("e")
    discards = {
        (row["row_id"], row["column_name"], row["column_value"], row["reason"]) for row in staged.rows("_discards")
    }
    assert discards == {("m1", "b", "2", "contract"), ("m2", "a", '"text"', "contract")}


def test_a_contract_that_cannot_be_checked_stages_nothing() -> None:
    rule = ContractRule(1, "freeze", {"$ref": "#"})
    refs, store = in_objects([[track("E", "m1", {"a": 1})]])
    with pytest.raises(InvalidSchemaError, match="itself"):
        stage(refs, store, policy=SchemaPolicy(contracts={"e": rule}))
    assert [info.key for info in store.list_objects("staged/")] == []
