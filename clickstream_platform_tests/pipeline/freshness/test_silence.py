"""When silence is news: by the hours of the week, by how much history there is, and never by a single hour."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.model.hours import Hour, hour_range
from clickstream_platform.pipeline.freshness.silence import (
    HISTORY_HOURS,
    MIN_HISTORY_HOURS,
    Presence,
    Silence,
    SilenceOptions,
    hours_between,
    silence_of,
)

MONDAY = Hour.parse("2026-11-02T00")  # a Monday
LAST = MONDAY.plus(HISTORY_HOURS - 1)  # the Sunday evening four weeks later


def history(is_seen: Callable[[Hour], bool], last: Hour = LAST, first: Hour = MONDAY) -> Presence:
    return Presence.of((hour for hour in hour_range(first, last) if is_seen(hour)), first, last)


def after(presence: Presence, last: Hour, empty_hours: int) -> Silence:
    found = silence_of(presence, last, last.plus(empty_hours))
    assert found is not None
    return found


def test_a_stream_that_sends_all_day_is_silent_after_three_hours() -> None:
    always = history(lambda _: True)
    assert [after(always, LAST, hours).is_silent for hours in (1, 2, 3, 4)] == [False, False, True, True]
    assert after(always, LAST, 3).since == LAST.plus(1)


def is_office_hour(hour: Hour) -> bool:
    return hour.start.weekday() < 5 and 8 <= hour.start.hour < 18


def test_a_stream_of_office_hours_is_quiet_on_the_weekend_and_silent_on_monday_at_noon() -> None:
    friday = MONDAY.plus(25 * 24 + 17)
    office = history(is_office_hour, friday)
    monday = MONDAY.plus(28 * 24)
    hours = [
        hour
        for hour in hour_range(friday.plus(1), monday.plus(14))
        if after(office, friday, hours_between(friday, hour)).is_silent
    ]
    assert hours[0] == monday.plus(10)  # the third office hour without a record, 08 to 10


def test_a_stream_that_sends_now_and_then_takes_days() -> None:
    rare = history(lambda hour: hour.start.hour == 12, LAST.plus(-11))
    assert not after(rare, LAST.plus(-11), 48).is_silent
    assert after(rare, LAST.plus(-11), 24 * 7).is_silent


def test_a_short_history_says_so_and_stays_quiet() -> None:
    first = LAST.plus(2 - MIN_HISTORY_HOURS)
    short = history(lambda _: True, first=first)
    found = after(short, LAST, 200)
    assert (found.is_silent, found.is_history_short, found.surprise) == (False, True, 0.0)


def test_a_steady_stream_needs_no_week_of_history() -> None:
    first = LAST.plus(-60)
    assert after(history(lambda _: True, first=first), LAST, 3).is_silent
    half = history(lambda hour: hour.start.hour % 2 == 0, first=first)
    assert after(half, LAST, 60).is_history_short


def test_a_greater_surprise_takes_longer() -> None:
    always = history(lambda _: True)
    found = silence_of(always, LAST, LAST.plus(4), SilenceOptions(surprise=5.0))
    assert found is not None
    assert found.surprise == pytest.approx(4.0)
    assert not found.is_silent


@given(st.integers(1, 600), st.integers(0, 600), st.integers(0, 5))
def test_judging_on_from_what_was_said_is_like_judging_at_once(first: int, later: int, every: int) -> None:
    past = history(lambda hour: hour.start.hour % (every + 1) == 0)
    before = silence_of(past, LAST, LAST.plus(first))
    on, at_once = (silence_of(past, LAST, LAST.plus(first + later), before=each) for each in (before, None))
    assert on is not None
    assert at_once is not None
    assert (on.is_silent, on.is_history_short, on.empty_hours) == (
        at_once.is_silent, at_once.is_history_short, at_once.empty_hours,
    )  # fmt: skip
    assert on.surprise == pytest.approx(at_once.surprise)
    assert silence_of(past, LAST, LAST.plus(first), before=on) == before  # a deadline that became longer


@pytest.mark.parametrize("due", [LAST, LAST.plus(-5)])
def test_no_empty_hour_is_no_silence(due: Hour) -> None:
    assert silence_of(history(lambda _: True), LAST, due) is None


presences = st.builds(
    lambda length, bits: Presence(LAST.plus(1 - length), length, bits & ((1 << length) - 1)),
    st.integers(1, HISTORY_HOURS),
    st.integers(0, 2**HISTORY_HOURS - 1) | st.just(2**HISTORY_HOURS - 1),
)


@given(presences, st.integers(1, 400))
def test_more_empty_hours_are_never_less_surprising_and_one_is_never_enough(presence: Presence, empty: int) -> None:
    one, two = after(presence, LAST, empty), after(presence, LAST, empty + 1)
    assert one.surprise <= two.surprise
    assert not after(presence, LAST, 2).is_silent
    assert not (one.is_silent and one.is_history_short)


@given(presences, st.integers(1, 2000))
def test_a_chance_is_never_certain(presence: Presence, later: int) -> None:
    chance = presence.chance(LAST.plus(later))
    assert chance is None or 0 < chance <= 0.9


@given(st.sets(st.integers(-10, 700)), st.integers(1, 690))
def test_a_presence_has_the_hours_that_were_seen(numbers: set[int], length: int) -> None:
    presence = Presence.of((MONDAY.plus(number) for number in numbers), MONDAY, MONDAY.plus(length - 1))
    assert presence.bits.bit_count() == len([number for number in numbers if 0 <= number < length])
    assert presence.hours == length
