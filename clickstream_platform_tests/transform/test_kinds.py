"""The kinds found over whole columns are those that each value has by itself."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.model.timestamps import parse_timestamp
from clickstream_platform.transform.kinds import Kind, kinds_of, reduce_kinds
from clickstream_platform_tests.transform.columns import INT64, columns, json_text, sliced, texts_of

EXACT = 2**53


def kind_by_rule(text: str | None) -> int:
    """Return a value's kind by the written rule, with exact arithmetic."""
    if text is None:
        return 0
    if text[0] == '"':
        return Kind.TIME if parse_timestamp(str(orjson.loads(text))) and "\\" not in text else Kind.TEXT
    if text[0] in "[{":
        return Kind.NESTED
    if text in ("true", "false"):
        return Kind.BOOLEAN
    if not any(mark in text for mark in ".eE"):
        value = int(text)
        return Kind.OUTSIZE if not -INT64 <= value < INT64 else Kind.INTEGER | (Kind.WIDE if abs(value) > EXACT else 0)
    number = Decimal(text)
    as_double = float(number)
    if as_double in (float("inf"), float("-inf")):
        return Kind.OUTSIZE
    return Kind.INTEGRAL if as_double.is_integer() and abs(as_double) <= EXACT else Kind.FRACTION


@settings(max_examples=300, deadline=None)
@given(columns, st.booleans())
def test_kinds_are_those_of_each_value(texts: list[str | None], as_slice: bool) -> None:
    kinds, lengths = kinds_of(sliced(texts) if as_slice else texts_of(texts))
    assert kinds.tolist() == [kind_by_rule(text) for text in texts]
    for text, length in zip(texts, lengths.tolist(), strict=True):
        if text is None or text[0] in "[{":
            assert length == 0
        else:
            loaded = orjson.loads(text) if text[0] == '"' else text
            assert len(loaded.encode()) <= length <= len(text.encode())
            assert length == len(loaded.encode()) or "\\" in text


@settings(max_examples=50, deadline=None)
@given(st.lists(columns.filter(len), min_size=1, max_size=5))
def test_the_kinds_of_segments_are_their_union(segments: list[list[str | None]]) -> None:
    kinds, lengths = kinds_of(texts_of([text for segment in segments for text in segment]))
    starts = np.cumsum([0, *map(len, segments[:-1])])
    union, longest = reduce_kinds(kinds, lengths, starts)
    for number, segment in enumerate(segments):
        expected = 0
        for text in segment:
            expected |= kind_by_rule(text)
        assert union[number] == expected
        assert longest[number] == max(kinds_of(texts_of(segment))[1])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("9223372036854775807", Kind.INTEGER | Kind.WIDE),
        ("-9223372036854775808", Kind.INTEGER | Kind.WIDE),
        ("9223372036854775808", Kind.OUTSIZE),
        ("-9223372036854775809", Kind.OUTSIZE),
        ("9007199254740992", Kind.INTEGER),
        ("9007199254740993", Kind.INTEGER | Kind.WIDE),
        ("-0", Kind.INTEGER),
        ("-0.0", Kind.INTEGRAL),
        ("1e2", Kind.INTEGRAL),
        ("1e20", Kind.FRACTION),
        ("1e400", Kind.OUTSIZE),
        ("1e-400", Kind.INTEGRAL),
        ("9" * 400, Kind.OUTSIZE),
        (json_text("2026-11-22"), Kind.TIME),
        (json_text("2026-11-2"), Kind.TEXT),
        (json_text("12:30:00"), Kind.TEXT),
    ],
)
@pytest.mark.parametrize("others", [[], ["1.5"] * 100, ["7"] * 100, [None, None]])
def test_kinds_by_example(text: str, kind: Kind, others: list[str | None]) -> None:
    assert kinds_of(texts_of([*others, text]))[0][-1] == kind


def test_a_column_without_rows() -> None:
    kinds, lengths = kinds_of(texts_of([]))
    assert (len(kinds), len(lengths)) == (0, 0)
