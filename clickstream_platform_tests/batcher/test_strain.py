"""Instances under strain: many leases, a database or a machine that stops in the middle, threads that end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clickstream_platform import databases
from clickstream_platform.batcher.consumer import ShardInfo
from clickstream_platform.batcher.instance import Instance
from clickstream_platform.batcher.lease_table import SqlLeaseTable
from clickstream_platform.batcher.leases import LeaseTableUnavailableError
from clickstream_platform.batcher.shard_worker import to_ms
from clickstream_platform.gateways import kinesis_reader
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.kinesis_reader import KinesisReader
from clickstream_platform_tests.batcher.world import HOUR, World, event
from clickstream_platform_tests.kinesis_server import create_kinesis_stream, kinesis_client
from clickstream_platform_tests.servers import CREDENTIALS

BEHIND = "clickstream_batcher_behind_seconds"


class Watched:
    """A lease table that counts what it is asked, and lets time pass with each taking."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.asked, self.now, self.seconds_to_take = inner, list[str](), 0.0, 0.0

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        if name == "take":
            self.now += self.seconds_to_take
        return getattr(self._inner, name)


def wait_until_gathered(instance: Instance) -> None:
    """Wait until a worker holds a batch."""
    deadline = time.monotonic() + 20
    while not any(each.worker._batch for each in instance._held.values()):
        assert time.monotonic() < deadline, "nothing was read"
        time.sleep(0.01)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, shards_at_first=12)
    made.table.close()
    made.table = SqlLeaseTable(f"sqlite:///{tmp_path / 'leases.db'}", "test")  # for several threads
    yield made
    made.close()


def test_a_round_renews_all_leases_with_one_question(world: World) -> None:
    table = Watched(world.table)
    instance = Instance(replace(world.parts(), table=table), "me")
    instance.keep_house()
    instance.tick()
    before = {lease.shard_id: lease.counter for lease in world.table.list_leases()}
    table.asked.clear()
    instance.tick()
    assert table.asked.count("renew") == 1
    after = {lease.shard_id: lease.counter for lease in world.table.list_leases()}
    assert after == {shard: counter + 1 for shard, counter in before.items()}
    instance.shut_down()
    assert {lease.owner for lease in world.table.list_leases()} == {None}


def test_taking_many_leases_never_keeps_those_that_are_held_from_being_renewed(world: World) -> None:
    table = Watched(world.table)
    table.seconds_to_take = world.config.failover_seconds / 10
    instance = Instance(replace(world.parts(), table=table), "me", lambda: table.now)
    instance.keep_house()
    for held in (3, 6, 9, 12, 12):
        began = table.now
        instance.tick()
        assert len(instance._held) == held
        assert table.now - began < world.config.failover_seconds / 2
    assert not any(each.is_lost for each in instance._held.values())
    instance.shut_down()


def test_a_lease_that_is_anothers_is_dropped_and_the_rest_is_renewed(world: World) -> None:
    instance = Instance(world.parts(), "me")
    instance.keep_house()
    instance.tick()
    stolen = world.table.list_leases()[3]
    assert world.table.take(stolen, "other") is not None
    instance.tick()
    assert set(instance._held) == {lease.shard_id for lease in world.table.list_leases() if lease.owner == "me"}
    assert len(instance._held) == 11
    instance.shut_down()


