"""JSON texts as the columns that the transform works with. Belongs here: building them, in every memory layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
from hypothesis import strategies as st

INT64 = 2**63


def texts_of(texts: Sequence[str | None]) -> pa.StringArray:
    """Return a column of JSON texts."""
    return pa.array(texts, pa.string())


def sliced(texts: Sequence[str | None]) -> pa.StringArray:
    """Return the same column as a slice of a longer one, with foreign bytes before and behind it."""
    return pa.array(["[9,9]", None, *texts, '"behind"', None], pa.string()).slice(2, len(texts))


def json_text(value: Any) -> str:
    """Return a value's JSON text as orjson writes it."""
    return orjson.dumps(value).decode()


integers = st.integers(-INT64, INT64 - 1).map(str) | st.integers(-1000, 1000).map(str)
outsize_integers = st.integers(INT64, INT64 * 1000).map(str) | st.integers(-INT64 * 1000, -INT64 - 1).map(str)
fractions = st.floats(allow_nan=False, allow_infinity=False).map(json_text) | st.sampled_from(
    ["1.5", "-0.0", "1e2", "1E+2", "5.0", "5.5e1", "1e-400", "5e-324", "9007199254740993.0", "1e300", "-2.50"]
)
outsize_fractions = st.sampled_from(["1e400", "-1e400", "1e309", "123456789e400"])
numbers = integers | outsize_integers | fractions | outsize_fractions
booleans = st.sampled_from(["true", "false"])
time_texts = st.sampled_from(
    ["2026-11-22", "2026-11-22T09:30:05Z", "2026-11-22 09:30", "2026-11-22T09:30:05.123+05:30", "1969-12-31T23:59:59Z"]
)
words = st.sampled_from(["", "a", "null", "true", "5", "2026-11-22x", "2026-02-30", "😀", 'q"q', "b\\b", "\x00", "\n"])
strings = (time_texts | words | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)).map(json_text)
nested = st.sampled_from(["[]", "{}", "[1]", '{"a":1}', '[[null,"\\u0000"]]', '["' + "x" * 600 + '"]'])
values = st.none() | numbers | booleans | strings | nested
columns = st.lists(values, max_size=40) | st.one_of(
    *(st.lists(st.none() | kind, max_size=100) for kind in (integers, fractions, booleans, strings, nested, numbers))
)
