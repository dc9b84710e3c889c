"""A crash between any two steps: every event is written exactly once, under one name, and seals tell the truth."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clickstream_platform.batcher import memory_shards
from clickstream_platform.batcher.bounds import BatchBounds, ObjectBounds
from clickstream_platform.batcher.leases import LeaseTableUnavailableError
from clickstream_platform_tests.batcher.crashes import Crashed, Crashes, CrashingStore, CrashingTable
from clickstream_platform_tests.batcher.world import NOW, World, event


def crashing_world(folder: Path, crashes: Crashes, **options: object) -> World:
    world = World(folder, **options)  # type: ignore[arg-type]
    world.store = CrashingStore(world.store, crashes)
    world.table = CrashingTable(world.table, crashes)
    return world


def put_story(world: World) -> set[bytes]:
    """Put events of three streams and two hours, with duplicates; return the lines to find."""
    events = [event(n, name=f"event_{n % 3}", at=NOW + timedelta(minutes=10 * (n % 5))) for n in range(12)]
    for index, each in enumerate(events):
        world.put(each, events[index // 2], key="one")
    return {each.line for each in events}


def live(world: World) -> None:
    """Two batches, then all hours are over."""
    world.run_all()
    world.put(event("late", at=NOW - timedelta(hours=1)))
    world.advance(hours=3)
    world.run_all()


def test_a_crash_at_any_step_loses_and_doubles_nothing(tmp_path: Path) -> None:
    def story(name: str, crashes: Crashes) -> None:
        (tmp_path / name).mkdir()
        world = crashing_world(tmp_path / name, crashes, batch=BatchBounds(max_records=8))
        expected = Counter(put_story(world))
        with suppress(Crashed):
            live(world)
        crashes.at = -1
        world.forget_temporary()
        new = event("new", name="event_1")
        world.put(event(0, name="event_0"), new, key="one")  # the repeated batch must not take it in
        live(world)
        late = event("late", at=NOW - timedelta(hours=1)).line
        expected.update([late, new.line])
        assert world.lines() == expected
        world.check_seals()
        assert not world.lease().unsealed
        assert world.lease().plan is None
        world.close()

    probe = Crashes()
    story("probe", probe)
    assert probe.steps > 30
    for at in range(probe.steps):
        crashes = Crashes()
        crashes.at = at
        story(str(at), crashes)


@pytest.mark.parametrize("lost", range(1, 6))
def test_a_checkpoint_whose_answer_is_lost_is_found_out_by_the_same_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    world = World(tmp_path, batch=BatchBounds(max_records=5))
    expected = Counter(put_story(world))
    change, calls = world.table.change, list[int]()

    def losing(*args: Any) -> Any:
        result = change(*args)
        calls.append(1)
        if len(calls) == lost:
            raise LeaseTableUnavailableError("asking the lease table")
        return result

    monkeypatch.setattr(world.table, "change", losing)
    worker = world.worker()
    for _ in range(20):
        try:
            world.run(worker)
            put_story(world)  # all of it once more
        except LeaseTableUnavailableError:
            worker.forget()
    assert len(calls) > lost
    assert world.lines() == expected
    world.close()


@pytest.mark.parametrize("at", range(0, 30, 3))
def test_stopping_while_a_batch_is_repeated_leaves_it_to_be_repeated_as_a_whole(tmp_path: Path, at: int) -> None:
    crashes = Crashes()
    world = crashing_world(tmp_path, crashes, objects=ObjectBounds(max_records=3))
    expected = Counter(put_story(world))
    crashes.at = at
    with suppress(Crashed):
        world.run(world.worker())
    crashes.at = -1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_shards, "MAX_RECORDS_PER_READ", 5)
        worker = world.worker()
        worker.step()  # the first five records only
        worker.finish()
    world.run(world.worker())
    assert world.lines() == expected
    world.close()


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 40), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("run"), st.booleans(), st.just(0), st.just(0)),
        st.tuples(st.just("crash"), st.integers(0, 25), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 90), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions=ACTIONS, records=st.integers(1, 12), per_object=st.integers(1, 4))
def test_any_story_of_puts_runs_crashes_and_pauses_writes_each_event_once(
    actions: list[tuple[str, int, int, int]], records: int, per_object: int
) -> None:
    with TemporaryDirectory() as name:
        crashes = Crashes()
        world = crashing_world(
            Path(name), crashes, batch=BatchBounds(max_records=records), objects=ObjectBounds(max_records=per_object)
        )
        expected: dict[str, bytes] = {}
        worker = world.worker()
        for kind, number, stream, times in actions:
            if kind == "put":
                each = event(number, name=f"event_{stream}", at=world.clock.now())
                world.put(*(each,) * (1 + times), key="one")
                expected.setdefault(each.message_id, each.line)
            elif kind == "wait":
                world.advance(minutes=number)
            else:
                crashes.at = crashes.steps + number if kind == "crash" else -1
                try:
                    world.run(worker, is_finishing=bool(number))
                    worker.seal(world.lease().watermark_ms)
                except Crashed:
                    world.forget_temporary()
                    crashes.at = -1
                    worker = world.worker()
                crashes.at = -1
        world.run(worker)
        world.advance(hours=3)
        world.run_all()
        assert world.lines() == Counter(expected.values())
        world.check_seals()
        world.close()
