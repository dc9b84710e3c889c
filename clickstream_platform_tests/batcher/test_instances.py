"""Several instances on one Kinesis stream that is split and merged under load; one of them is cut off for a while."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform.batcher.bounds import BatchBounds
from clickstream_platform.batcher.instance import Instance
from clickstream_platform.batcher.lease_table import SqlLeaseTable
from clickstream_platform.batcher.leases import LeaseTableUnavailableError
from clickstream_platform.batcher.shard_worker import Parts
from clickstream_platform.errors import ObjectStoreUnavailableError
from clickstream_platform_tests.batcher.world import HOUR, NOW, World, event

PATIENCE_SECONDS = 60.0


class Cut:
    """Passes everything on until the connection is cut; then every call fails."""

    def __init__(self, inner: Any, error: Exception) -> None:
        self._inner, self._error, self.is_cut = inner, error, False

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            if self.is_cut:
                raise self._error
            return getattr(self._inner, name)(*args, **options)

        return call


class Fleet:
    """Instances as threads of this process, with connections of their own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.running: dict[str, tuple[threading.Thread, threading.Event]] = {}
        self.cuts: dict[str, list[Cut]] = {}
        url = f"sqlite:///{world.folder / 'leases.db'}"
        self.table = SqlLeaseTable(url, "test")
        self._url = url

    def start(self, name: str) -> None:
        cuts = [
            Cut(SqlLeaseTable(self._url, "test"), LeaseTableUnavailableError("asking")),
            Cut(self.world.store, ObjectStoreUnavailableError("asking")),
        ]
        world = self.world
        parts = Parts(world.config, world.shards, cuts[0], cuts[1], world.clock, world.metrics)
        stop = threading.Event()
        thread = threading.Thread(target=Instance(parts, name).run, args=(stop,), name=name)
        self.running[name], self.cuts[name] = (thread, stop), cuts
        thread.start()

    def stop(self, name: str) -> None:
        thread, stop = self.running.pop(name)
        stop.set()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
        self.cuts[name][0].close()

    def owners(self) -> Counter[str | None]:
        return Counter(lease.owner for lease in self.table.list_leases() if not lease.is_finished)

    def close(self) -> None:
        for name in list(self.running):
            with suppress(AssertionError):
                self.stop(name)
        self.table.close()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


def test_events_are_written_once_through_splits_merges_a_cut_off_instance_and_take_overs(tmp_path: Path) -> None:
    options = {"failover_seconds": 1.0, "poll_seconds": 0.01, "sync_seconds": 0.2}
    world = World(tmp_path, shards_at_first=2, batch=BatchBounds(max_records=40), options=options)
    fleet, expected = Fleet(world), Counter[bytes]()

    def put(first: int, count: int) -> None:
        for n in range(first, first + count):
            each = event(n, name=f"event_{n % 7}", at=NOW + timedelta(minutes=n % 50))
            world.put(each)
            if n % 5 == 0:
                world.put(each)
            if n % 4 == 0 and n >= 300:  # of long ago, perhaps from a shard that is closed by now
                old = n - 300
                world.put(event(old, name=f"event_{old % 7}", at=NOW + timedelta(minutes=n % 50)))
            expected[each.line] += 1

    try:
        put(0, 300)
        fleet.start("one")
        wait_for(lambda: fleet.owners() == {"one": 2}, "taking all leases")
        fleet.start("two")
        wait_for(lambda: fleet.owners() == {"one": 1, "two": 1}, "sharing the leases")
        put(300, 300)
        left, right = world.shards.split("shardId-000000000000")
        put(600, 300)
        for cut in fleet.cuts["one"]:
            cut.is_cut = True
        world.shards.merge(left, right)
        put(900, 300)
        wait_for(lambda: set(fleet.owners()) == {"two"}, "taking over")
        for cut in fleet.cuts["one"]:
            cut.is_cut = False
        put(1_200, 100)
        world.advance(hours=4)
        wait_for(lambda: fleet.owners() == {"one": 1, "two": 1}, "coming back")
        wait_for(lambda: world.lines() == expected, "writing everything")
        # The last batches are written because their hour is over; then nothing is left to seal.
        wait_for(lambda: not any(lease.unsealed for lease in fleet.table.list_leases()), "sealing")
        fleet.stop("one")
        fleet.stop("two")
        assert world.lines() == expected
        world.check_seals()
        assert {seal.hour for seal in world.seals().values()} >= {HOUR, HOUR.plus(1), HOUR.plus(2)}
        assert set(fleet.owners()) == {None}
        assert sum(lease.is_finished for lease in fleet.table.list_leases()) == 3
    finally:
        fleet.close()
        world.close()


def test_an_instance_that_is_stopped_writes_what_it_gathered_and_gives_its_leases_back(tmp_path: Path) -> None:
    world = World(tmp_path, options={"failover_seconds": 5.0, "poll_seconds": 0.01})
    fleet = Fleet(world)
    try:
        world.put(event(1))
        fleet.start("one")
        wait_for(lambda: fleet.owners() == {"one": 1}, "taking the lease")
        wait_for((world.folder / "work").is_dir, "reading")
        time.sleep(0.2)
        fleet.stop("one")
        assert sum(world.lines().values()) == 1
        assert fleet.owners() == {None: 1}
        assert not any((world.folder / "work").iterdir())
    finally:
        fleet.close()
        world.close()


def test_a_lease_that_could_not_be_given_back_is_taken_again_by_the_same_instance(tmp_path: Path) -> None:
    world = World(tmp_path, options={"failover_seconds": 60.0, "poll_seconds": 0.01})
    table = SqlLeaseTable(f"sqlite:///{tmp_path / 'leases.db'}", "test")
    cut = Cut(table, LeaseTableUnavailableError("asking"))
    instance = Instance(Parts(world.config, world.shards, cut, world.store, world.clock, world.metrics), "one")
    try:
        instance.keep_house()
        instance.tick()
        held = instance._held["shardId-000000000000"]
        held.is_lost = True  # it was not renewed in time, so the worker stops
        held.stop.set()
        assert held.thread is not None
        held.thread.join()
        cut.is_cut = True
        with pytest.raises(LeaseTableUnavailableError):
            instance.tick()
        assert table.list_leases()[0].owner == "one"
        cut.is_cut = False
        instance.tick()
        assert instance._held["shardId-000000000000"].worker.lease.fence == 2
        assert table.list_leases()[0].fence == 2
    finally:
        instance.shut_down()
        table.close()
        world.close()


def test_an_hour_that_cannot_be_sealed_stops_nobody_from_reading_on(tmp_path: Path) -> None:
    options = {"failover_seconds": 5.0, "poll_seconds": 0.01}
    world = World(tmp_path, batch=BatchBounds(max_records=2), options=options)
    fleet = Fleet(world)
    try:
        fleet.start("one")
        world.put(event(1), event(2))
        wait_for(lambda: fleet.table.list_leases()[:1] != [] and fleet.table.list_leases()[0].batches == 1, "writing")
        world.store.put("batcher/test/events.000000000000/000000000001.objects.json", b"damaged")
        world.advance(hours=2)
        world.put(event(3), event(4))
        wait_for(lambda: sum(world.lines().values()) == 4, "writing on")
        failed = ("clickstream_batcher_failures_total", {"kind": "sealing"})
        wait_for(lambda: bool(world.metrics.registry.get_sample_value(*failed)), "failing to seal")
        assert not world.seals()
    finally:
        fleet.close()
        world.close()
