"""Trying a contract on records that are there: what a load would do, bounded, without values; and making a schema."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline import contract_probe
from clickstream_platform.pipeline.contract_probe import OTHER_RULES, TOO_MANY, ProbeLimits, RawContractProbe
from clickstream_platform.record_contracts import checking
from clickstream_platform.record_contracts.checking import compile_schema
from clickstream_platform.registry.entities import Contract, ContractMode
from clickstream_platform.registry.ports import ContractProbe, DryRun
from clickstream_platform.registry.refusals import InvalidRequestError, NotFoundError
from clickstream_platform.transform.contracts import ContractRule
from clickstream_platform.transform.plan import SchemaPolicy
from clickstream_platform_tests.pipeline.stand_ins import NOW, TWELVE
from clickstream_platform_tests.record_contracts.schemas import objects, schemas
from clickstream_platform_tests.transform.batches import stage_lines, track

ELEVEN = TWELVE.plus(-1)
PRICE = {"properties": {"price": {"type": "number"}}, "required": ["sku"]}


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore(FixedClock(NOW))


def put(
    store: MemoryObjectStore, hour: Hour, lines: Iterable[bytes], shard: str = "s", stream: Stream | None = None
) -> str:
    key = str(RawObjectKey(hour, stream or Stream("acme", "sale"), shard, "1", "9"))
    store.put(key, gzip.compress(b"".join(line + b"\n" for line in lines)))
    return key


def probe(
    store: MemoryObjectStore, limits: ProbeLimits | None = None, seconds: Callable[[], float] = time.monotonic
) -> RawContractProbe:
    clock = FixedClock(NOW)
    if limits is None:
        return RawContractProbe(store, clock, seconds=seconds)
    return RawContractProbe(store, clock, dry_run_limits=limits, inference_limits=limits, seconds=seconds)


def contract(mode: ContractMode, schema: dict[str, Any] | None = None) -> Contract:
    return Contract("acme", "sale", 2, mode, PRICE if schema is None else schema, "", NOW, "me")


def sales(*properties: dict[str, Any]) -> list[bytes]:
    return [track("Sale", f"m{number}", found) for number, found in enumerate(properties)]


def test_a_probe_is_what_the_registry_asks_for(store: MemoryObjectStore) -> None:
    asked: ContractProbe = probe(store)
    put(store, TWELVE, sales({"sku": "a"}))
    assert asked.dry_run(contract("reject"), 1) == DryRun(1, 1, 0, 0, {}, (), is_complete=True)


@pytest.mark.parametrize(("mode", "rejected", "discarded"), [("evolve", 0, 0), ("freeze", 0, 2), ("reject", 3, 0)])
def test_a_dry_run_counts_what_a_load_would_do(
    store: MemoryObjectStore, mode: ContractMode, rejected: int, discarded: int
) -> None:
    lines = sales({"sku": "a", "price": 1}, {"sku": "a", "price": "SECRET"}, {"price": "SECRET"}, {"price": 2})
    key = put(store, TWELVE, [*lines, b"{oops", track("Sale", "", {"price": "x"}), b""])
    found = probe(store).dry_run(contract(mode), 24)
    assert (found.records, found.rejected, found.discarded) == (4, rejected, discarded)
    assert found.violations == {"/price type": 2, "/sku required": 2}
    assert found.is_complete
    assert [(each.object_key, each.line) for each in found.examples] == [(key, 2), (key, 3)]
    assert found.examples[1].problems == ('/price: the value is not of type "number"', "/sku: is missing")
    assert "SECRET" not in str(found)
    assert [item.key for item in store.list_objects("")] == [key]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schemas, st.lists(objects, min_size=1, max_size=8), st.sampled_from(["evolve", "freeze", "reject"]))
def test_any_dry_run_tells_what_the_transform_does(
    schema: dict[str, Any], records: list[dict[str, Any]], mode: ContractMode
) -> None:
    store = MemoryObjectStore(FixedClock(NOW))
    lines = [track("Sale", f"m{n}", {"x": 0}).replace(b'{"x":0}', _text(found)) for n, found in enumerate(records)]
    put(store, TWELVE, lines)
    found = probe(store).dry_run(contract(mode, schema), 1)
    staged = stage_lines(lines, policy=SchemaPolicy(contracts={"sale": ContractRule(2, mode, schema)}))
    (stream,) = staged.batch.streams
    assert (found.records, found.rejected) == (stream.counts.raw, stream.counts.rejected)
    assert found.discarded == sum(row["reason"] == "contract" for row in staged.rows("_discards"))


def _text(value: Any) -> bytes:
    """Write integers of any size, which orjson does not."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def test_only_the_last_hours_of_this_stream_are_read_newest_first(store: MemoryObjectStore) -> None:
    for back in range(4):
        put(store, TWELVE.plus(-back), sales({"price": back}))
    put(store, TWELVE, sales({"price": 1}), stream=Stream("acme", "other"))
    put(store, TWELVE, sales({"price": 1}), stream=Stream("acme_two", "sale"))
    store.put(f"raw/hour={TWELVE}/customer=acme/event=sale/", b"")
    store.put(f"raw/hour={TWELVE}/customer=acme/event=sale/notes.txt", b"{}\n")
    asked = probe(store)
    assert [asked.dry_run(contract("reject"), hours).records for hours in (1, 2, 3, 24)] == [2, 3, 4, 4]
    first = probe(store, ProbeLimits(records=1)).dry_run(contract("reject"), 24)
    assert (first.records, first.is_complete) == (1, False)
    assert f"hour={TWELVE}" in first.examples[0].object_key


