"""The vectorised parser reads exactly the times of `model.timestamps`, alone and among others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clickstream_platform.model.timestamps import parse_timestamp
from clickstream_platform.transform.timestamps import microseconds_of, parse_timestamps
from clickstream_platform_tests.transform.columns import json_text, sliced, texts_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def expected(text: str | None) -> int | None:
    time = None if text is None else parse_timestamp(text)
    return None if time is None else (time - EPOCH) // timedelta(microseconds=1)


def parsed(texts: list[str | None], *, as_slice: bool = False) -> list[int | None]:
    quoted = [None if text is None else json_text(text) for text in texts]
    column = sliced(quoted) if as_slice else texts_of(quoted)
    return [None if value is None else int(value) for value in parse_timestamps(column).cast("int64").to_pylist()]


two_digits = st.integers(0, 99).map("{:02d}".format)
years = st.integers(0, 10_000).map("{:04d}".format) | st.sampled_from(["1969", "1970", "2024", "2026", "0001", "9999"])
dates = st.tuples(years, st.integers(0, 13), st.integers(0, 32)).map(lambda d: f"{d[0]}-{d[1]:02d}-{d[2]:02d}")
fractions = st.just("") | st.text("0123456789", min_size=0, max_size=10).map(lambda digits: f".{digits}")
zones = st.sampled_from(["", "Z", "z", "+00:00", "-00:00", "+05:30", "+0530", "-12", "+24:00", "+14:60", " Z", "UTC"])
clocks = st.tuples(st.integers(0, 25), st.integers(0, 61), st.integers(0, 61), fractions, zones).map(
    lambda c: f"{c[0]:02d}:{c[1]:02d}:{c[2]:02d}{c[3]}{c[4]}"
)
full_times = st.tuples(dates, st.sampled_from("T t"), clocks).map("".join)
short_clocks = st.sampled_from(["T09:30", " 09:30Z", "T9:30", "T09", "T", " ", "T09:30+02:00"])
short_times = st.tuples(dates, short_clocks).map("".join)
# What most SDKs send: one shape for the whole column.
regular = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.strftime("%Y-%m-%dT%H:%M:%S.123Z").rjust(24, "0"))
marks = st.sampled_from(["x", "", "-", "٣", "é", "\n", '"', "\\", "0"])
damaged = st.tuples(full_times, st.integers(0, 30), marks).map(lambda d: d[0][: d[1]] + d[2] + d[0][d[1] + 1 :])
other_text = st.text(max_size=30, alphabet=st.characters(exclude_categories=["Cs"]))
any_text = dates | full_times | short_times | regular | damaged | other_text


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | any_text, max_size=12), st.booleans())
@example(["2024-02-30T00:00:00Z", "2024-02-29T00:00:00Z"], False)
@example(["2024-01-01T24:00:00Z"], False)
@example(["2024-12-31T23:59:60Z"], False)
@example(["0000-01-01T00:00:00Z"], False)
@example(["0001-01-01T00:00:00+00:01"], False)
@example(["9999-12-31T23:59:59-00:01"], False)
@example(["9999-12-31T23:59:59.999999999Z"], False)
@example(["2024-01-01T00:00:00.Z"], False)
def test_a_column_is_read_as_its_values_are(texts: list[str | None], as_slice: bool) -> None:
    assert parsed(texts, as_slice=as_slice) == [expected(text) for text in texts]


@settings(max_examples=100, deadline=None)
@given(st.lists(regular, min_size=1, max_size=30), any_text, st.integers(0, 30), st.booleans())
def test_one_odd_value_changes_none_of_the_others(times: list[str], odd: str, place: int, as_slice: bool) -> None:
    assert parsed([*times], as_slice=as_slice) == [expected(time) for time in times]
    texts: list[str | None] = [*times[:place], odd, *times[place:]]
    assert parsed(texts, as_slice=as_slice) == [expected(text) for text in texts]


@pytest.mark.parametrize("shape", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S.%fZ"])
def test_every_day_of_a_century_and_its_ends(shape: str) -> None:
    days = [datetime(1960, 1, 1, 23, 59, 59, 999999, UTC) + timedelta(days=number) for number in range(0, 36_525, 7)]
    texts: list[str | None] = [day.strftime(shape) for day in days]
    assert parsed(texts) == [expected(text) for text in texts]


def test_only_strings_are_times() -> None:
    texts = ["20261122", "2026", "[]", "true", "{}", '""', '"2026-11-22"', None, '"2026\\u002d11-22"', "1704067200"]
    assert parse_timestamps(texts_of(texts)).is_valid().to_pylist() == [text == '"2026-11-22"' for text in texts]


@pytest.mark.parametrize("texts", [[], [None], [None, None]])
def test_columns_without_values(texts: list[str | None]) -> None:
    assert parse_timestamps(texts_of(texts)).to_pylist() == texts


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_of_a_time(time: datetime) -> None:
    assert EPOCH + timedelta(microseconds=microseconds_of(time)) == time
