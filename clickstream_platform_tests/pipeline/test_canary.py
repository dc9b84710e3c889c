"""The canary: what a beat learns, what follows from it, and that its file is read back whatever is in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import (
    ClickstreamError,
    LoadError,
    ObjectStoreUnavailableError,
    WarehouseUnavailableError,
)
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.tracking_api import CollectorUnavailableError
from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.canary import (
    EVENT,
    MAX_PENDING,
    CanaryLimits,
    CanaryParts,
    CanaryState,
    beat,
    judge_canary,
    read_canary,
    write_canary,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FIVE = timedelta(minutes=5)
times = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (bounds)


class Forgetful(dict[str, datetime]):
    """A table in which one row never appears."""

    def __init__(self, lost: str) -> None:
        super().__init__()
        self._lost = lost

    def __setitem__(self, message: str, loaded: datetime) -> None:
        """Keep any other row."""
        if message != self._lost:
            super().__setitem__(message, loaded)

    def setdefault(self, message: str, loaded: datetime = NOW) -> datetime:
        """Keep any other row."""
        if message != self._lost:
            return super().setdefault(message, loaded)
        return loaded


class World:
    """A collector, a table and a store that can be away."""

    def __init__(self) -> None:
        self.clock = FixedClock(NOW)
        self.sent: list[str] = []
        self.rows: dict[str, datetime] = {}
        self.hours: set[Hour] = set()
        self.collector: ClickstreamError | None = None
        self.warehouse: ClickstreamError | None = None
        self.store: ClickstreamError | None = None
        self.state = CanaryState("canary", NOW)

    def send(self, name: str, message_id: str, at: datetime) -> None:
        if self.collector:
            raise self.collector
        self.sent.append(message_id)

    def find(self, since: datetime) -> dict[str, datetime]:
        if self.warehouse:
            raise self.warehouse
        return self.rows

    def has_objects(self, hour: Hour) -> bool:
        if self.store:
            raise self.store
        return hour in self.hours

    def live(self, hours: float, *, loading: bool = True) -> None:
        """Let beats pass; an event becomes a row twenty minutes after its hour."""
        for _ in range(int(hours * 12)):
            self.clock.advance(FIVE)
            if loading:
                for number, message in enumerate(self.sent):
                    loaded = Hour.of(NOW + FIVE * (number + 1)).end + timedelta(minutes=20)
                    if loaded <= self.clock.now():
                        self.rows.setdefault(message, loaded)
            parts = CanaryParts(self.send, self.find, self.has_objects)
            self.state = beat(self.state, parts, self.clock)

    def problems(self) -> list[tuple[str, object]]:
        found = judge_canary(self.state, self.clock.now())
        return [(each.kind, each.detail.get("stage")) for each in found]


def test_a_living_canary_measures_from_call_to_row_and_is_no_news() -> None:
    world = World()
    world.live(6)
    assert world.problems() == []
    assert (world.state.sent, world.state.seen + len(world.state.pending)) == (72, 72)
    assert max(world.state.latencies) == 80 * 60
    assert min(world.state.latencies) == 25 * 60


def test_what_is_not_loaded_is_broken_after_three_hours_and_says_where_it_stopped() -> None:
    world = World()
    world.live(1)
    world.hours = {Hour.of(NOW), Hour.of(NOW).plus(1)}
    world.live(2, loading=False)
    assert world.problems() == []
    world.live(1, loading=False)
    assert world.problems() == [("canary_broken", "load")]
    world.hours = set()
    world.live(0.1, loading=False)
    assert world.problems() == [("canary_broken", "batcher")]
    world.store = ObjectStoreUnavailableError("listing")
    world.live(0.1, loading=False)
    assert world.problems() == [("canary_broken", "unknown")]
    world.live(0.1)
    assert [kind for kind, _ in world.problems()] == []


def test_a_collector_that_takes_nothing_is_told_at_the_second_beat_and_over_with_the_next_event() -> None:
    world = World()
    world.collector = CollectorUnavailableError("sending")
    world.live(1 / 12)
    assert world.problems() == []
    world.live(1 / 12)
    assert world.problems() == [("canary_broken", "collector")]
    assert world.state.refusal == "CollectorUnavailableError"
    world.collector = None
    world.live(1 / 12)
    assert world.problems() == []


def test_a_warehouse_that_is_away_is_no_proof_but_a_missing_table_is() -> None:
    world = World()
    world.warehouse = WarehouseUnavailableError("reading")
    world.live(5, loading=False)
    assert world.problems() == []
    world.warehouse = LoadError("reading", cause="no such table")
    world.live(1 / 12, loading=False)
    assert world.problems() == [("canary_broken", "batcher")]


def test_a_canary_whose_process_is_gone_is_broken() -> None:
    world = World()
    world.live(1)
    world.clock.advance(timedelta(minutes=16))
    assert world.problems() == []
    world.clock.advance(timedelta(minutes=1))
    assert world.problems() == [("canary_broken", "canary")]


def test_an_event_that_was_lost_is_told_for_a_day_and_then_given_up() -> None:
    world = World()
    world.live(1)
    lost = world.sent[3]
    world.rows = Forgetful(lost)
    world.live(5)
    assert world.problems() == [("canary_broken", "lost")]
    world.live(20)
    assert world.problems() == []
    assert (world.state.lost, lost in world.state.pending) == (1, False)
    assert world.state.sent == world.state.seen + world.state.lost + len(world.state.pending)


def test_one_refusal_is_no_news_however_long_ago_it_was_seen() -> None:
    world = World()
    world.collector = CollectorUnavailableError("sending")
    world.live(1 / 12)
    world.clock.advance(FIVE + timedelta(seconds=30))  # the second beat is late
    assert world.problems() == []


def test_a_canary_that_is_sent_by_hand_may_stop() -> None:
    state = CanaryState("canary", NOW, sent=1, every_seconds=0.0)
    assert judge_canary(state, NOW + timedelta(days=3)) == []


def test_a_slow_canary_is_a_warning() -> None:
    state = CanaryState("canary", NOW, latencies=(10.0, 7300.0))
    (found,) = judge_canary(state, NOW)
    assert (found.kind, found.customer, found.event) == ("canary_slow", "canary", EVENT)
    assert judge_canary(state, NOW, CanaryLimits(slow=timedelta(hours=3))) == []


def test_pending_events_are_bounded() -> None:
    world = World()
    world.live(MAX_PENDING / 12 + 2, loading=False)
    assert len(world.state.pending) == MAX_PENDING
    assert world.state.sent > MAX_PENDING


states = st.builds(
    CanaryState,
    customer=st.just("canary"),
    updated_at=times,
    pending=st.dictionaries(st.text(), times),
    sent=st.integers(0),
    seen=st.integers(0),
    refused_since=st.none() | times,
    refusal=st.text(),
    read_at=st.none() | times,
    latencies=st.lists(st.floats(0, 1e7)).map(tuple),
    every_seconds=st.floats(5, 1e5),
    arrived=st.sampled_from(["yes", "no", "unknown"]),
    lost=st.integers(0),
    newest_seen=st.none() | times,
    refusals=st.integers(0, 5),
)


@given(states, times)
def test_the_written_form_is_read_back_and_judged_alike(state: CanaryState, now: datetime) -> None:
    again = CanaryState.from_json(state.to_json())
    assert (again, dict(again.pending)) == (state, dict(state.pending))
    findings = judge_canary(state, now)
    assert len(findings) <= 1
    assert [each.key for each in findings] == [each.key for each in judge_canary(again, now)]


@pytest.mark.parametrize("text", ["", "{}", "[]", "1", '{"customer": "c"}', '{"customer":"c","updated_at":3}'])
def test_a_damaged_file_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    assert read_canary(path) is None
    path.write_text(text)
    assert read_canary(path) is None
    write_canary(path, CanaryState("canary", NOW))
    assert read_canary(path) == CanaryState("canary", NOW)
