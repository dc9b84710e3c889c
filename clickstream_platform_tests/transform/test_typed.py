"""Every value gets into its column as it is, or is a fault: the vectorised ways agree with the rule for one value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.model.records import DiscardReason
from clickstream_platform.model.schemas import MAX_VARCHAR_BYTES, Column, ColumnType
from clickstream_platform.model.timestamps import parse_timestamp
from clickstream_platform.transform.inference import infer_column
from clickstream_platform.transform.kinds import kinds_of
from clickstream_platform.transform.typed import ARROW_TYPES, convert
from clickstream_platform_tests.transform.columns import columns, json_text, sliced, texts_of, values

time = datetime.fromisoformat
T, D = ColumnType, DiscardReason
CONFLICT = D.TYPE_CONFLICT


def converted(column_type: ColumnType, texts: Sequence[str | None]) -> tuple[list[Any], dict[int, DiscardReason]]:
    result = convert(texts_of(texts), Column("c", column_type))
    assert result.values.type == ARROW_TYPES[column_type]
    assert all(fault.text == texts[fault.row] for fault in result.faults)
    return result.values.to_pylist(), {fault.row: fault.reason for fault in result.faults}


@settings(max_examples=300, deadline=None)
@given(columns, st.sampled_from(list(ColumnType)), st.booleans())
def test_a_value_is_loaded_as_it_is_or_is_a_fault(texts: list[str | None], kind: ColumnType, as_slice: bool) -> None:
    column = sliced(texts) if as_slice else texts_of(texts)
    result = convert(column, Column("c", kind))
    faults = {fault.row: fault for fault in result.faults}
    assert len(result.values) == len(texts)
    for row, (text, value) in enumerate(zip(texts, result.values.to_pylist(), strict=True)):
        if text is None:
            assert value is None
            assert row not in faults
        elif value is None:
            assert faults[row].text == text
        elif row in faults:
            assert faults[row].reason is D.NUL_CHARACTER
        else:
            assert is_same(kind, text, value)


def is_same(kind: ColumnType, text: str, value: Any) -> bool:
    """Whether a column's value says exactly what the JSON text says."""
    if kind is T.VARCHAR:
        return bool(value == (orjson.loads(text) if text[0] == '"' else text))
    if kind is T.JSON:
        return bool(value == text)
    if kind is T.BOOLEAN:
        return bool(value is {"true": True, "false": False}.get(text))
    if kind is T.TIMESTAMP:
        return bool(parse_timestamp(str(orjson.loads(text))) == value.replace(tzinfo=UTC))
    if kind is T.BIGINT:
        return bool(Fraction(text) == value or float(text) == value)  # 1e-400 is 0.0 to every reader of JSON
    return bool(float(text) == value) and (any(mark in text for mark in ".eE") or int(text) == int(value))


@settings(max_examples=200, deadline=None)
@given(columns.filter(any))
def test_an_inferred_column_takes_all_values_it_was_inferred_from(texts: list[str | None]) -> None:
    kinds, lengths = kinds_of(texts_of(texts))
    mask = 0
    for kind in kinds.tolist():
        mask |= kind
    column = infer_column("c", mask, int(lengths.max()))
    faults = convert(texts_of(texts), column).faults
    assert all(fault.reason is D.NUL_CHARACTER for fault in faults)


