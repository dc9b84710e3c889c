"""An owner that stops at any step, loses its lease to a successor that goes on, and wakes up: it spoils nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from clickstream_platform.batcher.bounds import BatchBounds
from clickstream_platform.batcher.leases import LeaseLostError, common_watermark_ms
from clickstream_platform.batcher.shard_worker import ShardWorker
from clickstream_platform.errors import ObjectChangedError
from clickstream_platform_tests.batcher.crashes import Crashes, CrashingStore
from clickstream_platform_tests.batcher.test_crashes import put_story
from clickstream_platform_tests.batcher.world import NOW, World, event


class Pauses(Crashes):
    """Does something else at one of the steps, and goes on."""

    def __init__(self, at: int, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self._pause_at, self._meanwhile = at, meanwhile

    def point(self) -> None:
        self.steps += 1
        if self.steps - 1 == self._pause_at:
            self._meanwhile()


class PausingStore(CrashingStore):
    """Pauses between a reading and what is made of it, too."""

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        found = list(self.inner.get_many(keys))
        self._crashes.point()
        return iter(found)


def work_and_seal(world: World, worker: ShardWorker) -> None:
    world.run(worker)
    worker.seal(common_watermark_ms(world.table.list_leases()))


def live_with_zombie(folder: Path, at: int) -> int:
    """Let the owner stop at a step; return how many steps there were."""
    folder.mkdir()
    world = World(folder, batch=BatchBounds(max_records=8))

    def take_over() -> None:
        new, late = event("new", name="event_1"), event("late", at=NOW)
        world.put(event(0, name="event_0"), new, key="one")
        world.run_all()
        world.advance(hours=3)
        world.run_all()
        world.put(late, key="one")
        world.run_all()
        expected.update([new.line, late.line])

    pauses = Pauses(at, take_over)
    inner: Any = world.store
    world.store = PausingStore(inner, pauses)
    expected = Counter(put_story(world))
    zombie = world.worker()
    with suppress(LeaseLostError, ObjectChangedError):
        work_and_seal(world, zombie)
        world.advance(hours=3)
        work_and_seal(world, zombie)
    zombie.forget()
    steps = pauses.steps
    world.run_all()
    world.advance(hours=3)
    world.run_all()
    assert world.lines() == expected
    world.check_seals()
    world.close()
    return steps


def test_an_owner_that_sleeps_at_any_step_while_another_takes_over_spoils_nothing(tmp_path: Path) -> None:
    steps = live_with_zombie(tmp_path / "alone", -1)
    assert steps > 20
    for at in range(steps):
        live_with_zombie(tmp_path / str(at), at)