@pytest.mark.parametrize(
    "limits", [ProbeLimits(records=3), ProbeLimits(size_bytes=500), ProbeLimits(seconds=3.5)], ids=str
)
def test_a_limit_ends_a_dry_run_and_is_told(store: MemoryObjectStore, limits: ProbeLimits) -> None:
    put(store, TWELVE, sales(*({"sku": "a"} for _ in range(50))))
    now = iter(range(1000))
    found = probe(store, limits, seconds=lambda: float(next(now))).dry_run(contract("reject"), 1)
    assert 1 <= found.records <= 4
    assert not found.is_complete


def test_a_line_that_never_ends_does_not_hold_a_dry_run_up(store: MemoryObjectStore) -> None:
    put(store, TWELVE, [b"x" * 30_000_000])
    now = iter(range(1000))
    found = probe(store, ProbeLimits(seconds=0.5), seconds=lambda: float(next(now))).dry_run(contract("reject"), 1)
    assert (found.records, found.is_complete) == (0, False)


def test_damaged_objects_give_what_can_be_read(store: MemoryObjectStore) -> None:
    key = put(store, TWELVE, sales(*({"sku": str(n)} for n in range(2000))))
    store.put(key, store.get(key)[:-2000])
    assert 0 < probe(store).dry_run(contract("reject"), 1).records < 2000


def test_rules_and_examples_are_bounded_and_keys_that_are_data_are_masked(
    store: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract_probe, "MAX_RULES", 5)
    closed = {"properties": {}, "additionalProperties": False}
    put(store, TWELVE, sales(*({f"k{n}": 1} for n in range(30)), {"someone@example.com": 1, "n": [1]}))
    found = probe(store).dry_run(contract("freeze", closed), 1)
    assert found.violations == {OTHER_RULES: 27} | {f"/k{n} additionalProperties": 1 for n in range(5)}
    assert len(found.examples) == contract_probe.MAX_EXAMPLES
    assert found.discarded == 32
    alone = probe(store)
    put(store, TWELVE, sales({"someone@example.com": 1}))
    assert list(alone.dry_run(contract("reject", closed), 1).violations) == ["/<masked key 1> additionalProperties"]


def test_elements_of_arrays_are_counted_together(store: MemoryObjectStore) -> None:
    put(store, TWELVE, sales({"sku": "a", "items": [1, "x", {}]}, {"sku": "a", "items": [[]]}))
    schema = {"properties": {"items": {"items": {"type": "string"}}}}
    found = probe(store).dry_run(contract("freeze", schema), 1)
    assert (found.violations, found.discarded) == ({"/items/* type": 2}, 2)
    assert found.examples[0].problems == (
        '/items/0: the value is not of type "string"',
        '/items/2: the value is not of type "string"',
    )


def test_a_record_too_large_to_tell_its_faults_apart_is_counted(
    store: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "MAX_FINDINGS", 10)
    put(store, TWELVE, sales({"items": [1] * 20}))
    found = probe(store).dry_run(contract("freeze"), 1)
    assert (found.rejected, dict(found.violations)) == (1, {TOO_MANY: 1})


@pytest.mark.parametrize("hours", [0, -1, 745])
def test_hours_out_of_range_are_refused(store: MemoryObjectStore, hours: int) -> None:
    with pytest.raises(InvalidRequestError, match="between 1 and 744"):
        probe(store).dry_run(contract("reject"), hours)
    with pytest.raises(InvalidRequestError, match="between 1 and 744"):
        probe(store).infer("acme", "sale", hours)


def test_a_schema_that_is_none_is_refused(store: MemoryObjectStore) -> None:
    with pytest.raises(InvalidRequestError, match=r"trying a contract: .*anyOf"):
        probe(store).dry_run(contract("reject", {"type": "text"}), 1)


# Inference


@settings(max_examples=60, deadline=None)
@given(st.lists(objects, min_size=1, max_size=8))
def test_every_record_fits_the_schema_that_was_made_of_the_records(records: list[dict[str, Any]]) -> None:
    store = MemoryObjectStore(FixedClock(NOW))
    lines = [track("Sale", f"m{n}", {"x": 0}).replace(b'{"x":0}', _text(found)) for n, found in enumerate(records)]
    put(store, TWELVE, lines)
    asked = probe(store)
    schema = dict(asked.infer("acme", "sale", 1))
    found = asked.dry_run(contract("reject", schema), 1)
    assert (found.records, found.rejected) == (len(records), 0)


def test_a_schema_is_made_of_valid_records_of_the_last_hours(store: MemoryObjectStore) -> None:
    put(store, TWELVE, [*sales({"price": 1}, {"price": 2.5, "colour": "red"}), b"{oops", track("Other", "m", {"x": 1})])
    put(store, ELEVEN, sales({"price": None}))
    put(store, TWELVE.plus(-9), sales({"old": 1}))
    put(store, TWELVE, [b'{"type":"track","event":"Sale","messageId":"m","properties":"text"}'], shard="t")
    schema = probe(store).infer("acme", "sale", 2)
    assert sorted(schema["properties"]) == ["colour", "price"]
    assert sorted(schema["properties"]["price"]["type"]) == ["null", "number"]
    assert schema["required"] == ["price"]
    assert compile_schema(schema).is_broken_by({"price": "x"})


def test_traits_are_what_an_identify_contract_speaks_of(store: MemoryObjectStore) -> None:
    line = b'{"type":"identify","messageId":"m","traits":{"plan":"free"},"properties":{"x":1}}'
    put(store, TWELVE, [line], stream=Stream("acme", "identifies"))
    assert list(probe(store).infer("acme", "identifies", 1)["properties"]) == ["plan"]


def test_no_record_is_no_schema(store: MemoryObjectStore) -> None:
    put(store, TWELVE, [b"{oops"])
    with pytest.raises(NotFoundError, match="the last 3 hours hold no record"):
        probe(store).infer("acme", "sale", 3)
