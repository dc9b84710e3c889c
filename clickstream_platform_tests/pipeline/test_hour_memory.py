"""The memory between two ticks and its written form."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.hour_memory import HourMemory, HourRanges

HOURS = st.integers(0, 2_000).map(lambda number: Hour(datetime(2026, 1, 1, tzinfo=UTC)).plus(number))
RANGES = st.sets(HOURS, max_size=50).map(HourRanges)
FINGERPRINTS = st.dictionaries(HOURS, st.text("0123456789abcdef", min_size=16, max_size=16))
MEMORIES = st.builds(HourMemory, FINGERPRINTS, RANGES, RANGES, RANGES, st.text(), st.none() | HOURS, st.sets(st.text()))


@given(MEMORIES)
def test_a_cursor_reads_back_as_it_was(memory: HourMemory) -> None:
    assert HourMemory.from_cursor(memory.to_cursor()) == memory


def test_hours_that_follow_each_other_are_written_as_one_range() -> None:
    first = Hour.parse("2026-01-01T00")
    ranges = HourRanges({first.plus(number) for number in (*range(9_000), 9_002)})
    assert ranges.written() == [("2026-01-01T00", "2027-01-10T23"), ("2027-01-11T02", "2027-01-11T02")]


@pytest.mark.parametrize("cursor", [None, ""])
def test_no_cursor_is_an_empty_memory(cursor: str | None) -> None:
    assert HourMemory.from_cursor(cursor) == HourMemory()


def test_a_person_may_write_a_cursor_that_asks_for_hours() -> None:
    memory = HourMemory.from_cursor('{"asked": [["2026-01-01T22", "2026-01-02T01"]]}')
    assert sorted(map(str, memory.asked.hours)) == ["2026-01-01T22", "2026-01-01T23", "2026-01-02T00", "2026-01-02T01"]


def test_a_cursor_of_another_version_is_forgotten() -> None:
    assert HourMemory.from_cursor('{"version": 99, "fingerprints": 5}') == HourMemory()


@pytest.mark.parametrize("cursor", ["{", "[]", '{"asked": [["x", "y"]]}', '{"fingerprints": 5}', '{"settled": 5}'])
def test_a_damaged_cursor_says_what_to_do(cursor: str) -> None:
    with pytest.raises(InvalidNameError):
        HourMemory.from_cursor(cursor)


def test_recent_hours_become_settled_when_they_are_recent_no_more() -> None:
    old, new = Hour.parse("2026-01-01T00"), Hour.parse("2026-01-02T00")
    memory = HourMemory({old: "a", new: "b"})
    memory.keep_recent([new])
    assert (memory.fingerprints, memory.settled.hours) == ({new: "b"}, {old})


def test_other_customers_make_waiting_hours_asked_for() -> None:
    hour = Hour.parse("2026-01-01T00")
    memory = HourMemory(waiting=HourRanges({hour}), customers="one")
    memory.meet_customers("one")
    assert not memory.asked.hours
    memory.meet_customers("two")
    assert memory.asked.hours == {hour}
