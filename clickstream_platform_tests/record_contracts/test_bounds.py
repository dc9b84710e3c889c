"""Which schemas are refused, with a reason, before they are compiled or could ever run."""

from __future__ import annotations

import time
from typing import Any

import pytest

from clickstream_platform.record_contracts import bounds
from clickstream_platform.record_contracts.bounds import InvalidSchemaError, measure
from clickstream_platform.record_contracts.checking import check_schema


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


def doubling(levels: int) -> dict[str, Any]:
    """Return a short schema that means 2**levels subschemas."""
    found: dict[str, Any] = {"d0": {"type": "object"}}
    for level in range(1, levels + 1):
        found[f"d{level}"] = {"allOf": [{"$ref": f"#/$defs/d{level - 1}"}, {"$ref": f"#/$defs/d{level - 1}"}]}
    return {"$defs": found, "$ref": f"#/$defs/d{levels}"}


def looped() -> dict[str, Any]:
    schema: dict[str, Any] = {}
    schema["not"] = schema
    return schema


@pytest.mark.parametrize(
    ("schema", "cause"),
    [
        ([], "no JSON object"),
        ("{}", "no JSON object"),
        ({"enum": [float("nan")]}, "no JSON"),
        ({"enum": [object()]}, "no JSON"),
        ({"enum": ["\ud800"]}, "surrogate"),
        (looped(), "no JSON"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, r"\$schema is not"),
        ({"type": "text"}, "anyOf"),
        ({"required": "price"}, "array"),
        ({"minLength": -1}, "minimum"),
        ({"format": "dat-time"}, "Unknown format"),
        ({"pattern": "("}, "regex"),
        ({"pattern": "(?=a)"}, "regex"),
        ({"pattern": r"(a)\1"}, "regex"),
        ({"pattern": "(a{1000}){1000}"}, "regex"),
        ({"$ref": "https://example.com/schema.json"}, "outside"),
        ({"$ref": "file:///etc/passwd"}, "outside"),
        ({"properties": {"a": {"$ref": "other.json#/x"}}}, "outside"),
        ({"$ref": "#/$defs/gone"}, "nowhere"),
        ({"$ref": "#"}, "itself"),
        ({"properties": {"a": {"$ref": "#/properties/a"}}}, "itself"),
        ({"$defs": {"t": {"items": {"$ref": "#/$defs/t"}}}, "$ref": "#/$defs/t"}, "itself"),
        ({"$dynamicRef": "#a"}, "dynamicRef"),
        ({"properties": {"a": {"$id": "x"}}}, r"uses \$id"),
        ({"properties": {"a": {"$schema": bounds.DRAFT}}}, r"uses \$schema"),
        (nested(100), "nested deeper"),
        (nested(5_000), "nested deeper"),
        (doubling(20), "subschemas"),
        ({"properties": {f"p{number}": {"pattern": "a"} for number in range(101)}}, "regular expressions"),
        ({"patternProperties": {f"p{number}": {} for number in range(101)}}, "regular expressions"),
        ({"description": "x" * 300_000}, "longer than"),
    ],
    ids=lambda item: item[:40] if isinstance(item, str) else "",
)
def test_a_schema_that_no_contract_can_have_is_refused(schema: Any, cause: str) -> None:
    started = time.perf_counter()
    with pytest.raises(InvalidSchemaError, match=cause):
        check_schema(schema)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$schema": bounds.DRAFT, "$id": "https://example.com/order.json", "title": "Order", "x-owner": "shop"},
        {"properties": {"$ref": {"type": "string"}, "$id": {}, "pattern": {"pattern": "^a"}}},
        {"$defs": {"a/b": {"type": "string"}, "c d": {}}, "properties": {"x": {"$ref": "#/$defs/a~1b"}}},
        {"allOf": [{"type": "object"}], "properties": {"x": {"$ref": "#/allOf/0"}}},
        {"$defs": {"t": {"type": "string"}}, "properties": {n: {"$ref": "#/$defs/t"} for n in "abc"}},
        {"properties": {f"column_{number}": {"type": ["number", "null"]} for number in range(1600)}},
        {"maximum": 10**30},
        nested(20),
        doubling(8),
    ],
)
def test_a_sensible_schema_is_taken(schema: dict[str, Any]) -> None:
    check_schema(schema)


def test_checking_a_schema_changes_nothing_in_it() -> None:
    schema = {"additionalProperties": False, "propertyNames": False}
    check_schema(schema)
    assert schema == {"additionalProperties": False, "propertyNames": False}


def test_findings_grow_with_what_can_be_demanded_of_one_value() -> None:
    assert measure({"required": ["a", "b", "c"]}).findings == 4
    flat = {"properties": {f"p{number}": {"type": "string"} for number in range(500)}}
    assert measure(flat).findings == 1
    several = {"allOf": [{"required": ["a", "b"]}, {"required": ["c"], "minProperties": 1}]}
    assert measure(several).findings == 1 + 3 + 3
    assert measure({"properties": {"a": {"propertyNames": {}}}}).names_add
