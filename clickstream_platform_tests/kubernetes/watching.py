"""What run pods do while a test goes on: how many at a time, whose, how large, how they ended.

Belongs here: looking again and again. Does not: what is expected.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from clickstream_platform_tests.kubernetes.cluster import Object, limit_of
from clickstream_platform_tests.kubernetes.release import Release

LOOK_SECONDS = 0.5
ENDED = ("Succeeded", "Failed")


@dataclass
class Watch:
    """What was seen so far; pods by name, as they were when they were last seen."""

    pods: dict[str, Object] = field(default_factory=dict)
    looks: int = 0
    most_at_once: int = 0
    most_running: int = 0

    def look(self, pods: list[Object]) -> None:
        """Take in one look at all run pods."""
        active = [pod for pod in pods if pod["status"]["phase"] not in ENDED]
        running = [pod for pod in active if pod["status"]["phase"] == "Running"]
        self.looks += 1
        self.most_at_once = max(self.most_at_once, len(active))
        self.most_running = max(self.most_running, len(running))
        self.pods |= {pod["metadata"]["name"]: pod for pod in pods}

    @property
    def memory_limits(self) -> list[int]:
        """Return the memory limits of the pods, in MiB."""
        return [limit_of(pod, "memory") for pod in self.pods.values()]

    @property
    def ends(self) -> list[str]:
        """Return why the containers of the pods ended, such as `Completed` and `OOMKilled`."""
        states = [each["state"] for pod in self.pods.values() for each in pod["status"].get("containerStatuses", [])]
        return [state["terminated"]["reason"] for state in states if "terminated" in state]


@contextmanager
def watched(release: Release) -> Iterator[Watch]:
    """Look at the run pods twice a second until the block ends."""
    watch, is_over = Watch(), threading.Event()
    before = {pod["metadata"]["name"] for pod in release.run_pods()}

    def keep_looking() -> None:
        while not is_over.wait(LOOK_SECONDS):
            try:
                pods = release.run_pods()
            except httpx.HTTPError:  # one look less
                continue
            watch.look([pod for pod in pods if pod["metadata"]["name"] not in before])

    thread = threading.Thread(target=keep_looking)
    thread.start()
    try:
        yield watch
    finally:
        is_over.set()
        thread.join()
        watch.look([pod for pod in release.run_pods() if pod["metadata"]["name"] not in before])


def most_at_a_time(runs: Sequence[dict[str, Any]]) -> int:
    """Return how many runs worked at the same time at most; a pod lives a few seconds longer than its run."""
    steps = sorted([(run["endTime"], -1) for run in runs] + [(run["startTime"], 1) for run in runs])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most
