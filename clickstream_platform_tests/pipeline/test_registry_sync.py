"""What changes of the registry mean for partitions, runs and back-fills."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import count

import pytest

from clickstream_platform.pipeline.registry_memory import MAX_BACKFILLS, MAX_CUSTOMER_BACKFILLS, RegistryMemory
from clickstream_platform.pipeline.registry_sync import LEAVING, RegistrySync, SyncTick, UnfinishedRun
from clickstream_platform.registry.entities import Policy
from clickstream_platform_tests.pipeline.stand_ins import NINE, StandInWiring


@dataclass
class RecordingOrchestrator:
    """Keeps partitions and runs; writes down every question and order."""

    keys: dict[str, list[str]] = field(default_factory=dict)
    runs: list[UnfinishedRun] = field(default_factory=list)
    are_all: bool = True
    is_obeyed: bool = True
    story: list[str] = field(default_factory=list)

    def list_events(self, customer: str) -> Sequence[str]:
        self.story.append(f"list {customer}")
        return list(self.keys.get(customer, ()))

    def add_events(self, customer: str, events: Collection[str]) -> None:
        self.story.append(f"add {customer}: {', '.join(events)}")
        self.keys.setdefault(customer, []).extend(events)

    def delete_event(self, customer: str, event: str) -> None:
        self.story.append(f"delete {customer}: {event}")
        self.keys[customer].remove(event)

    def unfinished_runs(self) -> tuple[Sequence[UnfinishedRun], bool]:
        self.story.append("runs")
        return list(self.runs), self.are_all

    def cancel(self, run: UnfinishedRun) -> bool:
        self.story.append(f"cancel {run.run_id}")
        if self.is_obeyed:
            self.runs.remove(run)
        return self.is_obeyed


@dataclass
class Following:
    """Ticks one after the other, each with the memory that the one before wrote down."""

    wiring: StandInWiring = field(default_factory=StandInWiring)
    orchestrator: RecordingOrchestrator = field(default_factory=RecordingOrchestrator)
    memory: RegistryMemory = field(default_factory=RegistryMemory)
    loaded: set[str] = field(default_factory=lambda: {"acme", "tiny"})

    def __post_init__(self) -> None:
        for customer in sorted(self.loaded):
            self.wiring.registry.add_customer(customer)

    def tick(self, seconds_per_look: float = 0.0) -> SyncTick:
        self.memory = RegistryMemory.from_cursor(self.memory.to_cursor())
        self.wiring.clock.advance(LEAVING)
        timer = partial(next, count(step=seconds_per_look or 1e-9))
        sync = RegistrySync(self.orchestrator, self.memory, self.loaded, timer)
        return sync.follow(self.wiring.registry.snapshot(), self.wiring.clock.now())

    def story(self) -> list[str]:
        self.orchestrator.story.clear()
        self.tick()
        return list(self.orchestrator.story)

    def wanted(self) -> list[tuple[str, str, int]]:
        return [(each.customer, each.event, each.activation) for each in self.memory.backfills]


@pytest.fixture
def following() -> Following:
    return Following()


def test_events_in_use_get_partitions_in_one_call_and_a_quiet_registry_costs_no_question(following: Following) -> None:
    registry = following.wiring.registry
    for event in ("zebra", "apple", "paused", "gone"):
        registry.add_event("acme", event)
    registry.pause_event("acme", "paused")
    registry.remove_event("acme", "gone")
    assert following.story() == ["list acme", "add acme: apple, paused, zebra", "list tiny"]
    assert following.story() == []
    registry.add_event("tiny", "click")
    assert following.story() == ["list tiny", "add tiny: click"]
    registry.record_seen("tiny", NINE, {"click": ("click", 9)})
    assert following.story() == []


def test_a_discovered_event_has_no_partitions_before_it_is_activated(following: Following) -> None:
    registry = following.wiring.registry
    registry.update_customer_policy("acme", Policy(auto_activate=False))
    registry.record_seen("acme", NINE, {"order": ("Order", 9)})
    following.tick()
    assert following.orchestrator.keys == {}
    registry.activate_event("acme", "order")
    following.tick()
    assert following.orchestrator.keys == {"acme": ["order"]}
    assert following.wanted() == [("acme", "order", 2)]


def test_a_new_customer_has_partitions_before_it_has_assets(following: Following) -> None:
    following.wiring.registry.add_customer("newcomer")
    following.wiring.registry.add_event("newcomer", "order")
    assert following.tick().added == {"newcomer": ["order"]}


def test_a_removed_event_loses_its_runs_at_once_and_its_partitions_when_the_customer_has_no_run(
    following: Following,
) -> None:
    registry, orchestrator = following.wiring.registry, following.orchestrator
    for event in ("order", "click"):
        registry.add_event("acme", event)
    following.tick()
    registry.remove_event("acme", "order")
    mine = UnfinishedRun("only", "acme", "order", is_cancelable=True)
    starting = UnfinishedRun("starting", "acme", "order", is_cancelable=False)
    others = [UnfinishedRun("several", "acme", None, True), UnfinishedRun("click", "acme", "click", True)]
    orchestrator.runs = [mine, starting, *others, UnfinishedRun("tiny", "tiny", "order", is_cancelable=True)]
    assert following.story() == ["list acme", "runs", "cancel only"]
    assert following.story() == ["list acme", "runs"]
    orchestrator.runs = [run for run in orchestrator.runs if run.customer == "tiny"]
    assert following.story() == ["list acme", "runs", "delete acme: order"]
    assert orchestrator.keys == {"acme": ["click"]}
    assert following.story() == []


def test_partitions_go_one_tick_after_the_removal_was_seen_at_the_earliest(following: Following) -> None:
    following.wiring.registry.add_event("acme", "order")
    following.tick()
    following.wiring.registry.remove_event("acme", "order")
    assert following.tick().deleted == {}
    assert following.tick().deleted == {"acme": ["order"]}


def test_partitions_stay_while_not_all_runs_are_known_or_a_run_does_not_end(following: Following) -> None:
    following.wiring.registry.add_event("acme", "order")
    following.tick()
    following.wiring.registry.remove_event("acme", "order")
    following.orchestrator.are_all = False
    assert following.tick().deleted == following.tick().deleted == {}
    following.orchestrator.are_all, following.orchestrator.is_obeyed = True, False
    following.orchestrator.runs = [UnfinishedRun("stubborn", "acme", "order", is_cancelable=True)]
    assert following.story() == following.story() == ["list acme", "runs", "cancel stubborn"]
    following.orchestrator.is_obeyed = True
    assert following.tick().cancelled == {"acme": ["stubborn"]}
    assert following.tick().deleted == {"acme": ["order"]}


def test_a_removed_customer_loses_all_runs_and_partitions_and_is_forgotten(following: Following) -> None:
    following.wiring.registry.add_event("acme", "order")
    following.tick()
    following.orchestrator.keys["acme"].append("_unidentified")
    following.orchestrator.runs = [UnfinishedRun("run", "acme", None, is_cancelable=True)]
    following.wiring.registry.remove_customer("acme")
    assert following.tick().cancelled == {"acme": ["run"]}
    assert following.tick().deleted == {"acme": ["order", "_unidentified"]}
    assert following.memory.followed.keys() == {"tiny"}
    assert following.story() == []


def test_a_snapshot_older_than_the_last_one_undoes_nothing(following: Following) -> None:
    registry = following.wiring.registry
    before = registry.snapshot()
    following.wiring.clock.advance(timedelta(minutes=1))
    registry.add_event("acme", "order")
    following.tick()
    assert following.orchestrator.keys["acme"] == ["order"]
    sync = RegistrySync(following.orchestrator, following.memory, following.loaded)
    empty = replace(before, customers=(), events=(), etag="older")
    assert sync.follow(empty, following.wiring.clock.now()).is_old
    assert following.memory.followed.keys() == {"acme", "tiny"}
    assert RegistryMemory.from_cursor(following.memory.to_cursor()) == following.memory
    assert not following.tick().is_old
    same = replace(registry.snapshot(), taken_at=before.taken_at)
    assert (
        not sync.__class__(following.orchestrator, following.memory, following.loaded)
        .follow(same, following.wiring.clock.now())
        .is_old
    ), "the same content is never old, whenever somebody read it"


def test_partitions_that_the_registry_does_not_know_stay(following: Following) -> None:
    following.orchestrator.keys["acme"] = ["_unidentified", "newer_than_the_snapshot"]
    following.tick()
    following.tick()
    assert following.orchestrator.keys["acme"] == ["_unidentified", "newer_than_the_snapshot"]


def test_an_event_that_is_added_again_gets_its_partitions_back_and_a_back_fill(following: Following) -> None:
    registry = following.wiring.registry
    registry.add_event("acme", "order")
    following.tick()
    assert following.wanted() == []
    registry.remove_event("acme", "order")
    following.tick()
    following.tick()
    registry.add_event("acme", "order")
    assert following.tick().added == {"acme": ["order"]}
    assert following.wanted() == [("acme", "order", 2)]


def test_a_back_fill_is_asked_for_once_for_each_time_the_event_comes_into_use(following: Following) -> None:
    registry = following.wiring.registry
    registry.add_event("acme", "order")
    registry.pause_event("acme", "order")
    registry.resume_event("acme", "order")
    following.tick()
    following.tick()
    assert following.wanted() == [("acme", "order", 2)]
    following.memory.finish(following.memory.backfills[0])
    registry.add_event("acme", "other")
    following.tick()
    assert following.wanted() == []
    registry.pause_event("acme", "order")
    registry.resume_event("acme", "order")
    following.tick()
    assert following.wanted() == [("acme", "order", 3)]


def test_a_back_fill_ends_when_its_event_is_paused_and_begins_anew_when_it_is_resumed(following: Following) -> None:
    registry = following.wiring.registry
    registry.add_event("acme", "order")
    registry.pause_event("acme", "order")
    registry.resume_event("acme", "order")
    following.tick()
    following.memory.backfills[0].next_hour = NINE
    registry.pause_event("acme", "order")
    following.tick()
    assert following.wanted() == []
    registry.resume_event("acme", "order")
    following.tick()
    assert following.wanted() == [("acme", "order", 3)]
    assert following.memory.backfills[0].next_hour is None


def test_a_customer_without_assets_is_back_filled_as_soon_as_it_has_them(following: Following) -> None:
    registry = following.wiring.registry
    registry.add_event("acme", "order")
    registry.pause_event("acme", "order")
    registry.resume_event("acme", "order")
    following.loaded.remove("acme")
    following.tick()
    following.tick()
    assert following.wanted() == []
    following.loaded.add("acme")
    following.tick()
    assert following.wanted() == [("acme", "order", 2)]


def test_a_lost_memory_asks_for_what_may_be_missing_and_no_more(following: Following) -> None:
    registry = following.wiring.registry
    for event in ("order", "click"):
        registry.add_event("acme", event)
    registry.pause_event("acme", "order")
    registry.resume_event("acme", "order")
    following.tick()
    following.memory = RegistryMemory()
    assert following.tick().changes == 0
    assert following.wanted() == [("acme", "order", 2)]


def test_the_list_of_back_fills_is_bounded_for_each_customer_and_the_others_wait(following: Following) -> None:
    registry = following.wiring.registry
    for customer in ("acme", "tiny"):
        for number in range(MAX_CUSTOMER_BACKFILLS + 5):
            event = f"event_{number}"
            registry.add_event(customer, event)
            registry.pause_event(customer, event)
            registry.resume_event(customer, event)
    following.tick()
    first = set(following.wanted())
    assert Counter(customer for customer, _, _ in first) == dict.fromkeys(("acme", "tiny"), MAX_CUSTOMER_BACKFILLS)
    for backfill in list(following.memory.backfills):
        following.memory.finish(backfill)
    following.tick()
    rest = set(following.wanted())
    assert Counter(customer for customer, _, _ in rest) == {"acme": 5, "tiny": 5}
    assert not first & rest


def test_the_list_of_back_fills_is_bounded_for_all_customers_together(following: Following) -> None:
    following.loaded = {f"customer_{number}" for number in range(MAX_BACKFILLS // MAX_CUSTOMER_BACKFILLS + 2)}
    for customer in sorted(following.loaded):
        following.wiring.registry.add_customer(customer)
        for number in range(MAX_CUSTOMER_BACKFILLS):
            following.wiring.registry.add_event(customer, f"event_{number}")
            following.wiring.registry.pause_event(customer, f"event_{number}")
            following.wiring.registry.resume_event(customer, f"event_{number}")
    following.tick()
    assert len(following.wanted()) == MAX_BACKFILLS


def test_a_registry_that_was_made_anew_counts_from_the_beginning(following: Following) -> None:
    registry = following.wiring.registry
    registry.add_event("acme", "order")
    following.tick()
    following.memory.filled["acme"] = {"order": 4}
    registry.pause_event("acme", "order")
    following.tick()
    registry.resume_event("acme", "order")
    following.tick()
    assert following.wanted() == [("acme", "order", 2)]


def test_a_slow_tick_ends_in_time_and_the_next_one_goes_on(following: Following) -> None:
    for customer in ("acme", "tiny"):
        following.wiring.registry.add_event(customer, "order")
    first = following.tick(seconds_per_look=6.0)
    assert (first.added, first.is_cut) == ({"acme": ["order"]}, True)
    second = following.tick(seconds_per_look=3.0)
    assert (second.added, second.is_cut) == ({"tiny": ["order"]}, False)
