"""What a tick requests and remembers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import pytest

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import UNIDENTIFIED
from clickstream_platform.pipeline.discovery import Discovery
from clickstream_platform.pipeline.hour_memory import HourMemory
from clickstream_platform.pipeline.planning import LOOKING_SECONDS, MAX_OTHER_HOURS_PER_TICK, HoursTick, TickPlanner
from clickstream_platform.registry.entities import EventState, Policy
from clickstream_platform_tests.pipeline.stand_ins import NINE, TEN, TWELVE, StandInWiring

OLD = Hour.parse("2026-11-03T04")


@dataclass
class Ticks:
    """Ticks one after the other, remembering what they requested as Dagster's runs do."""

    wiring: StandInWiring = field(default_factory=StandInWiring)
    memory: HourMemory = field(default_factory=HourMemory)
    requested: set[str] = field(default_factory=set)
    customers: tuple[str, ...] = ("acme", "tiny")

    def __post_init__(self) -> None:
        for customer in self.customers:
            self.wiring.registry.add_customer(customer)

    def find_requested(self, run_keys: Sequence[str]) -> Collection[str]:
        return self.requested.intersection(run_keys)

    def tick(self, limit: int = 50, seconds_per_look: float = 0.0) -> HoursTick:
        discovery = Discovery(
            self.wiring.objects,
            self.wiring.clock,
            first_hour=Hour.parse("2026-11-01T00"),
            lookback_hours=24,
            grace_minutes=15,
        )
        timer = partial(next, count(step=seconds_per_look or 1e-9))
        registry, store = self.wiring.registry, self.wiring.objects
        planner = TickPlanner(discovery, registry, self.customers, self.find_requested, limit, store, timer)
        self.memory = HourMemory.from_cursor(self.memory.to_cursor())
        tick = planner.plan(self.memory)
        self.requested |= {each.run_key for each, _ in tick.requests}
        return tick

    def run(self, limit: int = 50) -> list[str]:
        return [f"{each.customer} {each.hour}" for each, _ in self.tick(limit).requests]


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


def test_ready_hours_are_requested_once_oldest_first(ticks: Ticks) -> None:
    for hour in (TEN, NINE, OLD):
        ticks.wiring.put("acme", "order", hour)
    ticks.wiring.put("tiny", "order", NINE)
    ticks.wiring.put("tiny", "order", TWELVE)  # still open
    assert ticks.run() == ["acme 2026-11-03T04", "acme 2026-11-22T09", "tiny 2026-11-22T09", "acme 2026-11-22T10"]
    assert ticks.run() == []


def test_a_late_object_requests_exactly_its_customer_hour(ticks: Ticks) -> None:
    for customer in ("acme", "tiny"):
        for hour in (NINE, TEN):
            ticks.wiring.put(customer, "order", hour)
    assert len(ticks.run()) == 4
    ticks.wiring.put("tiny", "order", NINE, number=2)
    assert ticks.run() == ["tiny 2026-11-22T09"]
    assert ticks.run() == []


def test_a_lost_memory_requests_nothing_twice(ticks: Ticks) -> None:
    ticks.wiring.put("acme", "order", NINE)
    ticks.wiring.put("acme", "order", OLD)
    assert len(ticks.run()) == 2
    ticks.memory = HourMemory()
    assert ticks.run() == []


def test_the_limit_cuts_a_tick_and_the_next_one_goes_on(ticks: Ticks) -> None:
    for number in range(5):
        ticks.wiring.put("acme", "order", NINE.plus(-number))
        ticks.wiring.put("tiny", "order", NINE.plus(-number))
    first = ticks.tick(limit=3)
    assert (len(first.requests), first.is_cut) == (3, True)
    assert [len(ticks.run(limit=3)) for _ in range(4)] == [3, 3, 1, 0]


def test_an_old_hour_is_looked_at_once_and_again_when_asked_for(ticks: Ticks) -> None:
    ticks.wiring.put("acme", "order", OLD)
    assert ticks.run() == ["acme 2026-11-03T04"]
    ticks.wiring.put("acme", "order", OLD, number=2)
    assert ticks.run() == []
    ticks.memory.asked.hours.add(OLD)
    assert ticks.run() == ["acme 2026-11-03T04"]
    assert not ticks.memory.asked.hours


