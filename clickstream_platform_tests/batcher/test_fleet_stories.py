"""Any story of several owners: splits, merges, take-overs, owners that wake up again, crashes, replays. By seeds.

What belongs here: what all of these together must not spoil. What does not: each of them alone (`test_crashes`,
`test_zombies`, `test_shard_worker`).
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from clickstream_platform.batcher import memory_shards
from clickstream_platform.batcher.bounds import BatchBounds, ObjectBounds
from clickstream_platform.batcher.leases import common_watermark_ms, has_work
from clickstream_platform.batcher.shard_worker import ShardWorker, to_ms
from clickstream_platform.errors import ClickstreamError
from clickstream_platform_tests.batcher.crashes import Crashed, Crashes
from clickstream_platform_tests.batcher.test_crashes import crashing_world
from clickstream_platform_tests.batcher.world import World, event

STEPS, MOST_SHARDS = 60, 5


class Story:
    """A world and everybody who works in it; workers that lost their lease go on until they find out."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.crashes, self.chance, self.folder = Crashes(), chance, folder
        bounds = BatchBounds(max_records=chance.randint(1, 12)), ObjectBounds(max_records=chance.randint(1, 5))
        shards = chance.choice([1, 2])
        self.world: World = crashing_world(
            folder, self.crashes, shards_at_first=shards, batch=bounds[0], objects=bounds[1]
        )
        self.world.add_leases()
        self.workers: list[ShardWorker] = []
        self.ids: set[str] = set()

    def put(self) -> None:
        number, minutes = self.chance.randint(0, 60), self.chance.choice([0, 0, 0, 70])
        sent = event(number, name=f"event_{number % 3}", at=self.world.clock.now() - timedelta(minutes=minutes))
        self.ids.add(sent.message_id)
        self.world.put(sent)

    def work(self) -> None:
        if not self.workers:
            return
        worker = self.chance.choice(self.workers)
        action = self.chance.choice(["step", "step", "step", "finish", "seal"])
        try:
            if action == "step":
                worker.step()
            elif action == "finish":
                worker.finish()
            else:
                worker.seal(common_watermark_ms(self.world.table.list_leases()))
        except ClickstreamError:
            worker.forget()
            self.workers.remove(worker)

    def take(self) -> None:
        leases = {lease.shard_id: lease for lease in self.world.table.list_leases()}
        found = [lease for lease in leases.values() if has_work(lease, leases)]
        if found:
            self.workers.append(self.world.worker(self.chance.choice(found).shard_id))

    def reshard(self) -> None:
        held = self.world.shards._shards.items()
        names = [name for _, name in sorted((shard.low, name) for name, shard in held if not shard.is_closed)]
        place = self.chance.randrange(len(names))
        if place and self.chance.random() < 0.5:
            self.world.shards.merge(names[place - 1], names[place])
        elif len(names) < MOST_SHARDS:
            self.world.shards.split(names[place])

    def wait(self) -> None:
        self.world.advance(minutes=self.chance.choice([1, 6, 40]))

    def replay(self) -> None:
        since = self.world.clock.now() - timedelta(minutes=self.chance.choice([5, 60, 200]))
        for lease in self.world.table.list_leases():
            self.world.table.rewind(lease.shard_id, to_ms(since))

    def live(self) -> None:
        often: list[Callable[[], None]] = [self.put] * 5 + [self.work] * 8 + [self.take] * 3
        seldom: list[Callable[[], None]] = [self.reshard, self.reshard, self.wait, self.world.add_leases, self.replay]
        for _ in range(STEPS):
            will_crash = self.chance.random() < 0.15
            self.crashes.at = self.crashes.steps + self.chance.randint(0, 20) if will_crash else -1
            try:
                self.chance.choice([*often, *seldom])()
            except Crashed:
                for worker in self.workers:
                    worker.forget()
                self.workers.clear()
        self.crashes.at = -1


@pytest.mark.parametrize("seed", range(40))
def test_every_event_is_written_once_whatever_happens_to_shards_and_owners(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(memory_shards, "MAX_RECORDS_PER_READ", chance.choice([2, 5, 1_000]))
    story = Story(tmp_path, chance)
    story.live()
    for _ in range(2):
        story.world.advance(hours=4)
        story.world.run_all()
    written = Counter(json.loads(line)["messageId"] for line in story.world.lines().elements())
    assert written == Counter(story.ids)
    story.world.check_seals()
    story.world.close()
