"""What the collector tells of replaced values: written and read back, and nothing else is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.model.mended_values import MENDED_REASONS, MendedValue, read_mended, write_mended

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.builds(
    MendedValue,
    st.lists(texts, min_size=1, max_size=4).map(tuple),
    texts.map(lambda text: json.dumps(text, ensure_ascii=False)) | st.sampled_from(["NaN", "-Infinity", "null", "[]"]),
    st.sampled_from(sorted(MENDED_REASONS)),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(values, min_size=1, max_size=4))
def test_what_is_written_is_read_back(mended: list[MendedValue]) -> None:
    assert read_mended(json.loads(write_mended(mended))) == mended


@given(json_values)
def test_any_value_is_read_or_none(member: Any) -> None:
    found = read_mended(member)
    assert found is None or json.loads(write_mended(found)) == member


GOOD: dict[str, Any] = {"path": ["properties", "a"], "value": "NaN", "reason": "not_a_number"}


@pytest.mark.parametrize(
    "entry",
    [
        {**GOOD, "path": []},
        {**GOOD, "path": "a"},
        {**GOOD, "path": ["a", 1]},
        {**GOOD, "value": None},
        {**GOOD, "value": 1.5},
        {**GOOD, "value": "a\0"},
        {**GOOD, "value": "a\nb"},
        {**GOOD, "reason": "type_conflict"},
        {**GOOD, "reason": ["not_a_number"]},
        {**GOOD, "column": "a"},
        {"path": ["a"], "value": "NaN"},
        [GOOD],
        None,
    ],
)
def test_one_entry_that_is_not_ours_makes_all_of_it_not_ours(entry: object) -> None:
    assert read_mended([GOOD]) is not None
    assert read_mended([GOOD, entry]) is None
