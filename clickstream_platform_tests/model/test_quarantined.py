"""The stored form of a rejected record: every byte of it comes back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.model.records import RejectReason

TEXT = st.text(st.characters(exclude_categories=()))
RECORDS = st.builds(
    QuarantinedRecord,
    st.text(),
    st.integers(1, 2**53),
    st.sampled_from(RejectReason),
    TEXT,
    st.binary() | st.text().map(str.encode),
    st.integers(0, 1_000),
)


@given(RECORDS)
def test_a_record_is_read_back(record: QuarantinedRecord) -> None:
    line = record.to_json()
    assert b"\n" not in line
    assert QuarantinedRecord.from_json(line) == record


def test_text_is_readable_and_the_rest_is_base64() -> None:
    text = QuarantinedRecord("raw/a", 4, RejectReason.NOT_JSON, "why", '{"é'.encode())
    assert json.loads(text.to_json()) == {
        "object": "raw/a",
        "line": 4,
        "reason": "not_json",
        "detail": "why",
        "record": '{"é',
    }
    assert "é".encode() in text.to_json()
    binary = QuarantinedRecord("raw/a", 4, RejectReason.TOO_LARGE, "", b"\xff\xfe", part=2)
    assert json.loads(binary.to_json()) == {
        "object": "raw/a",
        "line": 4,
        "reason": "too_large",
        "detail": "",
        "part": 2,
        "record_base64": "//4=",
    }


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b'{"object":"a","line":1,"reason":"not_json","detail":""}',
        b'{"object":"a","line":1,"reason":"made_up","detail":"","record":""}',
        b'{"object":"a","line":"x","reason":"not_json","detail":"","record":""}',
        b'{"object":"a","line":1,"reason":"not_json","detail":"","record_base64":"?"}',
        b'{"object":"a","line":1,"reason":"not_json","detail":"","record":1}',
    ],
)
def test_a_damaged_line_is_refused(line: bytes) -> None:
    with pytest.raises(InvalidNameError, match="reading a quarantined record"):
        QuarantinedRecord.from_json(line)
