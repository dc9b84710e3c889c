"""Random schemas and values for them, small enough that values often fit and often do not.

Belongs here: strategies. Does not: any assertion.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAMES = ("a", "b", "Long Name", "d/e~f")
TEXTS = ("", "x", "red", "2026-11-22", "12", "é" * 5, "\0")
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([2**53 + 1, 2**63, -(2**70), 0.1, 2.5, 5.0, 19.99, 1e300]),
    st.sampled_from(TEXTS),
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)),
    max_leaves=6,
)
objects: st.SearchStrategy[dict[str, Any]] = st.dictionaries(st.sampled_from(NAMES), values, max_size=4)

_types = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
_leaves: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.builds(lambda found: {"type": found}, _types),
    st.builds(lambda found: {"type": found}, st.lists(_types, min_size=1, max_size=3, unique=True)),
    st.builds(lambda low: {"minimum": low}, st.sampled_from([-2, 0.05, 3, 2**53])),
    st.builds(lambda low: {"exclusiveMaximum": low}, st.sampled_from([0, 5, 2**63])),
    st.builds(lambda step: {"multipleOf": step}, st.sampled_from([1, 2, 0.01, 0.5])),
    st.builds(lambda longest: {"maxLength": longest}, st.integers(0, 4)),
    st.builds(lambda pattern: {"pattern": pattern}, st.sampled_from(["^r", "^[0-9]+$", "e"])),
    st.builds(lambda found: {"enum": found}, st.lists(scalars, min_size=1, max_size=3)),
    st.builds(lambda found: {"const": found}, scalars),
    st.builds(lambda names: {"required": names}, st.lists(st.sampled_from(NAMES), max_size=2, unique=True)),
    st.builds(lambda most: {"maxItems": most, "uniqueItems": True}, st.integers(0, 2)),
    st.builds(lambda least: {"minProperties": least}, st.integers(0, 2)),
)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    members = st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    open_or_closed = st.one_of(st.booleans(), inner)
    several = st.lists(inner, min_size=1, max_size=2)
    return st.one_of(
        st.builds(lambda found: {"properties": found}, members),
        st.builds(lambda found, rest: {"properties": found, "additionalProperties": rest}, members, open_or_closed),
        st.builds(lambda rest: {"additionalProperties": rest}, open_or_closed),
        st.builds(lambda rest: {"patternProperties": {"^[a-b]": rest}}, inner),
        st.builds(lambda found: {"propertyNames": {"maxLength": 1}, "properties": found}, members),
        st.builds(lambda element: {"items": element}, inner),
        st.builds(lambda element: {"contains": element}, inner),
        st.builds(lambda found: {"allOf": found}, several),
        st.builds(lambda found: {"anyOf": found}, several),
        st.builds(lambda found: {"oneOf": found}, several),
        st.builds(lambda found: {"not": found}, inner),
        st.builds(lambda one, other: {"if": one, "then": other}, inner, inner),
        st.builds(lambda found, rest: {"allOf": [found], "unevaluatedProperties": rest}, inner, st.booleans()),
        st.builds(lambda found: {"$defs": {"x": found}, "properties": {"a": {"$ref": "#/$defs/x"}}}, _leaves),
    )


# The references lead from the root, so only a whole schema may have them.
schemas: st.SearchStrategy[dict[str, Any]] = st.one_of(
    _leaves,
    st.recursive(_leaves, _nested, max_leaves=5).filter(lambda found: "$ref" not in str(found)),
    st.builds(
        lambda found: {"$defs": {"x": found}, "properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/$defs/x"}}},
        _leaves,
    ),
)