def test_a_machine_that_stops_within_a_transaction_holds_nobody_up(
    postgresql_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_LIMITS", databases._LIMITS.replace("15s", "1500ms").replace("5s", "300ms"))
    url = f"postgresql+psycopg2://postgres@/postgres?host={postgresql_server}"
    stopped, other = SqlLeaseTable(url, "stops"), SqlLeaseTable(url, "stops")
    other.add([ShardInfo("s0")], HOUR)
    mine = stopped.take(stopped.list_leases()[0], "stopped")
    assert mine is not None
    connection = stopped._engine.connect()
    connection.execute(sa.text("UPDATE batcher_leases SET counter = counter + 1 WHERE application = 'stops'"))
    try:  # no commit, no goodbye: the server still sees an open connection
        with pytest.raises(LeaseTableUnavailableError, match="lock timeout"):
            other.take(mine, "other")
        deadline, taken = time.monotonic() + 20, None
        while taken is None and time.monotonic() < deadline:
            try:
                taken = other.take(mine, "other")
            except LeaseTableUnavailableError:
                time.sleep(0.1)
        assert taken is not None
    finally:
        connection.invalidate()
        connection.close()
        with other._engine.begin() as cleaning:
            cleaning.execute(sa.text("DELETE FROM batcher_leases WHERE application = 'stops'"))
        stopped.close()
        other.close()


def test_a_database_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg2://me@127.0.0.1:{silent.getsockname()[1]}/leases?sslmode=disable&gssencmode=disable"
        started = time.monotonic()
        with pytest.raises(LeaseTableUnavailableError, match="timeout"):
            SqlLeaseTable(url, "test")
        assert time.monotonic() - started < 15


def test_how_far_behind_grows_while_a_shard_is_not_read_and_while_the_leases_cannot_be_asked(world: World) -> None:
    instance = Instance(world.parts(), "me")
    world.advance(minutes=10)
    assert world.metrics.registry.get_sample_value(BEHIND) == pytest.approx(600)
    instance.keep_house()
    instance.tick()
    deadline = time.monotonic() + 20
    while world.metrics.registry.get_sample_value(BEHIND) and time.monotonic() < deadline:
        time.sleep(0.05)
        instance.tick()
    assert world.metrics.registry.get_sample_value(BEHIND) == pytest.approx(0)
    instance.shut_down()
    world.advance(minutes=5)
    assert world.metrics.registry.get_sample_value(BEHIND) == pytest.approx(300)


def test_housekeeping_that_ended_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def broken() -> None:
        raise KeyError

    monkeypatch.setattr(world.shards, "list_shards", broken)
    instance, stop = Instance(world.parts(), "me"), threading.Event()
    thread = threading.Thread(target=instance.run, args=(stop,))
    thread.start()
    deadline = time.monotonic() + 20
    while not instance.find_stuck() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert instance.find_stuck() == "housekeeping ended"
    stop.set()
    thread.join(20)
    assert instance.find_stuck() == ""


def test_a_worker_that_dies_is_counted_and_its_shard_taken_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    instance = Instance(world.parts(), "me")

    def broken(*_: object) -> None:
        raise KeyError

    with monkeypatch.context() as patch:
        patch.setattr(world.shards, "open", broken)
        instance.keep_house()
        instance.tick()
        for each in list(instance._held.values()):
            assert each.thread is not None
            each.thread.join(20)
    world.put(event(1))
    instance.tick()
    assert len(instance._held) == 12
    died = ("clickstream_batcher_failures_total", {"kind": "died"})
    assert world.metrics.registry.get_sample_value(*died) == pytest.approx(12)
    wait_until_gathered(instance)
    instance.shut_down()
    assert sum(world.lines().values()) == 1


def test_an_answer_that_is_full_says_that_more_may_come(kinesis_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(kinesis_reader, "MAX_RECORDS_PER_READ", 3)
    stream, client = create_kinesis_stream(kinesis_endpoint), kinesis_client(kinesis_endpoint)
    for n in range(5):
        client.put_record(StreamName=stream, PartitionKey="key", Data=b"%d" % n)
    region = CREDENTIALS["AWS_DEFAULT_REGION"]
    reader = KinesisReader(stream, endpoint_url=kinesis_endpoint, region=region, pause_seconds=0.0)
    cursor = reader.open(reader.list_shards()[0].shard_id, "")
    first, second = cursor.read(), cursor.read()
    assert (len(first.records), first.behind_ms > 0) == (3, True)
    assert (len(second.records), second.behind_ms) == (2, 0)


def test_a_clock_that_is_ahead_vouches_for_nothing_that_is_to_come(
    kinesis_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    stream, now, region = create_kinesis_stream(kinesis_endpoint), datetime.now(UTC), CREDENTIALS["AWS_DEFAULT_REGION"]
    for ahead, expected in ((timedelta(days=3), now), (timedelta(hours=-1), now - timedelta(hours=1))):
        clock = FixedClock(now + ahead)
        reader = KinesisReader(stream, endpoint_url=kinesis_endpoint, region=region, clock=clock, pause_seconds=0.0)
        read = reader.open(reader.list_shards()[0].shard_id, "").read()
        assert abs(read.asked_ms - to_ms(expected)) < 30_000


def test_a_batch_of_many_objects_on_a_slow_store_is_not_taken_for_a_thread_that_is_stuck(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream_platform.batcher.writing.GROUP_OBJECTS", 5)
    now, stuck = [0.0], list[str]()
    world.config = replace(world.config, failover_seconds=1e9)
    instance = Instance(world.parts(), "me", lambda: now[0])
    put_many = world.store.put_many

    def slow(items: Any) -> Any:
        now[0] += 500.0
        instance._tried_at = now[0]
        stuck.append(instance.find_stuck())
        return put_many(items)

    monkeypatch.setattr(world.store, "put_many", slow)
    instance.keep_house()
    world.put(*(event(n, name=f"event_{n}") for n in range(20)), key="one")
    instance.tick()
    wait_until_gathered(instance)
    instance.shut_down()
    assert len(world.lines()) == 20
    # The other shards' threads do nothing for as long; theirs is the shard of the key.
    busy = next(lease.shard_id for lease in world.table.list_leases() if lease.batches)
    assert len(stuck) == 5
    assert not any(busy in each for each in stuck)
