"""The grid against a model of dictionaries: whatever is set in whatever order, it tells the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream
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
        missing = self.grid.missing(self.grid.newest)
        assert {(self.grid.streams[row], each.hour) for row, found in missing.items() for each in found} == expected
        for row, found in missing.items():
            assert [each.hour for each in found] == sorted(each.hour for each in found)
            for each in found:
                assert each.arrived_at == each.hour.end
                assert each.checked_at == self.checked.get((self.grid.streams[row].customer, each.hour))

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
        deadlines = {stream: timedelta(hours=1000) for stream in STREAMS if stream.customer != "c"}
        groups = self.grid.worth_asking(self.grid.newest, deadlines, self.now, timedelta(days=1000))
        missing: dict[str, set[Hour]] = {}
        for row, found in self.grid.missing(self.grid.newest).items():
            if self.grid.streams[row] in deadlines:
                missing.setdefault(self.grid.streams[row].customer, set()).update(each.hour for each in found)
        expected = {
            customer: hours
            for customer, hours in missing.items()
            if any((customer, hour) not in self.checked for hour in hours)
        }
        assert {customer: set(hours) for hours, customers in groups.items() for customer in customers} == expected


Grids.TestCase.settings = settings(max_examples=30, stateful_step_count=12, deadline=None)
TestGrids = Grids.TestCase


@given(
    st.tuples(st.integers(1, 2**20 - 1), st.integers(0, 2**44 - 1)), st.tuples(st.integers(1, 99), st.integers(0, 99))
)
def test_two_contents_have_two_signatures_and_no_content_has_none(one: tuple[int, int], two: tuple[int, int]) -> None:
    assert signature(*one) > 0
    assert (signature(*one) == signature(*two)) == (one == two)


def test_an_hour_is_worth_asking_for_when_it_is_due_or_was_asked_long_ago() -> None:
    grid, stream, now = HourGrid(WIDTH), STREAMS[0], START.end
    grid.add([stream])
    grid.move_to(START)
    grid.set_arrived(START, {0: (1, 1, now.timestamp())})
    grid.set_loaded(["a"], [START], now, [])

    def is_worth(minutes: int) -> bool:
        at = now + timedelta(minutes=minutes)
        return bool(grid.worth_asking(START, {stream: timedelta(minutes=60)}, at, timedelta(minutes=30)))

    assert [is_worth(minutes) for minutes in (0, 29, 30)] == [False, False, True]
    grid.set_loaded(["a"], [START], now + timedelta(minutes=59), [])
    assert [is_worth(minutes) for minutes in (59, 60)] == [False, True]
