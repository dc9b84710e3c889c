"""One shard, without crashes: what is written, de-duplicated, sealed and sealed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform.batcher.bounds import BatchBounds, ObjectBounds
from clickstream_platform.batcher.consumer import ShardsUnavailableError
from clickstream_platform.batcher.leases import LeaseLostError, common_watermark_ms
from clickstream_platform.errors import ObjectStoreUnavailableError
from clickstream_platform.model.kinesis_records import encode_event
from clickstream_platform.model.object_keys import seal_key
from clickstream_platform.model.streams import Stream
from clickstream_platform_tests.batcher.world import HOUR, NOW, World, event


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def new(**options: Any) -> World:
        worlds.append(World(tmp_path, **options))
        return worlds[-1]

    yield new
    for each in worlds:
        each.close()


def test_events_are_written_by_stream_hour_in_their_order_under_names_of_the_layout(world: World) -> None:
    events = [event(n, name="seen" if n % 2 else "bought") for n in range(10)]
    sequences = [world.shards.put(each.message_id, encode_event(each))[1] for each in events]

    world.run(world.worker())

    keys = {key.stream.event: key for key in world.raw()}
    assert keys["bought"].shard == "events.000000000000"
    assert (keys["bought"].first, keys["bought"].last) == (f"{sequences[0]:056d}", f"{sequences[8]:056d}")
    assert {key.hour for key in keys.values()} == {HOUR}
    assert world.raw()[keys["bought"]] == [each.line for each in events[::2]]
    assert world.raw()[keys["seen"]] == [each.line for each in events[1::2]]


def test_the_hour_is_that_of_arrival_at_the_collector(world: World) -> None:
    world.put(event(1, at=NOW - timedelta(hours=2)), event(2))

    world.run(world.worker())

    assert sorted(str(key.hour) for key in world.raw()) == ["2026-11-22T07", "2026-11-22T09"]


def test_duplicates_are_removed_within_a_batch_across_batches_and_after_a_restart(world: World) -> None:
    world.put(event(1), event(2), event(1))
    worker = world.worker()
    world.run(worker)
    world.put(event(2), event(3))
    world.run(worker)
    world.forget_temporary()
    world.put(event(1), event(3), event(4))
    world.run(world.worker())

    assert world.lines() == Counter(event(n).line for n in (1, 2, 3, 4))
    assert world.metrics.registry.get_sample_value(
        "clickstream_batcher_records_total", {"outcome": "duplicate"}
    ) == pytest.approx(4)


def test_the_same_id_of_another_customer_is_no_duplicate_nor_is_one_that_was_only_rejected(world: World) -> None:
    events = [event(1, customer="a1"), event(1, customer="b1"), event(1, customer="c1", name="_unidentified")]
    events.append(event(1, customer="c1"))
    world.put(*events)

    world.run(world.worker())

    assert world.lines() == Counter(each.line for each in events)


@pytest.mark.parametrize(("hours", "is_written_again"), [(23, False), (26, True)])
def test_an_id_is_a_duplicate_within_the_window_only(world: World, hours: int, is_written_again: bool) -> None:
    world.put(event(1))
    world.run(world.worker())
    world.advance(hours=hours)
    world.put(event(1, at=world.clock.now()))
    world.run(world.worker())

    assert sum(world.lines().values()) == (2 if is_written_again else 1)


def test_a_stream_is_cut_into_objects_by_bytes_and_by_records(make: Callable[..., World]) -> None:
    world = make(objects=ObjectBounds(max_bytes=1_000_000, max_records=10))
    for n in range(25):
        world.put(event(n), event(f"large-{n}", name="large", size=200_000))

    world.run(world.worker())

    sizes = {name: [] for name in ("order_completed", "large")}  # type: dict[str, list[int]]
    for key, lines in sorted(world.raw().items()):
        sizes[key.stream.event].append(len(lines))
    assert sizes == {"order_completed": [10, 10, 5], "large": [5, 5, 5, 5, 5]}
    assert sum(world.lines().values()) == 50


def test_an_object_never_ends_inside_a_kinesis_record(make: Callable[..., World]) -> None:
    world = make(objects=ObjectBounds(max_records=2))
    world.put(*(event(n) for n in range(7)))
    world.put(*(event(n) for n in range(7, 9)))

    world.run(world.worker())

    assert sorted(len(lines) for lines in world.raw().values()) == [2, 7]


def test_a_batch_ends_by_records_and_by_age(make: Callable[..., World]) -> None:
    world = make(batch=BatchBounds(max_records=3, max_age_seconds=60))
    worker = world.worker()
    for n in range(3):
        world.put(event(n))
    world.run(worker, is_finishing=False)
    assert world.lease().batches == 1

    world.put(event(3))
    world.run(worker, is_finishing=False)
    assert world.lease().batches == 1
    world.advance(seconds=61)
    world.run(worker, is_finishing=False)
    assert world.lease().batches == 2
    assert sum(world.lines().values()) == 4


def test_a_batch_ends_when_its_hour_can_be_sealed(make: Callable[..., World]) -> None:
    world = make(batch=BatchBounds(max_age_seconds=7_200))
    world.put(event(1))
    worker = world.worker()
    world.run(worker, is_finishing=False)
    world.advance(minutes=31)
    world.run(worker, is_finishing=False)
    assert world.lease().batches == 0
    world.advance(minutes=2)
    world.run(worker, is_finishing=False)
    assert world.lease().batches == 1


def test_an_hour_is_sealed_after_its_grace_and_so_is_an_empty_one(world: World) -> None:
    world.put(event(1), event(2, name="注文完了"))
    world.run_all()
    assert not world.seals()

    world.advance(hours=2)
    world.run_all()

    seals = world.seals()
    assert list(seals) == [seal_key(HOUR, "events.000000000000"), seal_key(HOUR.plus(1), "events.000000000000")]
    assert set(seals[seal_key(HOUR, "events.000000000000")].streams) == {
        Stream("shop", "order_completed"),
        Stream("shop", "注文完了"),
    }
    assert seals[seal_key(HOUR.plus(1), "events.000000000000")].streams == {}
    world.check_seals()
    assert world.lease().sealed_through == HOUR.plus(1)


def test_a_late_record_seals_its_hour_again_with_all_objects(world: World) -> None:
    world.put(event(1))
    world.run_all()
    world.advance(hours=1)
    world.run_all()
    before = world.store.head(seal_key(HOUR, "events.000000000000")).etag

    world.put(event(2, at=NOW))
    world.run_all()

    assert world.store.head(seal_key(HOUR, "events.000000000000")).etag != before
    world.check_seals()
    assert not world.lease().unsealed


def test_nothing_is_sealed_while_another_shard_is_behind(make: Callable[..., World]) -> None:
    world = make(shards_at_first=2)
    world.add_leases()
    for n in range(20):
        world.put(event(n))
    world.advance(hours=2)
    first = world.worker("shardId-000000000000")
    world.run(first)
    assert first.seal(common_watermark_ms(world.table.list_leases())) == 0
    world.run_all()
    assert len(world.seals()) == 4
    world.check_seals()


def test_an_owner_without_lease_writes_nothing(world: World) -> None:
    world.put(event(1))
    zombie = world.worker()
    world.run(zombie, is_finishing=False)
    successor = world.worker()
    with pytest.raises(LeaseLostError):
        zombie.complete()
    assert not world.raw()

    world.run(successor)
    assert sum(world.lines().values()) == 1
    with pytest.raises(LeaseLostError):
        zombie.seal(2_000_000_000_000)
    assert not world.seals()


def test_kinesis_records_without_events_are_set_aside_and_stop_nothing(world: World) -> None:
    world.shards.put("k", b"\xffnot an event")
    world.shards.put("k", b'{"v":1,"c":"Not a slug!","e":"x","t":1,"m":"1"}\n{}\n')
    world.put(event(1))

    world.run(world.worker())

    assert sum(world.lines().values()) == 1
    strays = list(world.store.list_objects("batcher/test/strays/"))
    assert len(strays) == 1
    assert world.metrics.registry.get_sample_value("clickstream_batcher_strays_total") == pytest.approx(2)


def test_replaying_from_a_moment_writes_nothing_twice(world: World) -> None:
    for n in range(5):
        world.put(event(n))
        world.advance(minutes=1)
    world.run_all()
    before = world.raw()

    assert world.table.rewind("shardId-000000000000", int((NOW - timedelta(hours=1)).timestamp() * 1_000))
    assert world.lease().position.startswith("@")
    world.run_all()

    assert world.raw() == before
    assert not world.lease().position.startswith("@")


def test_what_was_gathered_is_kept_while_kinesis_throttles_and_while_objects_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, opened = world.worker(), list[str]()
    open_shard = world.shards.open

    def opening(shard_id: str, position: str) -> object:
        opened.append(position)
        return open_shard(shard_id, position)

    monkeypatch.setattr(world.shards, "open", opening)
    world.put(event(1))
    world.run(worker, is_finishing=False)
    world.shards.fail_next(ShardsUnavailableError("reading"))
    assert worker.step() > 0
    world.put(event(2))
    world.run(worker, is_finishing=False)
    world.advance(hours=1)
    world.store.fail_next("put", ObjectStoreUnavailableError("putting"))
    with pytest.raises(ObjectStoreUnavailableError):
        worker.step()
    assert world.lease().plan is not None
    world.run(worker)
    assert opened == [""], "nothing was read twice"
    assert world.lines() == Counter(event(n).line for n in (1, 2))
    assert world.lease().batches == 1


def test_a_batch_that_is_due_is_written_while_kinesis_is_away(world: World) -> None:
    worker = world.worker()
    world.put(event(1))
    world.run(worker, is_finishing=False)
    world.advance(minutes=10)
    world.shards.fail_next(ShardsUnavailableError("reading"))
    worker.step()
    assert sum(world.lines().values()) == 1