@settings(max_examples=100, deadline=None)
@given(st.lists(values, min_size=1, max_size=6), st.sampled_from(list(ColumnType)))
def test_others_in_the_column_make_no_difference(texts: list[str | None], kind: ColumnType) -> None:
    together, faults = converted(kind, texts)
    for row, text in enumerate(texts):
        alone, fault = converted(kind, [text])
        assert alone[0] == together[row]
        assert fault.get(0) == faults.get(row)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (T.BIGINT, "9223372036854775807", 2**63 - 1),
        (T.BIGINT, "-9223372036854775808", -(2**63)),
        (T.BIGINT, "9223372036854775808", D.OUT_OF_RANGE),
        (T.BIGINT, "-9223372036854775809", D.OUT_OF_RANGE),
        (T.BIGINT, "9" * 5000, D.OUT_OF_RANGE),
        (T.BIGINT, "1e400", D.OUT_OF_RANGE),
        (T.BIGINT, "5.0", 5),
        (T.BIGINT, "5e0", 5),
        (T.BIGINT, "-0.0", 0),
        (T.BIGINT, "5.5", CONFLICT),  # never cut to 5
        (T.BIGINT, "1e17", CONFLICT),
        (T.BIGINT, '"5"', CONFLICT),
        (T.BIGINT, "true", CONFLICT),
        (T.BIGINT, "[5]", CONFLICT),
        (T.DOUBLE, "5", 5.0),
        (T.DOUBLE, "0.1", 0.1),
        (T.DOUBLE, "1.7976931348623157e308", 1.7976931348623157e308),
        (T.DOUBLE, "1e-400", 0.0),
        (T.DOUBLE, "1e309", D.OUT_OF_RANGE),
        (T.DOUBLE, "-1e400", D.OUT_OF_RANGE),
        (T.DOUBLE, "9007199254740992", 2.0**53),
        (T.DOUBLE, "9007199254740993", D.INEXACT),
        (T.DOUBLE, "-9007199254740993", D.INEXACT),
        (T.DOUBLE, "9223372036854775808", 2.0**63),
        (T.DOUBLE, "1" + "0" * 310, D.OUT_OF_RANGE),
        (T.DOUBLE, '"0.1"', CONFLICT),
        (T.DOUBLE, '"NaN"', CONFLICT),
        (T.DOUBLE, "false", CONFLICT),
        (T.BOOLEAN, "true", True),
        (T.BOOLEAN, "1", CONFLICT),
        (T.BOOLEAN, '"true"', CONFLICT),
        (T.TIMESTAMP, '"2026-11-22"', time("2026-11-22")),
        (T.TIMESTAMP, '"2026-11-22T09:30:05.1239+05:30"', time("2026-11-22 04:00:05.123900")),
        (T.TIMESTAMP, '"9999-12-31T23:59:59.999999999Z"', time("9999-12-31 23:59:59.999999")),
        (T.TIMESTAMP, '"2026-02-30"', CONFLICT),
        (T.TIMESTAMP, "1704067200", CONFLICT),
        (T.TIMESTAMP, '""', CONFLICT),
        (T.VARCHAR, '""', ""),
        (T.VARCHAR, '"null"', "null"),
        (T.VARCHAR, "1.50", "1.50"),
        (T.VARCHAR, "true", "true"),
        (T.VARCHAR, "123456789012345678901234567890", "123456789012345678901234567890"),
        (T.VARCHAR, '"a\\"b\\\\c\\n"', 'a"b\\c\n'),
        (T.VARCHAR, '"\\\\u0000"', "\\u0000"),
        (T.VARCHAR, "[1]", CONFLICT),
        (T.VARCHAR, "{}", CONFLICT),
        (T.JSON, "[1, 2]", "[1, 2]"),
        (T.JSON, '"text"', '"text"'),
        (T.JSON, "1e400", "1e400"),
        (T.JSON, '["\\\\u0000"]', '["\\\\u0000"]'),
    ],
)
@pytest.mark.parametrize("others", [0, 3])
def test_values_by_example(kind: ColumnType, text: str, expected: object, others: int) -> None:
    fitting = {T.BIGINT: "1", T.DOUBLE: "1.5", T.BOOLEAN: "true", T.TIMESTAMP: '"2026-11-22"'}.get(kind, '"x"')
    found, faults = converted(kind, [fitting] * others + [text])
    if isinstance(expected, DiscardReason):
        assert (found[-1], faults) == (None, {others: expected})
    else:
        assert (found[-1], type(found[-1]), faults) == (expected, type(expected), {})


@pytest.mark.parametrize(("character", "size"), [("x", 1), ("é", 2), ("注", 3), ("😀", 4)])
@pytest.mark.parametrize("is_escaped", [False, True])
def test_the_longest_varchar_is_counted_in_bytes(character: str, size: int, is_escaped: bool) -> None:
    longest = character * (MAX_VARCHAR_BYTES // size)
    tail = "\\n" if is_escaped else ""  # an escape takes the way value by value
    fits = json_text(longest[:-1])[:-1] + tail + '"'
    too_long = json_text(longest + character)[:-1] + tail + '"'
    found, faults = converted(T.VARCHAR, [fits, too_long, None])
    assert found[0] == orjson.loads(fits)
    assert found[1:] == [None, None]
    assert faults == {1: D.TOO_LONG}


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (T.VARCHAR, '"\\u0000lead"', "lead"),
        (T.VARCHAR, '"mid\\u0000dle"', "middle"),
        (T.VARCHAR, '"\\u0000"', ""),
        (T.JSON, '["a\\u0000b",{"k\\u0000":"\\u0000"}]', '["ab",{"k":""}]'),
        (T.JSON, '["\\u0000",12345678901234567890123,1e400]', '["",12345678901234567890123,1e400]'),
    ],
)
def test_nul_characters_are_removed_and_noted(kind: ColumnType, text: str, expected: str) -> None:
    assert converted(kind, ['"plain"', text, text]) == (
        [*(['"plain"'] if kind is T.JSON else ["plain"]), expected, expected],
        {1: D.NUL_CHARACTER, 2: D.NUL_CHARACTER},
    )


def test_deep_json_with_a_nul_is_cleaned_too() -> None:
    deep = "[" * 900 + '"\\u0000"' + "]" * 900
    found, faults = converted(T.JSON, [deep])
    assert found == ["[" * 900 + '""' + "]" * 900]
    assert faults == {0: D.NUL_CHARACTER}


@pytest.mark.parametrize("kind", list(ColumnType))
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_columns_without_values(kind: ColumnType, rows: int) -> None:
    assert converted(kind, [None] * rows) == ([None] * rows, {})


def test_times_keep_microseconds_and_are_utc() -> None:
    days = [time("2026-11-22T23:59:59.999999") + timedelta(days=number) for number in range(99)]
    found = convert(texts_of([json_text(f"{day.isoformat()}Z") for day in days]), Column("c", T.TIMESTAMP)).values
    assert found.type == pa.timestamp("us")
    assert found.to_pylist() == days
