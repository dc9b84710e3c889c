"""What is rare and still must not stop a shard, double or lose anything: odd answers, odd objects, floods."""

from __future__ import annotations

import os
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform.batcher import memory_shards
from clickstream_platform.batcher.bounds import BatchBounds, ObjectBounds
from clickstream_platform.batcher.id_arrays import HOUR_MS
from clickstream_platform.batcher.leases import is_readable
from clickstream_platform.batcher.seen_ids import SeenIds
from clickstream_platform.batcher.shard_worker import ShardWorker
from clickstream_platform.batcher.spool import Spool
from clickstream_platform.errors import ObjectStoreUnavailableError
from clickstream_platform.model.object_keys import seal_key
from clickstream_platform_tests.batcher.crashes import Crashed, Crashes
from clickstream_platform_tests.batcher.test_crashes import crashing_world
from clickstream_platform_tests.batcher.world import HOUR, NOW, World, event


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def test_a_batch_is_repeated_as_a_whole_though_kinesis_says_too_early_that_nothing_more_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes = Crashes()
    world = crashing_world(tmp_path, crashes)
    events = [event(n) for n in range(12)]
    for each in events:
        world.put(each, key="one")
    crashes.at = 3  # behind the first object
    with suppress(Crashed):
        world.run(world.worker())
    crashes.at = -1
    assert world.lease().plan is not None
    read = memory_shards.MemoryShards._read

    def emulator(*args: Any) -> Any:
        records, _, is_end, asked_ms = read(*args)
        return records, 0, is_end, asked_ms

    monkeypatch.setattr(memory_shards.MemoryShards, "_read", emulator)
    monkeypatch.setattr(memory_shards, "MAX_RECORDS_PER_READ", 5)
    worker = world.worker()
    for _ in range(10):
        worker.step()
    worker.finish()

    assert world.lines() == Counter(each.line for each in events)
    world.close()


def test_a_merged_shard_waits_also_for_a_parent_that_nobody_has_listed_yet(tmp_path: Path) -> None:
    world = World(tmp_path, shards_at_first=2)
    world.add_leases()
    first, second = (shard.shard_id for shard in world.shards.list_shards())
    _, left = world.shards.split(first)
    right, _ = world.shards.split(second)
    merged = world.shards.merge(left, right)
    for name in (first, left):  # nobody lists the shards meanwhile
        taken = world.table.take(world.lease(name), "me")
        assert taken is not None
        world.workers.append(ShardWorker(taken, world.parts(), lambda: True, tmp_path / name))
        world.run(world.workers[-1])

    leases = {lease.shard_id: lease for lease in world.table.list_leases()}
    assert leases[left].is_finished
    assert not is_readable(leases[merged], leases)
    world.close()


def test_an_event_of_the_last_hour_there_is_is_set_aside(world: World) -> None:
    world.put(event(1))
    world.put(event(2, at=datetime(9999, 12, 31, 23, 30, tzinfo=UTC)))
    world.put(event(3, at=datetime(9999, 12, 31, 22, 30, tzinfo=UTC)))
    world.run_all()
    world.advance(hours=2)
    world.run_all()

    assert seal_key(HOUR, "events.000000000000") in world.seals()
    assert sum(world.lines().values()) == 2
    assert world.metrics.registry.get_sample_value("clickstream_batcher_strays_total") == pytest.approx(1)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"version":1}', b'{"version":1,"streams":[{}]}', b"\xff"])
def test_a_damaged_seal_is_replaced(world: World, data: bytes) -> None:
    world.store.put(seal_key(HOUR, "events.000000000000"), data)
    world.put(event(1))
    world.run_all()
    world.advance(hours=2)
    world.run_all()
    world.check_seals()


def test_objects_beside_the_notes_that_are_none_are_left_alone(world: World) -> None:
    world.store.put("batcher/test/events.000000000000/README.ids", b"not a note")
    world.put(event(1))
    world.run_all()
    world.put(event(1), event(2))
    world.run_all()
    assert sum(world.lines().values()) == 2


