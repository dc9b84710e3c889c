"""Verdicts: as another implementation of JSON Schema gives them, exact with numbers, and in bounded time and memory."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from clickstream_platform.record_contracts import checking
from clickstream_platform.record_contracts.checking import compile_schema
from clickstream_platform_tests.record_contracts.schemas import objects, schemas


def broken(schema: dict[str, Any], value: Any) -> list[str]:
    """Return what a value breaks, as `place rule`, ordered."""
    found = compile_schema(schema).violations(value, 100)
    assert found is not None
    return [str(each) for each in found]


@settings(max_examples=400, deadline=None)
@given(schemas, objects)
def test_any_verdict_is_that_of_another_implementation(schema: dict[str, Any], value: dict[str, Any]) -> None:
    checker = compile_schema(schema)
    is_valid = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert checker.is_broken_by(value) is not is_valid
    violations = checker.violations(value, 1000)
    assert violations is not None
    assert bool(violations) is not is_valid
    assert checker.violations(value, 1000) == violations


ORDER = {
    "type": "object",
    "properties": {
        "price": {"type": "number", "minimum": 0},
        "address": {"type": "object", "required": ["zip"], "properties": {"zip": {"pattern": "^[0-9]{5}$"}}},
        "items": {"items": {"type": "object", "properties": {"sku": {"type": "string"}}, "required": ["sku"]}},
        "kind": {"enum": ["new", "old"]},
        "either": {"anyOf": [{"type": "string"}, {"minimum": 5}]},
    },
    "required": ["price"],
}


@pytest.mark.parametrize(
    ("schema", "value", "found"),
    [
        (ORDER, {"price": 1, "address": {"zip": "12345"}, "items": [{"sku": "a"}], "kind": "new"}, []),
        (ORDER, {}, ["/price required"]),
        (ORDER, {"price": "1"}, ["/price type"]),
        (ORDER, {"price": 1, "address": {}, "kind": 3}, ["/address/zip required", "/kind enum"]),
        (
            ORDER,
            {"price": 1, "items": [{}, {"sku": 1}, 2]},
            ["/items/0/sku required", "/items/1/sku type", "/items/2 type"],
        ),
        (ORDER, {"price": 1, "either": 1}, ["/either anyOf"]),
        ({"additionalProperties": False}, {"b": 1, "a": 2}, ["/a additionalProperties", "/b additionalProperties"]),
        ({"additionalProperties": False, "properties": {"a": {}}}, {"b": 1, "a": 2}, ["/b additionalProperties"]),
        ({"properties": {"a": {"additionalProperties": False}}}, {"a": {"x": 1}}, ["/a/x additionalProperties"]),
        ({"unevaluatedProperties": False}, {"a/b": 1}, ["/a~1b unevaluatedProperties"]),
        ({"propertyNames": {"maxLength": 2}}, {"abc": 1, "ab": 2}, ["/abc propertyNames"]),
        ({"propertyNames": False}, {"abc": 1}, ["/abc propertyNames"]),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, ["/b required"]),
        ({"minProperties": 1}, {}, ["/ minProperties"]),
        ({"not": {"required": ["a"]}}, {"a": 1}, ["/ not"]),
    ],
)
def test_a_violation_names_its_place_and_rule(schema: dict[str, Any], value: Any, found: list[str]) -> None:
    assert broken(schema, value) == found


def test_a_violation_repeats_no_value() -> None:
    value = {"price": "SECRET", "kind": "SECRET", "either": True, "address": {"zip": "SECRET"}, "items": ["SECRET"]}
    found = compile_schema(ORDER).violations(value, 100)
    assert found
    assert all("SECRET" not in each.message and each.message for each in found)


@pytest.mark.parametrize(
    ("schema", "value", "is_broken"),
    [
        ({"maximum": 2**53}, 2**53 + 1, True),
        ({"maximum": 10**30}, 10**30 + 1, True),
        ({"maximum": 10**30}, 10**30, False),
        ({"type": "integer"}, Decimal("5.0"), False),
        ({"type": "integer"}, 10**400, False),
        ({"multipleOf": 0.01}, 19.99, False),
        ({"multipleOf": 0.01}, Decimal("19.99000000000000000001"), True),
        ({"maximum": 0.3}, Decimal("0.30000000000000000001"), True),
        ({"const": 1}, True, True),
        ({"enum": [1]}, 1.0, False),
    ],
)
def test_numbers_are_compared_exactly(schema: dict[str, Any], value: object, is_broken: bool) -> None:
    assert compile_schema(schema).is_broken_by(value) is is_broken


def test_regular_expressions_take_time_in_proportion_to_the_text() -> None:
    checker = compile_schema({"properties": {"a": {"pattern": "^(a+)+$"}}})
    started = time.perf_counter()
    assert checker.is_broken_by({"a": "a" * 1_000_000 + "!"})
    assert time.perf_counter() - started < 5


def test_patterns_are_ascii_where_the_standard_says_so() -> None:
    assert compile_schema({"pattern": r"^\d+$"}).is_broken_by("٣")
    assert not compile_schema({"pattern": r"^\p{Lu}+$"}).is_broken_by("ÄÖ")


def test_formats_are_checked() -> None:
    checker = compile_schema({"properties": {"at": {"format": "date-time"}}})
    assert not checker.is_broken_by({"at": "2026-11-22T09:00:00Z"})
    assert checker.is_broken_by({"at": "yesterday"})


def test_deep_values_get_a_verdict() -> None:
    deep: Any = 1
    for level in range(1000):
        deep = {"a": deep} if level % 2 else [deep]
    checker = compile_schema({"properties": {"a": {"type": "string"}, "b": {"type": "array"}}})
    assert checker.is_broken_by({"a": deep})
    assert not checker.is_broken_by({"b": [deep]})
    listed = checker.violations({"a": deep}, 5_000)
    assert listed is None or [str(each) for each in listed] == ["/a type"]


def test_what_would_take_much_memory_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MAX_FINDINGS", 50)
    checker = compile_schema({"properties": {"a": {"items": {"type": "string"}}}})
    assert checker.violations({"a": [1] * 50}, 500) is None
    assert checker.violations({"a": ["x"] * 50}, 500) == []
    listed = checker.violations({"a": [1] * 40}, 500)
    assert listed is not None
    assert len(listed) == 40
    many = compile_schema({"required": [f"k{number}" for number in range(500)]})
    assert many.violations({"long": "x" * 2_000_000}, 2_000_010) is None
    assert compile_schema({"propertyNames": {"maxLength": 1}}).violations({"long": 1, "b": "x"}, 9_000_000) is None


def test_a_large_record_with_few_rules_is_listed() -> None:
    value = {"text": "x" * 1_000_000, "price": "1"}
    listed = compile_schema({"properties": {"price": {"type": "number"}}}).violations(value, 1_000_030)
    assert [str(each) for each in listed or ()] == ["/price type"]
