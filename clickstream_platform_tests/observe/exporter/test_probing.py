"""Probes that fail or hang keep no other from being asked, and are seen."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry

from clickstream_platform.observe.exporter.probing import Probe, Probes


@contextmanager
def running(probes: Probes) -> Iterator[None]:
    probes.start()
    try:
        yield
    finally:
        probes.stop(0.1)


def told(probes: Probes, name: str, probe: str) -> float | None:
    metrics = CollectorRegistry()
    metrics.register(probes)
    return metrics.get_sample_value(f"clickstream_exporter_{name}", {"probe": probe})


def test_a_probe_that_fails_is_counted_and_asked_again() -> None:
    asked = iter([ValueError("no"), None])

    def ask() -> None:
        if (error := next(asked)) is not None:
            raise error

    probe = Probe("flaky", 60.0, ask)
    probes = Probes([probe])
    assert probes.find_unready() == "probes that have not ended yet: flaky"
    assert told(probes, "probe_age_seconds", "flaky") == math.inf
    assert not probe.run()
    assert probe.error == "ValueError: no"
    assert probes.find_unready() == "", "badly is an end, too"
    assert told(probes, "probe_failures_total", "flaky") == 1
    assert probe.run()
    assert (probe.error, told(probes, "probe_failures_total", "flaky")) == ("", 1)
    assert 0 <= (told(probes, "probe_age_seconds", "flaky") or math.inf) < 60


def test_a_probe_that_hangs_is_told_and_holds_up_nobody() -> None:
    release, answered = threading.Event(), threading.Event()

    def hang() -> None:
        release.wait(30)

    probes = Probes([Probe("hangs", 60.0, hang), Probe("works", 60.0, answered.set)], 0.0)
    with running(probes):
        assert answered.wait(10)
        assert probes.find_stuck() == "probes that do not return: hangs"
        release.set()


def test_probes_are_asked_again_after_their_interval() -> None:
    often = threading.Semaphore(0)
    with running(Probes([Probe("often", 0.01, often.release)])):
        assert all(often.acquire(timeout=10) for _ in range(3))


def test_a_probe_that_returns_while_health_is_asked_is_no_trouble() -> None:
    class Returning(Probe):
        """Is being asked at the first look, and is not at any other."""

        looks = iter([0.0])

        def __getattribute__(self, name: str) -> object:
            if name == "began_at":
                return next(Returning.looks, None)
            return object.__getattribute__(self, name)

    assert Probes([Returning("hours", 60.0, lambda: None)], 0.0).find_stuck() == "probes that do not return: hours"


def test_probes_that_hang_delay_the_end_once_and_not_each() -> None:
    release = threading.Event()

    def hang() -> None:
        release.wait(60)

    probes = Probes([Probe(f"hangs{number}", 60.0, hang) for number in range(40)])
    probes.start()
    began = time.monotonic()
    probes.stop(0.25)
    waited = time.monotonic() - began
    release.set()
    assert waited < 5, "one after the other would take ten seconds"
