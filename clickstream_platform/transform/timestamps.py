"""JSON texts of ISO-8601 times to TIMESTAMP, over whole columns. The grammar is `model.timestamps`.

Arrow parses what it can vectorised; whatever it refuses is judged value by value by the grammar, so both agree.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickstream_platform.model.timestamps import parse_timestamp
from clickstream_platform.transform.texts import TextView

TIMESTAMP = pa.timestamp("us")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE_LENGTH = len('"2026-11-22"')
# What Arrow's parser and the grammar read alike: with seconds, at most microseconds, and "Z" or no zone.
_PLAIN = r'^"[1-9]\d{3}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?Z?"$'


def _shape(example: str) -> list[tuple[int, int]]:
    """Return the lowest and highest byte at each place of a text like the example, where 2 stands for any digit."""
    bounds = {"2": (ord("0"), ord("9")), "1": (ord("1"), ord("9")), "5": (ord("0"), ord("5"))}
    return [bounds.get(mark, (ord(mark), ord(mark))) for mark in example]


# The shapes that most SDKs send. Hours up to 29 pass here; Arrow then refuses those beyond 23.
_SHAPES = {
    len(example): _shape(example)
    for example in ('"1222-22-22T22:52:52Z"', '"1222-22-22T22:52:52.222Z"', '"1222-22-22T22:52:52.222222Z"')
}


def parse_timestamps(texts: pa.StringArray) -> pa.TimestampArray:
    """Return UTC times in microseconds, null where a text (quoted JSON, or null) is no time."""
    if len(texts) == texts.null_count:
        return pa.nulls(len(texts), TIMESTAMP)
    view = TextView.of(texts)
    ends_in_z = (view.data[np.maximum(view.offsets[1:] - 2, 0)] == ord("Z"))[view.valid]
    if (ends_in_z.all() or not ends_in_z.any()) and _is_plain(texts, view):
        try:
            return pc.cast(pc.utf8_slice_codeunits(texts, 1, -2 if ends_in_z.any() else -1), TIMESTAMP)
        except pa.ArrowInvalid:  # a day that the calendar lacks
            return _parse_singly(texts)
    return _parse_singly(texts)


def _is_plain(texts: pa.StringArray, view: TextView) -> bool:
    """Whether all texts have the plain form; texts of one length are compared as a matrix of bytes."""
    length = int(view.lengths[0])
    if view.valid.all() and (view.lengths == length).all() and length in _SHAPES:
        first = int(view.offsets[0])
        matrix = view.data[first : first + length * len(texts)].reshape(-1, length)
        lowest, highest = np.array(_SHAPES[length]).T
        return bool(((matrix.min(axis=0) >= lowest) & (matrix.max(axis=0) <= highest)).all())
    return bool(pc.all(pc.match_substring_regex(texts, _PLAIN), min_count=0).as_py())


def _parse_singly(texts: pa.StringArray) -> pa.TimestampArray:
    known: dict[str | None, int | None] = {None: None}
    values = []
    for text in texts.to_pylist():
        if text not in known:
            known[text] = _microseconds(text)
        values.append(known[text])
    return pa.array(values, pa.int64()).cast(TIMESTAMP)


def _microseconds(text: str) -> int | None:
    if len(text) < _DATE_LENGTH or text[0] != '"' or "\\" in text:
        return None
    time = parse_timestamp(text[1:-1])
    if time is None:
        return None
    delta = time - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def microseconds_of(time: datetime) -> int:
    """Return microseconds since 1970 of an aware time."""
    delta = time - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
