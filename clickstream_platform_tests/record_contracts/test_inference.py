"""A schema from values: all of them fit it, it can be a contract's, and it stays within its bounds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.record_contracts import inference
from clickstream_platform.record_contracts.bounds import DRAFT
from clickstream_platform.record_contracts.checking import compile_schema
from clickstream_platform.record_contracts.inference import SchemaFromValues
from clickstream_platform_tests.record_contracts.schemas import objects


def infer(*values: dict[str, Any]) -> dict[str, Any]:
    made = SchemaFromValues()
    for value in values:
        made.add(value)
    schema = made.schema()
    checker = compile_schema(schema)
    assert [value for value in values if checker.is_broken_by(value)] == []
    return schema


@settings(max_examples=200, deadline=None)
@given(st.lists(objects, min_size=1, max_size=6))
def test_every_value_fits_the_schema_that_was_made_of_it(values: list[dict[str, Any]]) -> None:
    assert infer(*values)["$schema"] == DRAFT


@settings(max_examples=50, deadline=None)
@given(st.lists(objects, min_size=1, max_size=4), st.integers(1, 3), st.integers(0, 3))
def test_every_value_fits_whatever_the_bounds(values: list[dict[str, Any]], levels: int, names: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "MAX_LEVELS", levels)
        patch.setattr(inference, "MAX_NAMES", names)
        infer(*values)


def test_types_are_merged_and_what_all_have_is_required() -> None:
    schema = infer(
        {"price": 1, "items": [{"sku": "a", "n": 1}], "note": None, "at": "x"},
        {"price": 2.5, "items": [{"sku": "b"}], "note": "text"},
    )
    assert schema["required"] == ["items", "note", "price"]
    properties = schema["properties"]
    assert properties["price"] == {"type": "number"}
    assert sorted(properties["note"]["type"]) == ["null", "string"]
    assert properties["items"]["items"]["required"] == ["sku"]
    assert compile_schema(schema).is_broken_by({"price": "1", "items": [], "note": None})


def test_numbers_of_any_size_are_numbers() -> None:
    assert infer({"a": 2**80, "b": Decimal("0.1000000000000000000001")})["properties"] == {
        "a": {"type": "integer"},
        "b": {"type": "number"},
    }


def test_deep_and_wide_values_stay_within_bounds() -> None:
    deep: dict[str, Any] = {"a": 1}
    for _ in range(900):
        deep = {"a": [deep]}
    wide = {f"user {number}": {"n": number} for number in range(5_000)}
    schema = infer(deep, {"map": wide}, {"x" * 300: 1}, {"list": [wide, *range(50_000)]})
    assert len(schema["properties"]["map"]["properties"]) < inference.MAX_NAMES
    assert len(str(schema)) < 300_000


def test_a_schema_that_is_too_long_says_less_about_what_lies_deep() -> None:
    names = [f"{'long name ' * 19}{number}" for number in range(1_900)]
    schema = infer({"a": {"b": dict.fromkeys(names, 1)}, "c": 1})
    assert schema["properties"]["c"] == {"type": "integer"}
    assert "properties" not in schema["properties"]["a"]["properties"]["b"]
