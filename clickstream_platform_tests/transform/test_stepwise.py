"""The reader without recursion takes what every strict reader takes, and refuses the rest."""

from __future__ import annotations

import json
import sys

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.records import RejectReason
from clickstream_platform.transform.json_values import Members, dump_members
from clickstream_platform.transform.parsing import parse_line, parse_members
from clickstream_platform.transform.stepwise import NestedTooDeeplyError, read_stepwise

MAX = 1024
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(json_values, st.sampled_from([None, 0, 2]), st.booleans())
def test_it_reads_what_was_written(value: object, indent: int | None, ensure_ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ensure_ascii)
    assert json.loads(dump_members(read_stepwise(text.encode(), Members, MAX))) == value
    assert json.loads(dump_members(read_stepwise(text.encode(), dict, MAX))) == value


@settings(max_examples=400, deadline=None)
@given(json_values, st.data())
def test_it_refuses_what_others_refuse(value: object, data: st.DataObject) -> None:
    text = bytearray(orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATETIME) if _fits(value) else b"[1,{}]")
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(text)))
        text[position : position + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from(
                [b"", b",", b":", b"]", b"}", b"[", b"{", b'"', b"1", b"-", b".", b"e", b" ", b"nul", b"\\"]
            )
        )
    changed = bytes(text)
    assert _is_read(changed) == _is_json(changed)


def _fits(value: object) -> bool:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


def _is_read(text: bytes) -> bool:
    try:
        read_stepwise(text, dict, MAX)
    except ValueError:
        return False
    return True


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return "infinity" in str(error) and _is_json_beyond_double(text)
    return True


def _is_json_beyond_double(text: bytes) -> bool:
    """Ask the json module about what orjson did not read to its end."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


NO_JSON = [
    *("", " ", "[", "[1", "[1,", "[1,]", "[,]", "]", "[1 2]", "1 2"),
    *("{", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', "{1:2}", '{"a" 1}', '{"a":1 "b":2}'),
    *("NaN", "-Infinity", "01", "+1", "1.", ".5", "1e", "nul", "True", "/**/1", "\ufeff1"),
    *("'a'", '"a', '"\\ud800"', '{"\\ud800":1}', '"\n"', '["\x01"]'),
]


@pytest.mark.parametrize("text", NO_JSON)
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_stepwise(text.encode(), dict, MAX)


def test_nesting_has_one_limit() -> None:
    assert dump_members(read_stepwise(b"[" * MAX + b"]" * MAX, dict, MAX)) == "[" * MAX + "]" * MAX
    with pytest.raises(NestedTooDeeplyError):
        read_stepwise(b"[" * (MAX + 1) + b"]" * (MAX + 1), dict, MAX)


@pytest.mark.parametrize("leaf", ["1", "1e5", "1e400", "1.50"])
@pytest.mark.parametrize("depth", [199, 201, 700, 1023])
@pytest.mark.parametrize("frames", [0, 300])
def test_how_deep_a_line_may_be_does_not_depend_on_its_caller(leaf: str, depth: int, frames: int) -> None:
    text = "[" * depth + f"[0,{leaf}]" + "]" * depth

    def called(frames: int) -> str:
        return called(frames - 1) if frames else dump_members(parse_line(text.encode()))

    limit = sys.getrecursionlimit()
    assert called(min(frames, limit - 300)) == text
    assert dump_members(parse_members(text.encode())) == text


def test_a_line_deeper_than_that_is_rejected_whatever_its_numbers() -> None:
    for leaf in ("1", "1e5", "1e400"):
        text = "[" * 1024 + f"[{leaf}]" + "]" * 1024
        with pytest.raises(RejectedRecordError) as caught:
            parse_line(text.encode())
        assert caught.value.reason is RejectReason.NESTED_TOO_DEEPLY
