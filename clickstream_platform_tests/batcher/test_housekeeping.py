"""Notes that nobody needs any more, shards that Kinesis forgot, names, and the commands' wiring."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from clickstream_platform.batcher.consumer import ShardGoneError, ShardInfo
from clickstream_platform.batcher.instance import Instance
from clickstream_platform.batcher.lease_table import SqlLeaseTable
from clickstream_platform.batcher.names import check_application, sequence_name, shard_name
from clickstream_platform.batcher.replaying import rewind
from clickstream_platform.batcher.shard_worker import to_ms
from clickstream_platform.cli import app
from clickstream_platform.errors import ConfigurationError, ObjectStoreUnavailableError
from clickstream_platform.gateways.object_store import ObjectInfo
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream
from clickstream_platform_tests.batcher.world import HOUR, NOW, World, event

STREAM_NAMES = st.text("ab1_.-", min_size=1, max_size=8)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@given(STREAM_NAMES, STREAM_NAMES, st.integers(0, 10**12 - 1), st.integers(0, 10**60))
def test_shards_have_names_of_the_layout_and_no_two_streams_share_one(
    first: str, second: str, number: int, sequence: int
) -> None:
    shard = shard_name(first, f"shardId-{number:012d}")
    key = RawObjectKey(HOUR, Stream("shop", "seen"), shard, sequence_name(sequence), sequence_name(sequence + 1))
    assert RawObjectKey.parse(str(key)) == key
    assert (shard == shard_name(second, f"shardId-{number:012d}")) == (first == second)


@pytest.mark.parametrize("name", ["", "a/b", "..", "ä", "x" * 129])
def test_an_application_that_is_no_part_of_a_key_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="application"):
        check_application(name)


def test_notes_are_removed_after_the_window_but_not_those_that_a_seal_needs(world: World) -> None:
    world.table.close()
    world.table = SqlLeaseTable(f"sqlite:///{world.folder / 'leases.db'}", "test")  # for several threads
    world.put(event(1), event("future", at=NOW + timedelta(days=10)))
    world.run_all()
    world.put(event(2))
    world.run_all()
    world.advance(hours=55)
    world.put(event(3, at=world.clock.now()))
    world.run_all()
    instance = Instance(world.parts(), "me")
    instance.tick()
    try:
        instance.keep_house()
        numbers = sorted({info.key.rpartition("/")[2][:12] for info in world.store.list_objects("batcher/")})
        assert numbers == ["000000000001", "000000000003"]
    finally:
        instance.shut_down()


def test_where_nobody_may_delete_notes_stay_and_it_is_no_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(key: str) -> None:
        raise ConfigurationError(f"cannot delete {key!r} in S3", cause="access is denied", remedy="Grant it.")

    world.table.close()
    world.table = SqlLeaseTable(f"sqlite:///{world.folder / 'leases.db'}", "test")  # for several threads
    world.put(event(1))
    world.run_all()
    world.advance(hours=55)
    world.put(event(2, at=world.clock.now()))
    world.run_all()
    before = [info.key for info in world.store.list_objects("batcher/")]
    monkeypatch.setattr(world.store, "delete", refuse)
    instance = Instance(world.parts(), "me")
    instance.tick()
    try:
        instance.keep_house()
        assert [info.key for info in world.store.list_objects("batcher/")] == before
    finally:
        instance.shut_down()


def test_children_of_a_shard_that_kinesis_forgot_are_read_and_the_loss_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_leases()
    first, second = world.shards.split("shardId-000000000000")
    monkeypatch.setattr(world.shards, "list_shards", lambda: [ShardInfo(first), ShardInfo(second)])
    parent = world.worker()

    def gone(*_: object) -> None:
        raise ShardGoneError("reading")

    with monkeypatch.context() as patch:
        patch.setattr(world.shards, "open", gone)
        parent.step()
    assert world.lease().is_finished
    world.put(event(1))
    world.run_all()
    assert sum(world.lines().values()) == 1
    assert world.metrics.registry.get_sample_value("clickstream_batcher_forgotten_shards_total") == pytest.approx(1)


def test_a_shard_that_kinesis_lists_but_does_not_give_is_an_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = world.worker()

    def gone(*_: object) -> None:
        raise ShardGoneError("reading")

    monkeypatch.setattr(world.shards, "open", gone)
    with pytest.raises(ShardGoneError):
        worker.step()
    assert not world.lease().is_finished


def test_an_object_that_reads_back_differently_moves_no_checkpoint(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(event(1))
    worker = world.worker()
    head_many = world.store.head_many

    def other(keys: list[str]) -> list[ObjectInfo]:
        return [ObjectInfo(info.key, info.size, "other", info.modified) for info in head_many(keys)]

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "head_many", other)
        with pytest.raises(ObjectStoreUnavailableError, match="verifying a raw object"):
            world.run(worker)
    assert world.lease().position == ""
    worker.forget()
    world.run(worker)
    assert world.lease().batches == 1
    assert sum(world.lines().values()) == 1


def test_replaying_is_for_the_time_in_which_ids_are_known(world: World) -> None:
    for moment in (NOW - timedelta(hours=25), NOW + timedelta(seconds=1)):
        with pytest.raises(ConfigurationError, match="last 1 day"):
            rewind(world.table, moment, NOW)


def test_a_replay_removes_what_was_a_duplicate_of_something_older_too(world: World) -> None:
    world.put(event(1))
    world.run_all()
    world.advance(hours=20)
    world.put(event(1, at=world.clock.now()), event(2, at=world.clock.now()))
    world.run_all()
    world.advance(hours=23)
    instance = Instance(world.parts(), "me")
    instance._common_watermark_ms = to_ms(world.clock.now())
    instance.keep_house()
    before = world.raw()
    rewind(world.table, NOW + timedelta(hours=19, minutes=30), world.clock.now())
    world.forget_temporary()
    world.run_all()
    assert world.raw() == before
    assert sum(world.lines().values()) == 2


def test_an_instance_tells_when_it_goes_no_further(world: World) -> None:
    now = 0.0
    table = SqlLeaseTable(f"sqlite:///{world.folder / 'leases.db'}", "test")  # one in memory belongs to one thread
    instance = Instance(replace(world.parts(), table=table), "me", lambda: now)
    assert "lease table" in instance.find_unready()
    stop = threading.Event()
    thread = threading.Thread(target=instance.run, args=(stop,))
    thread.start()
    deadline = time.monotonic() + 20
    while instance.find_unready() and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    thread.join(20)
    assert (instance.find_unready(), instance.find_stuck()) == ("", "")
    now = 100.0
    assert (instance.find_unready() != "", instance.find_stuck()) == (True, "")
    now = 1_000.0
    assert instance.find_stuck() == "no round for 1000 s"
    table.close()


@pytest.fixture
def leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlLeaseTable]:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("CLICKSTREAM_KINESIS_STREAM", "events")
    table = SqlLeaseTable(f"sqlite:///{tmp_path / 'batcher.db'}", "events")
    yield table
    table.close()


def test_the_replay_command_moves_all_shards_back(leases: SqlLeaseTable) -> None:
    leases.add([ShardInfo("shardId-000000000000")], Hour.of(NOW))
    result = CliRunner().invoke(app, ["replay", "--from-kinesis", "2001-01-01", "--json"])
    assert result.exit_code == 1
    assert "not within the last" in result.output
    recent = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    result = CliRunner().invoke(app, ["replay", "--from-kinesis", recent, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["shards"] == ["shardId-000000000000"]
    assert leases.list_leases()[0].position == "", "nothing was read: all of it is going to be"


def test_the_shards_command_tells_how_far_each_shard_is(leases: SqlLeaseTable) -> None:
    leases.add([ShardInfo("shardId-000000000000"), ShardInfo("shardId-000000000001", ("x",))], Hour.of(NOW))
    lease = leases.take(leases.list_leases()[0], "me")
    assert lease is not None
    leases.change(lease, replace(lease, position="77", watermark_ms=to_ms(NOW), batches=3, unsealed={HOUR: (3,)}))
    first, second = json.loads(CliRunner().invoke(app, ["shards", "--json"]).output)
    assert (first["owner"], first["position"], first["batches"], first["is_writing"]) == ("me", "77", 3, False)
    assert (first["written_until"], first["unsealed_hours"]) == (NOW.isoformat(), [str(HOUR)])
    assert (second["owner"], second["position"], second["parents"]) == (None, "oldest", ["x"])
    shown = CliRunner().invoke(app, ["shards"]).output
    assert "2026-11-22 09:30:00Z" in shown
    assert "2026-11-22T09" in shown


@pytest.mark.usefixtures("leases")
def test_the_command_refuses_a_wrong_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_BATCHER_APPLICATION", "a/b")
    result = CliRunner().invoke(app, ["batcher"])
    assert result.exit_code == 1
    assert "naming the batcher's application" in result.output
