"""What counts as a time, and that nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.model.timestamps import parse_timestamp

MOMENTS = st.datetimes(timezones=st.just(UTC))
OFFSETS = st.integers(-24 * 60 + 1, 24 * 60 - 1)


def _written_offset(minutes: int, colon: str) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{colon}{abs(minutes) % 60:02d}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2026-11-22T09:30", datetime(2026, 11, 22, 9, 30, tzinfo=UTC)),
        ("2026-11-22 09:30:05", datetime(2026, 11, 22, 9, 30, 5, tzinfo=UTC)),
        ("2026-11-22T09:30:05Z", datetime(2026, 11, 22, 9, 30, 5, tzinfo=UTC)),
        ("2026-11-22T09:30:05.1Z", datetime(2026, 11, 22, 9, 30, 5, 100_000, tzinfo=UTC)),
        ("2026-11-22T09:30:05.123456789Z", datetime(2026, 11, 22, 9, 30, 5, 123_456, tzinfo=UTC)),
        ("2026-11-22T09:30+05:30", datetime(2026, 11, 22, 4, 0, tzinfo=UTC)),
        ("2026-11-22T09:30:05-0800", datetime(2026, 11, 22, 17, 30, 5, tzinfo=UTC)),
        ("2026-11-22T00:30:05.5+01", datetime(2026, 11, 21, 23, 30, 5, 500_000, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_a_time_is_read(text: str, expected: datetime) -> None:
    found = parse_timestamp(text)
    assert found == expected
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024-02-30",
        "2023-02-29",
        "2024-13-01",
        "2024-00-10",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "+010000-01-01T00:00:00Z",
        "-0001-11-30T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-12-31T23:59:60Z",
        "2024-01-01T23:60:00Z",
        "2024-01-01T",
        "2024-01-01Z",
        "2024-01-01T09",
        "2024-01-01T09:00:00.",
        "2024-01-01T09:00:00.1234567890Z",
        "2024-01-01T09:00:00,5Z",
        "2024-01-01t09:00:00z",
        "2024-01-01T09:00:00 Z",
        "2024-01-01T09:00:00+24:00",
        "2024-01-01T09:00:00+05:60",
        "2024-01-01T09:00:00+5",
        "2024-01-01T09:00:00Z\n",
        " 2024-01-01",
        "2024-W01-1",
        "2024-001",
        "20240101",
        "20240101T090000Z",
        "1704067200",
        "Mon Jan 01 2024 00:00:00 GMT+0000",
        "\N{FULLWIDTH DIGIT TWO}024-01-01",
        "2024-01-0\N{ARABIC-INDIC DIGIT ONE}",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    ],
)
def test_everything_else_is_text(text: str) -> None:
    assert parse_timestamp(text) is None


@given(MOMENTS, st.sampled_from("T "), st.sampled_from(["", "Z", "+00:00", "-0000", "+00"]))
def test_a_written_moment_is_read_back(moment: datetime, separator: str, zone: str) -> None:
    text = moment.replace(tzinfo=None).isoformat(separator, "microseconds")
    assert parse_timestamp(text + zone) == moment


@given(MOMENTS, OFFSETS, st.sampled_from(["", ":"]))
def test_offsets_lead_to_utc(moment: datetime, offset_minutes: int, colon: str) -> None:
    offset = timedelta(minutes=offset_minutes)
    try:
        expected = moment.replace(tzinfo=timezone(offset)).astimezone(UTC)
    except OverflowError:
        expected = None
    text = moment.replace(tzinfo=None).isoformat() + _written_offset(offset_minutes, colon)
    assert parse_timestamp(text) == expected


@given(st.from_regex(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", fullmatch=True))
def test_what_is_accepted_agrees_with_the_standard_library(text: str) -> None:
    found = parse_timestamp(text)
    if found is not None:
        reference = datetime.fromisoformat(text)
        assert found == reference.replace(tzinfo=reference.tzinfo or UTC)


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    found = parse_timestamp(text)
    assert found is None or found.tzinfo is UTC