def test_a_backlog_is_worked_off_tick_by_tick(ticks: Ticks) -> None:
    hours = MAX_OTHER_HOURS_PER_TICK + 5
    for number in range(hours):
        ticks.wiring.put("acme", "order", OLD.plus(number))
    assert [len(ticks.run(limit=100)) for _ in range(3)] == [MAX_OTHER_HOURS_PER_TICK, 5, 0]


def test_customers_without_assets_wait_and_are_requested_as_soon_as_they_have_them(ticks: Ticks) -> None:
    for hour in (NINE, OLD):
        ticks.wiring.put("acme", "order", hour)
        ticks.wiring.put("newcomer", "order", hour)
    first = ticks.tick()
    assert {each.customer for each, _ in first.requests} == {"acme"}
    assert first.without_assets == {"newcomer"}
    ticks.wiring.registry.add_customer("newcomer")
    assert ticks.run() == []
    ticks.customers = ("acme", "newcomer", "tiny")
    assert sorted(ticks.run()) == ["newcomer 2026-11-03T04", "newcomer 2026-11-22T09"]


def test_the_registry_learns_of_events_and_decides_which_are_loaded(ticks: Ticks) -> None:
    ticks.wiring.registry.update_customer_policy("tiny", Policy(auto_activate=False))
    ticks.wiring.registry.add_event("acme", "gone")
    ticks.wiring.registry.remove_event("acme", "gone")
    for customer in ("acme", "tiny"):
        for event in ("order", "gone", UNIDENTIFIED):
            ticks.wiring.put(customer, event, NINE)
    requests = {each.customer: admission for each, admission in ticks.tick().requests}
    assert sorted(requests["acme"].events) == [UNIDENTIFIED, "order"]
    assert list(requests["acme"].skipped) == ["gone"]
    assert requests["tiny"].events == (UNIDENTIFIED,)
    states = {event.slug: event.state for event in ticks.wiring.registry.list_events("tiny")}
    assert states == {"gone": EventState.DISCOVERED, "order": EventState.DISCOVERED}


def test_hours_with_nothing_to_load_neither_request_nor_use_up_the_limit(ticks: Ticks) -> None:
    ticks.wiring.registry.update_customer_policy("acme", Policy(auto_activate=False))
    ticks.wiring.put("acme", "order", NINE)
    ticks.wiring.put("tiny", "order", NINE)
    assert ticks.run(limit=1) == ["tiny 2026-11-22T09"]


def test_a_customer_that_the_registry_refuses_holds_nobody_back(ticks: Ticks) -> None:
    ticks.customers = ("acme", "stranger", "tiny")
    ticks.wiring.put("stranger", "order", NINE)
    ticks.wiring.put("tiny", "order", NINE)
    tick = ticks.tick()
    assert [each.customer for each, _ in tick.requests] == ["tiny"]
    assert "registry has none of this name" in tick.refused["stranger"]
    assert ticks.run() == [], "refused again, and nothing else is asked for twice"
    ticks.wiring.registry.add_customer("stranger")
    assert ticks.run() == ["stranger 2026-11-22T09"], "an hour that was refused is tried again"
    assert ticks.run() == []


def test_slow_listings_end_a_tick_in_time_and_every_hour_has_its_turn(ticks: Ticks) -> None:
    seconds, oldest = LOOKING_SECONDS / 10, TWELVE.plus(-24)
    for hour in (TEN, oldest, oldest.plus(8)):
        ticks.wiring.put("acme", "order", hour)
    first = ticks.tick(seconds_per_look=seconds)  # the three fresh hours, then the six oldest
    assert (first.hours_looked_at, first.is_cut) == (9, True)
    assert [each.hour for each, _ in first.requests] == [oldest, TEN]
    ticks.wiring.put("acme", "order", TEN, number=2)
    second = ticks.tick(seconds_per_look=seconds)
    assert [each.hour for each, _ in second.requests] == [oldest.plus(8), TEN]
    assert ticks.memory.resume == oldest.plus(12)
    assert not ticks.tick().is_cut
    assert ticks.memory.resume is None