def test_a_batch_ends_when_it_has_too_many_objects(tmp_path: Path) -> None:
    world = World(tmp_path, batch=BatchBounds(max_objects=10))
    worker = world.worker()
    for n in range(9):
        world.put(event(n, name=f"event_{n}"))
    world.run(worker, is_finishing=False)
    assert world.lease().batches == 0
    world.put(event(9, name="event_9"))
    world.run(worker, is_finishing=False)
    assert world.lease().batches == 1
    world.close()


def test_large_objects_leave_no_files_while_the_object_store_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream_platform.batcher.spool._LARGE_BYTES", 100)
    world = World(tmp_path, objects=ObjectBounds(max_records=5))
    for n in range(20):
        world.put(event(f"{n}-{os.urandom(40).hex()}"))
    worker = world.worker()
    world.run(worker, is_finishing=False)

    def away(*_: object) -> None:
        raise ObjectStoreUnavailableError("putting")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "put_file", away)
        for _ in range(5):
            with pytest.raises(ObjectStoreUnavailableError):
                worker.complete()
    assert not list((tmp_path / "work").rglob("object-*"))
    worker.complete()
    assert sum(world.lines().values()) == 20
    world.close()


def test_a_disk_that_is_full_is_not_kept_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clickstream_platform.batcher.spool._LARGE_BYTES", 10)
    spool = Spool(tmp_path, ObjectBounds(), 1 << 20)
    spool.add((0, "shop", "seen"), 1, b"x" * 1_000)
    spool.end_record()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("clickstream_platform.batcher.spool.os.fdopen", full)
        with pytest.raises(OSError, match="No space"):
            next(spool.objects())
    assert not list(tmp_path.glob("object-*"))
    spool.close()


def test_writing_many_streams_takes_no_more_memory_than_gathering_them(tmp_path: Path) -> None:
    memory_bytes, spool = 2_000_000, Spool(tmp_path, ObjectBounds(), 2_000_000)
    tracemalloc.start()
    try:
        for _ in range(40):
            for stream in range(400):  # 32 MB of lines that hardly shrink
                spool.add((0, "shop", f"event_{stream}"), 1, os.urandom(1_000).hex().encode())
            spool.end_record()
        for _ in range(2):  # again, as after the object store was away
            assert sum(item.records for item in spool.objects()) == 16_000
        assert tracemalloc.get_traced_memory()[1] < 3 * memory_bytes
    finally:
        tracemalloc.stop()
        spool.close()


def test_a_day_of_ids_keeps_no_files_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - of this process, whatever it has open

    seen, before, when = SeenIds(tmp_path), open_files(), 500_000 * HOUR_MS
    kept = os.urandom(16)
    for _ in range(30):
        seen.begin(when, 24 * 3_600)
        seen.are_new([os.urandom(16) for _ in range(17_000)])
        seen.commit(when)
        when += HOUR_MS // 4
    seen.are_new([kept])
    seen.commit(when)
    assert seen.are_new([kept]) == [False]
    assert len(list(tmp_path.iterdir())) > 20
    assert open_files() <= before
    seen.begin(when + 72 * HOUR_MS, 24 * 3_600)
    assert not list(tmp_path.iterdir())


def test_a_late_event_of_a_sealed_hour_is_in_the_seal_though_its_shard_is_finished(world: World) -> None:
    world.put(event(1))
    world.run_all()
    world.advance(hours=2)
    world.run_all()
    world.put(event(2, at=NOW))
    world.add_leases()
    world.shards.split("shardId-000000000000")
    world.run_all()
    world.advance(hours=2)
    world.run_all()
    world.check_seals()
    assert not any(lease.unsealed for lease in world.table.list_leases() if lease.is_finished)


def test_ids_of_a_day_are_read_a_few_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clickstream_platform.batcher.notes.GROUP_BYTES", 100)
    for n in range(7):
        world.put(event(n))
        world.run_all()
    asked, get_many = list[int](), world.store.get_many

    def counting(keys: Iterable[str]) -> Any:
        asked.append(len(found := list(keys)))
        return get_many(found)

    monkeypatch.setattr(world.store, "get_many", counting)
    world.put(*(event(n) for n in range(8)))
    world.run(world.worker())
    assert asked == [2, 2, 2, 1]
    assert sum(world.lines().values()) == 8
