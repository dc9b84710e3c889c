"""Which hours a back-fill requests, in which chunks, and how far a tick gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count

import pytest

from clickstream_platform.errors import ConfigurationError, ObjectStoreUnavailableError, WarehouseUnavailableError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest, ObjectRef
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline import backfills
from clickstream_platform.pipeline.backfills import MAX_CHUNK_HOURS, BackfillSearch, BackfillTick, Chunk
from clickstream_platform.pipeline.discovery import Discovery
from clickstream_platform.pipeline.registry_memory import Backfill, RegistryMemory
from clickstream_platform.registry.entities import Policy
from clickstream_platform_tests.pipeline.stand_ins import ELEVEN, NINE, TEN, TWELVE, StandInWiring

FIRST = Hour.parse("2026-11-01T00")
ORDER = Stream("acme", "order")


@dataclass
class Search:
    """Ticks of a search, with a ledger to write into."""

    wiring: StandInWiring = field(default_factory=StandInWiring)
    memory: RegistryMemory = field(default_factory=RegistryMemory)
    ledger: dict[tuple[str, str], dict[Hour, str]] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.wiring.registry.add_customer("acme")
        self.memory.backfills.append(Backfill("acme", "order", 2))

    def put(self, hour: Hour, event: str = "order", number: int = 1, size: int = 3) -> ObjectRef:
        ref = self.wiring.put("acme", event, hour, number, data=b"x" * size)
        self.wiring.registry.record_seen("acme", hour, {event: (event, 1)})
        return ref

    def load(self, hour: Hour, *refs: ObjectRef) -> None:
        self.ledger.setdefault(("acme", "order"), {})[hour] = Manifest.freeze(ORDER, hour, refs).digest

    def tick(self, limit: int = 50, seconds_per_look: float = 0.0) -> BackfillTick:
        self.memory = RegistryMemory.from_cursor(self.memory.to_cursor())
        clock = self.wiring.clock
        discovery = Discovery(self.wiring.objects, clock, first_hour=FIRST, lookback_hours=24, grace_minutes=15)
        timer = partial(next, count(step=seconds_per_look or 1e-9))
        search = BackfillSearch(self.wiring.objects, discovery, self._digests, clock, FIRST, 60, limit, timer)
        return search.go_on(self.memory, self.wiring.registry.snapshot())

    def chunks(self, limit: int = 50) -> list[str]:
        return [written(chunk) for chunk in self.tick(limit).chunks]

    def _digests(self, customer: str, event: str) -> Mapping[Hour, str]:
        if event in self.failures:
            raise self.failures[event]
        return self.ledger.get((customer, event), {})


def written(chunk: Chunk) -> str:
    """Return the hours of a chunk as days and hours."""
    return " ".join(str(hour)[8:] for hour in chunk.hours)


@pytest.fixture
def search() -> Search:
    return Search()


def test_hours_with_objects_that_are_not_loaded_become_one_run_over_their_range(search: Search) -> None:
    search.load(NINE, search.put(NINE))
    search.load(NINE.plus(-1), search.put(NINE.plus(-1)))
    search.put(NINE.plus(-1), number=2)  # it arrived after the load
    search.put(TEN)
    search.put(ELEVEN, "click")
    tick = search.tick()
    (chunk,) = tick.chunks
    assert chunk.hours == (NINE.plus(-1), TEN)
    assert (chunk.customer, chunk.event, chunk.size_bytes) == ("acme", "order", 9)
    assert chunk.run_key == f"backfill|acme|order|2|2026-11-22T08|2026-11-22T10|{chunk.digest[:12]}"
    assert not search.memory.backfills
    assert search.memory.is_filled("acme", "order", 2)
    assert search.tick().hours_looked_at == 0


def test_only_the_prefix_of_the_stream_is_listed(search: Search) -> None:
    search.put(NINE)
    search.put(TEN, "click")
    search.wiring.objects.story.clear()
    search.tick()
    assert search.wiring.objects.story == [
        ("list_prefixes", "raw/"),
        ("list_objects", "raw/hour=2026-11-22T09/customer=acme/event=order/"),
        ("list_objects", "raw/hour=2026-11-22T10/customer=acme/event=order/"),
    ]


def test_an_hour_that_must_be_loaded_again_is_requested(search: Search) -> None:
    search.put(NINE)
    search.ledger["acme", "order"] = {NINE: ""}
    assert search.chunks() == ["22T09"]


def test_the_same_objects_have_the_same_run_key_and_others_another(search: Search) -> None:
    search.put(NINE)
    memory = search.memory.to_cursor()
    first = search.tick().chunks[0].run_key
    search.memory = RegistryMemory.from_cursor(memory)
    assert search.tick().chunks[0].run_key == first
    search.put(NINE, number=2)
    search.memory = RegistryMemory.from_cursor(memory)
    assert search.tick().chunks[0].run_key != first


def test_open_hours_are_left_to_the_hours_sensor_and_sealed_ones_are_not(search: Search) -> None:
    search.put(ELEVEN)
    search.put(TWELVE)
    assert search.chunks() == ["22T11"]
    search.memory.backfills.append(Backfill("acme", "order", 3))
    search.wiring.seal(TWELVE)
    assert search.chunks() == ["22T11 22T12"]


def test_the_search_begins_with_the_first_record_within_what_is_kept(search: Search) -> None:
    for hour in (FIRST.plus(-1), FIRST, FIRST.plus(30)):
        search.put(hour)
    assert search.chunks() == ["01T00 02T06"]
    search.wiring.registry.update_customer_policy("acme", Policy(retention_days=20))
    search.memory.backfills.append(Backfill("acme", "order", 3))
    oldest = Hour.of(search.wiring.clock.now() - timedelta(days=20))
    search.put(oldest)
    search.put(oldest.plus(-1))
    assert search.chunks() == [f"{str(oldest)[8:]}"]


def test_records_that_were_not_announced_yet_are_found_in_the_look_back(search: Search) -> None:
    search.wiring.registry.add_event("acme", "order")
    search.wiring.put("acme", "order", NINE)
    assert search.chunks() == ["22T09"]


def test_chunks_are_bounded_by_hours_and_by_bytes(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MAX_CHUNK_HOURS + 2):
        search.put(FIRST.plus(number))
    tick = search.tick()
    assert [len(chunk.hours) for chunk in tick.chunks] == [MAX_CHUNK_HOURS, 2]
    monkeypatch.setattr(backfills, "MAX_CHUNK_BYTES", 10)
    search.memory.backfills.append(Backfill("acme", "order", 3))
    search.put(FIRST, number=2, size=1_000)
    tick = search.tick()
    assert [len(chunk.hours) for chunk in tick.chunks][:3] == [1, 3, 3]


def test_hours_between_that_need_nothing_do_not_split_a_chunk(search: Search) -> None:
    for number in (0, 20, 47, 48):
        search.put(FIRST.plus(number))
    assert search.chunks() == ["01T00 01T20 02T23", "03T00"]


def test_the_limit_of_a_tick_and_the_bound_on_listings_end_it_and_the_next_one_goes_on(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3 * MAX_CHUNK_HOURS):
        search.put(FIRST.plus(number))
    assert search.chunks(limit=1) == [" ".join(str(FIRST.plus(number))[8:] for number in range(MAX_CHUNK_HOURS))]
    assert search.memory.backfills[0].next_hour == FIRST.plus(MAX_CHUNK_HOURS)
    monkeypatch.setattr(backfills, "MAX_HOURS_PER_TICK", 10)
    tick = search.tick()
    assert (tick.hours_looked_at, [len(chunk.hours) for chunk in tick.chunks]) == (10, [10])
    monkeypatch.setattr(backfills, "MAX_HOURS_PER_TICK", 480)
    hours = [hour for _ in range(3) for chunk in search.tick().chunks for hour in chunk.hours]
    assert hours == [FIRST.plus(number) for number in range(MAX_CHUNK_HOURS + 10, 3 * MAX_CHUNK_HOURS)]
    assert not search.memory.backfills


def test_slow_listings_end_a_tick_in_time(search: Search) -> None:
    for number in range(40):
        search.put(FIRST.plus(number))
    found = []
    while search.memory.backfills:
        tick = search.tick(seconds_per_look=1.0)
        assert tick.hours_looked_at < 20
        found += [hour for chunk in tick.chunks for hour in chunk.hours]
    assert found == [FIRST.plus(number) for number in range(40)]


@pytest.mark.parametrize("error", [WarehouseUnavailableError, ConfigurationError])
def test_a_warehouse_that_is_away_or_unusable_lets_its_back_fill_wait(
    search: Search, error: type[WarehouseUnavailableError | ConfigurationError]
) -> None:
    search.memory.backfills.append(Backfill("acme", "click", 2))
    for event in ("order", "click"):
        search.put(NINE, event)
    search.failures["order"] = error("asking the ledger", cause="it is away", remedy="Wait.")
    first = search.tick()
    assert first.problems == {"acme/order": "asking the ledger: it is away. Wait."}
    second = search.tick()
    assert {chunk.event for chunk in first.chunks + second.chunks} == {"click"}
    del search.failures["order"]
    assert search.chunks() == ["22T09"]


def test_a_warehouse_that_is_away_holds_up_its_own_customer_only(search: Search) -> None:
    search.wiring.registry.add_customer("other")
    for number in range(5):
        search.memory.backfills.append(Backfill("acme", f"event_{number}", 2))
        search.failures[f"event_{number}"] = WarehouseUnavailableError("asking", cause="it is away", remedy="Wait.")
    search.failures["order"] = search.failures["event_0"]
    search.memory.backfills.append(Backfill("other", "click", 2))
    tick = search.tick()
    assert [(each.customer, each.event) for each in tick.finished] == [("other", "click")]
    assert len(tick.problems) == 1, "what is away is asked once a tick"


def test_a_store_that_is_away_loses_no_progress(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MAX_CHUNK_HOURS + 5):
        search.put(FIRST.plus(number))
    whole = search.wiring.objects.list_objects

    def list_objects(prefix: str) -> object:
        if f"hour={FIRST.plus(MAX_CHUNK_HOURS + 2)}" in prefix:
            raise ObjectStoreUnavailableError("listing", cause="it is away", remedy="Wait.")
        return whole(prefix)

    monkeypatch.setattr(search.wiring.objects, "list_objects", list_objects)
    first = search.tick()
    assert [len(chunk.hours) for chunk in first.chunks] == [MAX_CHUNK_HOURS]
    assert list(first.problems) == ["acme/order"]
    monkeypatch.undo()
    assert [len(chunk.hours) for chunk in search.tick().chunks] == [5]
    assert not search.memory.backfills
