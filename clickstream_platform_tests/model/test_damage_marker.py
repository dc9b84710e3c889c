"""The damage marker: written and read back, and told apart from everything a customer can send."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.model.damage_marker import MAX_REST_BYTES, DamageMarker
from clickstream_platform.model.records import MAX_RECORD_BYTES, RejectReason

TEXT = st.text(st.characters(exclude_categories=()))
MARKERS = st.builds(
    DamageMarker,
    st.sampled_from(RejectReason),
    TEXT,
    TEXT,
    st.integers(1, 2**53),
    st.binary(),
    st.integers(0, 1_000),
)


@given(MARKERS)
def test_a_marker_is_read_back(marker: DamageMarker) -> None:
    line = marker.to_line()
    assert b"\n" not in line
    assert DamageMarker.from_line(line) == marker


def test_the_written_form() -> None:
    marker = DamageMarker(RejectReason.GZIP_TRUNCATED, "cut", "a.gz", 10, b'{"type"')
    assert json.loads(marker.to_line()) == {
        "_damaged": {
            "reason": "gzip_truncated",
            "detail": "cut",
            "source": "a.gz",
            "line": 10,
            "rest_base64": "eyJ0eXBlIg==",
        }
    }


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b'{"_damaged":1}',
        b'{"_damaged":{"reason":"not_json"}}',
        b'{"_damaged":{"reason":"made_up","detail":"","source":"","line":1,"rest_base64":""}}',
        b'{"_damaged":{"reason":"not_json","detail":"","source":"","line":1,"rest_base64":"?"}}',
        b'{"_damaged":{"reason":"not_json","detail":1,"source":"","line":1,"rest_base64":""}}',
        b'{"_damaged":{"reason":"not_json","detail":"","source":"","line":1,"rest_base64":""}} ',
        b'{"_damaged":{"reason":"not_json","detail":"","source":"","line":1,"rest_base64":"","more":1}}',
        b'{"_damaged":{"reason":"not_json","detail":"","source":"","line":1,"rest_base64":""},"type":"track"}',
        b'{"_damaged":' + b"[" * 100_000,
        b'{"_damaged":\xff}',
    ],
)
def test_a_line_that_only_looks_like_one_is_none(line: bytes) -> None:
    assert DamageMarker.from_line(line) is None


@pytest.mark.parametrize("size", [0, 1, MAX_REST_BYTES, MAX_REST_BYTES + 1, 3 * MAX_REST_BYTES])
def test_a_large_rest_is_split_without_loss(size: int) -> None:
    marker = DamageMarker(RejectReason.GZIP_CORRUPT, "\N{PILE OF POO}" * 9_999, "\ud800" * 9_999, 3, bytes(size))
    parts = list(marker.split())
    assert len(parts) == max(1, -(-size // MAX_REST_BYTES))
    assert [each.part for each in parts] == list(range(len(parts)))
    assert b"".join(each.rest for each in parts) == marker.rest
    assert max(len(each.to_line()) for each in parts) < MAX_RECORD_BYTES
