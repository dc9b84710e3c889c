"""JSON texts to typed Arrow columns; a value that doesn't fit becomes null and a fault, never something else.

Each type has a vectorised way for columns where every value fits, and falls back to judging value by value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from clickstream_platform.model.records import DiscardReason
from clickstream_platform.model.schemas import MAX_VARCHAR_BYTES, Column, ColumnType
from clickstream_platform.transform.kinds import MAX_EXACT_DOUBLE
from clickstream_platform.transform.texts import TextView
from clickstream_platform.transform.timestamps import TIMESTAMP, parse_timestamps

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    ColumnType.BIGINT: pa.int64(),
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIMESTAMP: TIMESTAMP,
    ColumnType.VARCHAR: pa.string(),
    ColumnType.JSON: pa.string(),
}
MAX_JSON_LEVELS = 1000  # of Redshift's SUPER, the one type with limits
_BRACKETS = re.compile(r'[\[\]{}]|"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUL = "\\u0000"
_ESCAPE = re.compile(r"\\(?:u0000|.)", re.DOTALL)
_WITHOUT_NUL = frozenset({ColumnType.VARCHAR, ColumnType.JSON})
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Fault:
    """A value of row `row` that its column could not take; `text` is its JSON text in full."""

    row: int
    text: str
    reason: DiscardReason


@dataclass(slots=True)
class Converted:
    """A typed column and the values that did not fit."""

    values: pa.Array
    faults: list[Fault] = field(default_factory=list)


class _Misfit(Exception):  # noqa: N818 - control flow inside this module
    def __init__(self, reason: DiscardReason) -> None:
        self.reason = reason


def convert(texts: pa.StringArray, column: Column, max_json_bytes: int | None = None) -> Converted:
    """Return the column's values of JSON texts (null stays null), and a fault for each value that does not fit.

    A JSON column takes values up to `max_json_bytes`, and where there is such a limit up to MAX_JSON_LEVELS.
    """
    if texts.null_count == len(texts):
        return Converted(pa.nulls(len(texts), ARROW_TYPES[column.type]))
    limit = max_json_bytes if column.type is ColumnType.JSON else None
    if limit is None or (TextView.of(texts).lengths.max() <= limit and not _may_be_deep(texts)):
        fast = _FAST[column.type](texts)
        if fast is not None and fast.null_count == texts.null_count:
            return Converted(fast)
    return _convert_singly(texts, column, limit)


def _convert_singly(texts: pa.StringArray, column: Column, limit: int | None) -> Converted:
    result = Converted(pa.nulls(0))
    convert_value = _SINGLE[column.type]
    known: dict[str, Any] = {}
    values: list[Any] = []
    for row, text in enumerate(texts.to_pylist()):
        if text is None:
            values.append(None)
            continue
        value = known.get(text, known)
        if value is known:
            try:
                value = convert_value(text)
                if limit is not None and (len(value.encode()) > limit or _levels(value) > MAX_JSON_LEVELS):
                    value = _Misfit(DiscardReason.TOO_LONG)
            except _Misfit as misfit:
                value = misfit
            if len(known) < 10_000:
                known[text] = value
        if isinstance(value, _Misfit):
            result.faults.append(Fault(row, text, value.reason))
            value = None
        elif column.type in _WITHOUT_NUL and _without_nul(text) != text:
            result.faults.append(Fault(row, text, DiscardReason.NUL_CHARACTER))
        values.append(value)
    if column.type is ColumnType.TIMESTAMP:
        result.values = pa.array(values, pa.int64()).cast(TIMESTAMP)
    else:
        result.values = pa.array(values, ARROW_TYPES[column.type])
    return result


def _may_be_deep(texts: pa.StringArray) -> bool:
    brackets = pc.add(pc.count_substring(texts, "["), pc.count_substring(texts, "{"))
    return bool(pc.max(brackets).as_py() > MAX_JSON_LEVELS)


def _levels(text: str) -> int:
    """Return how deep arrays and objects of JSON text are nested."""
    level = deepest = 0
    for bracket in _BRACKETS.findall(text):
        level += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket, 0)
        deepest = max(deepest, level)
    return deepest


def _fast_bigint(texts: pa.StringArray) -> pa.Array | None:
    try:
        return pc.cast(texts, pa.int64())
    except pa.ArrowInvalid:
        return None


def _fast_double(texts: pa.StringArray) -> pa.Array | None:
    first = TextView.of(texts)
    starts = first.byte_at(0)
    if not (((starts >= ord("0")) & (starts <= ord("9"))) | (starts == ord("-")) | ~first.valid).all():
        return None
    try:
        values = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        return None
    found = np.asarray(pc.fill_null(values, 0.0))
    with np.errstate(invalid="ignore"):
        odd = ~np.isfinite(found) | (np.abs(found) >= MAX_EXACT_DOUBLE)
    return None if odd.any() else values


def _fast_boolean(texts: pa.StringArray) -> pa.Array | None:
    true = pc.equal(texts, "true")
    return true if pc.all(pc.or_(true, pc.equal(texts, "false")), min_count=0).as_py() else None


def _fast_timestamp(texts: pa.StringArray) -> pa.Array | None:
    values = parse_timestamps(texts)
    return values if values.null_count == texts.null_count else None


def _fast_varchar(texts: pa.StringArray) -> pa.Array | None:
    """Unquote strings and keep numbers and booleans as they are written; only strings with escapes are read singly."""
    view = TextView.of(texts)
    first = view.byte_at(0)
    if (
        int(view.lengths.max()) - 2 > MAX_VARCHAR_BYTES
        or (view.valid & ((first == ord("[")) | (first == ord("{")))).any()
    ):
        return None
    values = pc.binary_slice(texts.view(pa.binary()), 1, -1).view(pa.string())
    quoted = (first == ord('"')) | ~view.valid
    if not quoted.all():
        values = pc.if_else(pa.array(quoted), values, texts)
    if (view.data[int(view.offsets[0]) : int(view.offsets[-1])] == ord("\\")).any():
        if pc.any(pc.match_substring(texts, _NUL)).as_py():
            return None
        escaped = pc.fill_null(pc.match_substring(texts, "\\"), False)
        unescaped = pa.array([orjson.loads(text) for text in texts.filter(escaped).to_pylist()], pa.string())
        values = pc.replace_with_mask(values, escaped, unescaped)
    return values


def _fast_json(texts: pa.StringArray) -> pa.Array | None:
    return None if pc.any(pc.match_substring(texts, _NUL), min_count=0).as_py() else texts


def _single_bigint(text: str) -> int:
    if text[0] not in "-0123456789":
        raise _Misfit(DiscardReason.TYPE_CONFLICT)
    if any(mark in text for mark in ".eE"):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise _Misfit(DiscardReason.OUT_OF_RANGE)
        if not value.is_integer() or abs(value) > MAX_EXACT_DOUBLE:
            raise _Misfit(DiscardReason.TYPE_CONFLICT)
        return int(value)
    if len(text) > 20 or not _INT64_MIN <= int(text) <= _INT64_MAX:
        raise _Misfit(DiscardReason.OUT_OF_RANGE)
    return int(text)


def _single_double(text: str) -> float:
    if text[0] not in "-0123456789":
        raise _Misfit(DiscardReason.TYPE_CONFLICT)
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _Misfit(DiscardReason.OUT_OF_RANGE)
    if not any(mark in text for mark in ".eE") and (len(text) > 300 or int(value) != int(text)):
        raise _Misfit(DiscardReason.INEXACT)
    return value


def _single_boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise _Misfit(DiscardReason.TYPE_CONFLICT)
    return text == "true"


def _single_timestamp(text: str) -> int:
    value = parse_timestamps(pa.array([text], pa.string())).cast(pa.int64())[0].as_py()
    if value is None:
        raise _Misfit(DiscardReason.TYPE_CONFLICT)
    return int(value)


def _single_varchar(text: str) -> str:
    if text[0] in "[{":
        raise _Misfit(DiscardReason.TYPE_CONFLICT)
    value = str(orjson.loads(_without_nul(text))) if text[0] == '"' else text
    if len(value.encode()) > MAX_VARCHAR_BYTES:
        raise _Misfit(DiscardReason.TOO_LONG)
    return value


def _single_json(text: str) -> str:
    return _without_nul(text)


def _without_nul(text: str) -> str:
    r"""Return JSON text without its NUL characters; in `\\u0000` there is none, but a backslash and letters."""
    if _NUL not in text:
        return text
    return _ESCAPE.sub(lambda match: "" if match[0] == _NUL else match[0], text)


_FAST: dict[ColumnType, Callable[[pa.StringArray], pa.Array | None]] = {
    ColumnType.BIGINT: _fast_bigint,
    ColumnType.DOUBLE: _fast_double,
    ColumnType.BOOLEAN: _fast_boolean,
    ColumnType.TIMESTAMP: _fast_timestamp,
    ColumnType.VARCHAR: _fast_varchar,
    ColumnType.JSON: _fast_json,
}
_SINGLE: dict[ColumnType, Callable[[str], Any]] = {
    ColumnType.BIGINT: _single_bigint,
    ColumnType.DOUBLE: _single_double,
    ColumnType.BOOLEAN: _single_boolean,
    ColumnType.TIMESTAMP: _single_timestamp,
    ColumnType.VARCHAR: _single_varchar,
    ColumnType.JSON: _single_json,
}
