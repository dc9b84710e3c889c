"""The grid against a model of dictionaries: whatever is set in whatever order, it tells the same."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.gaps import MAX_KEPT_HOURS, Gaps
from clickstream_platform.pipeline.freshness.grid import HourGrid, signature

WIDTH = 7
START = Hour.parse("2026-11-22T00")
STREAMS = [Stream(customer, f"e{number}") for customer in ("a", "b", "c") for number in range(150)]
streams = st.sampled_from(STREAMS[:4] + STREAMS[150:154] + STREAMS[-3:])
sizes = st.tuples(st.integers(1, 3), st.integers(0, 5))


class Grids(RuleBasedStateMachine):
    """The grid and what it should hold."""

    @initialize()
    def begin(self) -> None:
        self.grid = HourGrid(WIDTH)
        self.grid.add(STREAMS)
        self.now = START.end
        self.grid.move_to(START)
        self.arrived: dict[tuple[Stream, Hour], tuple[int, int]] = {}
        self.loaded: dict[tuple[Stream, Hour], tuple[int, int]] = {}
        self.checked: dict[tuple[str, Hour], datetime] = {}

    def hour(self, back: int) -> Hour:
        return self.grid.newest.plus(-back)

    @rule(hours=st.integers(-2, 10))
    def move(self, hours: int) -> None:
        self.now += timedelta(hours=max(hours, 0))
        self.grid.move_to(self.grid.newest.plus(hours))
        inside = self.grid.has
        self.arrived = {key: value for key, value in self.arrived.items() if inside(key[1])}
        self.loaded = {key: value for key, value in self.loaded.items() if inside(key[1])}
        self.checked = {key: value for key, value in self.checked.items() if inside(key[1])}

    @rule(back=st.integers(0, WIDTH - 1), found=st.dictionaries(streams, sizes, max_size=5))
    def arrive(self, back: int, found: dict[Stream, tuple[int, int]]) -> None:
        hour = self.hour(back)
        rows = {self.grid.row(stream): (*size, hour.end.timestamp()) for stream, size in found.items()}
        self.grid.set_arrived(hour, {row: size for row, size in rows.items() if row is not None})
        self.arrived = {key: value for key, value in self.arrived.items() if key[1] != hour}
        self.arrived |= {(stream, hour): size for stream, size in found.items()}

    @rule(
        backs=st.sets(st.integers(0, WIDTH + 2), min_size=1, max_size=3),
        customers=st.sets(st.sampled_from("abc"), min_size=1),
        found=st.lists(st.tuples(streams, st.integers(0, WIDTH + 2), sizes), max_size=6),
        is_aware=st.booleans(),
    )
    def answer(
        self,
        backs: set[int],
        customers: set[str],
        found: list[tuple[Stream, int, tuple[int, int]]],
        is_aware: bool,
    ) -> None:
        hours = {self.hour(back) for back in backs}
        rows = {
            (stream, self.hour(back)): size
            for stream, back, size in found
            if stream.customer in customers and back in backs
        }
        zone = UTC if is_aware else None
        self.grid.set_loaded(
            customers,
            hours,
            self.now,
            [(stream, hour.start.replace(tzinfo=zone), *size) for (stream, hour), size in rows.items()],
        )
        asked = {(customer, hour) for customer in customers for hour in hours if self.grid.has(hour)}
        self.loaded = {key: size for key, size in self.loaded.items() if (key[0].customer, key[1]) not in asked}
        self.loaded |= {key: size for key, size in rows.items() if self.grid.has(key[1])}
        self.checked |= dict.fromkeys(asked, self.now)

    @invariant()
    def the_same_hours_are_missing(self) -> None:
        expected = {key for key, size in self.arrived.items() if self.loaded.get(key) != size}
        gaps = self.gaps(STREAMS).by_row(in_full={"a", "b", "c"})
        assert {(self.grid.streams[row], each.hour) for row, gap in gaps.items() for each in gap.hours} == expected
        for row, gap in gaps.items():
            assert [each.hour for each in gap.hours] == sorted(each.hour for each in gap.hours)
            assert (gap.count, gap.oldest) == (len(gap.hours), gap.hours[0].hour)
            for each in gap.hours:
                assert each.arrived_at == each.hour.end
                assert each.checked_at == self.checked.get((self.grid.streams[row].customer, each.hour))

    def gaps(self, watched: Iterable[Stream]) -> Gaps:
        """Return the gaps of these streams, whose deadlines are far away."""
        rows = [row for stream in watched if (row := self.grid.row(stream)) is not None]
        return Gaps(self.grid, self.grid.newest, dict.fromkeys(rows, timedelta(hours=1000)), self.now)

    @invariant()
    def the_newest_hours_are_the_same(self) -> None:
        for newest, known in ((self.grid.newest_arrived(), self.arrived), (self.grid.newest_loaded({}), self.loaded)):
            for stream in STREAMS[::50] + STREAMS[:4]:
                hours = [hour for each, hour in known if each == stream]
                row = self.grid.row(stream)
                assert row is not None
                found = self.grid.first.plus(newest[row]) if newest[row] >= 0 else None
                assert found == max(hours, default=None)

    @invariant()
    def whoever_misses_what_was_never_asked_for_is_worth_asking(self) -> None:
        gaps = self.gaps(stream for stream in STREAMS if stream.customer != "c")
        groups = gaps.worth_asking(timedelta(days=1000))
        missing: dict[str, set[Hour]] = {}
        for row, gap in gaps.by_row(in_full={"a", "b"}).items():
            missing.setdefault(self.grid.streams[row].customer, set()).update(each.hour for each in gap.hours)
        expected = {
            customer: hours
            for customer, hours in missing.items()
            if any((customer, hour) not in self.checked for hour in hours)
        }
        assert {customer: set(hours) for hours, customers in groups.items() for customer in customers} == expected


Grids.TestCase.settings = settings(max_examples=30, stateful_step_count=12, deadline=None)
TestGrids = Grids.TestCase


@given(st.integers(1, 2**20 - 1), st.integers(0, 2**43), st.integers(0, 2**30))
def test_a_content_has_a_signature_and_another_one_as_soon_as_it_grows(objects: int, size: int, more: int) -> None:
    assert 0 < signature(objects, size) < 2**32
    assert (signature(objects, size) == signature(objects, size + more)) == (more == 0)


@given(st.integers(1, 1000), st.integers(0, 10**9), st.integers(1, 1000), st.integers(0, 10**7))
def test_more_objects_have_another_signature(objects: int, size: int, more: int, by: int) -> None:
    assert signature(objects, size) != signature(objects + more, size + by)
    assert signature(0, 0) == 0


def test_of_many_missing_hours_some_are_told_one_by_one_the_overdue_first() -> None:
    grid, stream = HourGrid(20), Stream("a", "e")
    grid.add([stream])
    grid.move_to(START)
    now = START.end.timestamp()
    for back in range(20):  # the oldest ten have an object of this very moment
        hour = START.plus(-back)
        grid.set_arrived(hour, {0: (1, 1, now if back >= 10 else hour.end.timestamp())})
        grid.set_loaded(["a"], [hour], START.end, [])
    gaps = Gaps(grid, START, {0: timedelta(hours=1)}, START.end)
    (gap,) = gaps.by_row().values()
    assert [each.hour for each in gap.hours] == [START.plus(-back) for back in range(9, 9 - MAX_KEPT_HOURS, -1)]
    assert (gap.count, gap.oldest) == (20, START.plus(-19))
    assert len(gaps.by_row(in_full={"a"})[0].hours) == 20


def test_a_warehouse_that_is_away_at_the_start_takes_little_memory() -> None:
    grid, hours = HourGrid(72), 71
    grid.add(Stream(f"c{number // 20}", f"e{number % 20}") for number in range(2_000))
    grid.move_to(START)
    for back in range(hours):
        hour = START.plus(-back)
        grid.set_arrived(hour, dict.fromkeys(range(2_000), (1, 1, hour.end.timestamp())))
    gaps = Gaps(grid, START, dict.fromkeys(range(2_000), timedelta(hours=1)), START.end)
    tracemalloc.start()
    groups, found = gaps.worth_asking(timedelta(minutes=1)), gaps.by_row()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(customers) for customers in groups.values()] == [100]
    assert {gap.count for gap in found.values()} == {hours}
    assert peak < 8_000_000


def test_an_hour_is_worth_asking_for_when_it_is_due_or_was_asked_long_ago() -> None:
    grid, stream, now = HourGrid(WIDTH), STREAMS[0], START.end
    grid.add([stream])
    grid.move_to(START)
    grid.set_arrived(START, {0: (1, 1, now.timestamp())})
    grid.set_loaded(["a"], [START], now, [])

    def is_worth(minutes: int) -> bool:
        at = now + timedelta(minutes=minutes)
        return bool(Gaps(grid, START, {0: timedelta(minutes=60)}, at).worth_asking(timedelta(minutes=30)))

    assert [is_worth(minutes) for minutes in (0, 29, 30)] == [False, False, True]
    grid.set_loaded(["a"], [START], now + timedelta(minutes=59), [])
    assert [is_worth(minutes) for minutes in (59, 60)] == [False, True]


def test_what_a_ledger_has_beyond_the_listing_is_told_once() -> None:
    grid, now = HourGrid(WIDTH), START.end
    grid.add(STREAMS[:1])
    grid.move_to(START)
    grid.set_arrived(START, {0: (1, 1, now.timestamp())})
    row = [(STREAMS[0], START.start, 2, 2)]
    assert grid.set_loaded(["a"], [START], now, row) == [START]
    assert grid.set_loaded(["a"], [START], now, row) == []
    grid.set_arrived(START, {0: (2, 2, now.timestamp())})
    assert grid.set_loaded(["a"], [START], now, row) == []
