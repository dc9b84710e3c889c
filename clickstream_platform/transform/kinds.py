"""What kinds of JSON value a column holds, found over whole columns of JSON text.

The kinds of a batch's values are or-ed together per table and column; `transform.inference` turns them into a type.
"""

from __future__ import annotations

from enum import IntFlag

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clickstream_platform.transform.texts import Bools, Ints, TextView
from clickstream_platform.transform.timestamps import parse_timestamps

Kinds = npt.NDArray[np.uint16]


class Kind(IntFlag):
    """Kinds of values; a column's mask is the union over its values."""

    INTEGER = 1  # within int64
    FRACTION = 2  # a number with a fraction
    INTEGRAL = 4  # a number written with '.' or an exponent whose value is an integer, like 5.0
    OUTSIZE = 8  # a number beyond int64 or double
    BOOLEAN = 16
    TIME = 32  # a string that is an ISO-8601 date or date-time
    TEXT = 64  # any other string
    NESTED = 128  # array or object
    WIDE = 256  # an integer that DOUBLE can't hold exactly


NUMBERS = Kind.INTEGER | Kind.FRACTION | Kind.INTEGRAL | Kind.OUTSIZE
MAX_EXACT_DOUBLE = 2**53
_SHORT_NUMBER = 15  # characters of a number that surely is within 2**53
_FIRST_BYTE = np.zeros(256, np.uint16)
for _byte in b"-0123456789":
    _FIRST_BYTE[_byte] = Kind.INTEGER
_FIRST_BYTE[ord('"')] = Kind.TEXT
_FIRST_BYTE[ord("t")] = _FIRST_BYTE[ord("f")] = Kind.BOOLEAN
_FIRST_BYTE[ord("[")] = _FIRST_BYTE[ord("{")] = Kind.NESTED


def kinds_of(column: pa.StringArray) -> tuple[Kinds, Ints]:
    """Return the kind of every value (0 for null) and its length as VARCHAR, in bytes (an upper bound).

    An array or object has length 0: no VARCHAR column takes it.
    """
    view = TextView.of(column)
    kinds = np.where(view.valid & (view.lengths > 0), _FIRST_BYTE[view.byte_at(0)], np.uint16(0))
    _refine_numbers(column, view, kinds)
    _refine_strings(column, view, kinds)
    lengths = np.where((kinds != 0) & (kinds != Kind.NESTED), view.lengths, 0)
    lengths -= np.where(kinds & (Kind.TEXT | Kind.TIME), 2, 0)
    return kinds, lengths


def reduce_kinds(kinds: Kinds, lengths: Ints, starts: Ints) -> tuple[Kinds, Ints]:
    """Return the union of kinds and the greatest length per segment; `starts` are the segments' first rows."""
    return np.bitwise_or.reduceat(kinds, starts), np.maximum.reduceat(lengths, starts)


def _refine_numbers(column: pa.StringArray, view: TextView, kinds: Kinds) -> None:
    numbers = np.flatnonzero(kinds == Kind.INTEGER)
    if not len(numbers):
        return
    texts = column if len(numbers) == len(column) else column.take(pa.array(numbers))
    if view.lengths[numbers].max() <= _SHORT_NUMBER:
        short = _short_kinds(texts)
        if short is not None:
            kinds[numbers] = short
            return
    try:
        values = pc.cast(texts, pa.int64())
    except pa.ArrowInvalid:
        kinds[numbers] = [_kind_of_number(text) for text in texts.to_pylist()] if len(numbers) < 64 else _split(texts)
        return
    if view.lengths[numbers].max() > _SHORT_NUMBER:
        found = np.asarray(values)
        wide = (found > MAX_EXACT_DOUBLE) | (found < -MAX_EXACT_DOUBLE)
        kinds[numbers[wide]] |= np.uint16(Kind.WIDE)


def _short_kinds(texts: pa.StringArray) -> Kinds | None:
    """Tell integers from other numbers of at most 15 characters by their bytes; None when one has an exponent."""
    view = TextView.of(texts)
    start = int(view.offsets[0])
    data = view.data[start : int(view.offsets[-1])]
    if (data > ord("9")).any():
        return None
    result = np.full(len(texts), Kind.INTEGER, np.uint16)
    points = np.flatnonzero(data == ord("."))
    pointed = np.searchsorted(view.offsets, points + start, side="right") - 1
    result[pointed] = Kind.FRACTION
    # A fraction of zeros only, as in 5.0, is an integer; it ends with one.
    ended = pointed[data[view.offsets[pointed + 1] - start - 1] == ord("0")]
    if len(ended):
        values = np.asarray(pc.cast(texts.take(pa.array(ended)), pa.float64()))
        result[ended[np.floor(values) == values]] = Kind.INTEGRAL
    return result


def _split(texts: pa.StringArray) -> Kinds:
    """Tell integers from other numbers in one vectorised pass; only odd ones are looked at singly."""
    result = np.full(len(texts), Kind.INTEGER, np.uint16)
    pointed = np.asarray(pc.match_substring_regex(texts, "[.eE]"))
    values = np.asarray(pc.cast(texts, pa.float64()))
    with np.errstate(invalid="ignore"):
        result[pointed] = np.where(np.floor(values[pointed]) == values[pointed], Kind.INTEGRAL, Kind.FRACTION)
        odd: Bools = ~np.isfinite(values) | (np.abs(values) >= MAX_EXACT_DOUBLE)
    for index in np.flatnonzero(odd):
        result[index] = _kind_of_number(str(texts[int(index)]))
    return result


def _kind_of_number(text: str) -> int:
    if any(mark in text for mark in ".eE"):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            return Kind.OUTSIZE
        return Kind.INTEGRAL if value.is_integer() and abs(value) <= MAX_EXACT_DOUBLE else Kind.FRACTION
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        return Kind.OUTSIZE
    return Kind.INTEGER | Kind.WIDE if abs(int(text)) > MAX_EXACT_DOUBLE else Kind.INTEGER


def _refine_strings(column: pa.StringArray, view: TextView, kinds: Kinds) -> None:
    """Mark strings that are times; only those with dashes where a date has them are parsed."""
    like = (kinds == Kind.TEXT) & (view.byte_at(5) == ord("-")) & (view.byte_at(8) == ord("-"))
    like &= (view.lengths >= 12) & (view.lengths <= 42)
    rows = np.flatnonzero(like)
    if not len(rows):
        return
    texts = column if len(rows) == len(column) else column.take(pa.array(rows))
    parsed = parse_timestamps(texts)
    kinds[rows[np.asarray(pc.is_valid(parsed))]] = Kind.TIME
