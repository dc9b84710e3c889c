"""Asks what the exporter tells: one thread for each source, so that one that hangs keeps no other from being asked.

Belongs here: when to ask, what is told of a probe that fails or takes long. Does not: the questions.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from clickstream_platform.observe.exporter import names

_logger = logging.getLogger(__name__)
STUCK_SECONDS = 900.0


@dataclass(slots=True)
class Probe:
    """One question that is asked again and again."""

    name: str
    interval_seconds: float
    ask: Callable[[], None]
    """Asks and keeps the answer; whatever it raises is logged, and asked again after the interval."""
    succeeded_at: float = -math.inf
    """Seconds of a clock that only moves forward."""
    seconds: float = 0.0
    failures: int = 0
    error: str = ""
    began_at: float | None = field(default=None)

    def run(self) -> bool:
        """Ask once; return whether it worked."""
        self.began_at = began = time.monotonic()
        try:
            self.ask()
        except Exception as error:  # noqa: BLE001 (each source has errors of its own; all are told and asked again)
            self.failures += 1
            self.error = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            _logger.warning("the probe %s failed: %s", self.name, self.error)
        else:
            self.succeeded_at, self.error = time.monotonic(), ""
        finally:
            self.seconds, self.began_at = time.monotonic() - began, None
        return not self.error


class Probes(Collector):
    """Runs probes in threads, and tells how they do."""

    def __init__(self, probes: Sequence[Probe], stuck_seconds: float = STUCK_SECONDS) -> None:
        """Run these probes once started; one that takes longer than `stuck_seconds` makes the process unhealthy."""
        self._probes, self._stuck_seconds = probes, stuck_seconds
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Ask each for the first time, and then at its interval."""
        for probe in self._probes:
            thread = threading.Thread(target=self._repeat, args=(probe,), name=f"probe-{probe.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, wait_seconds: float = 5.0) -> None:
        """Ask no more; wait a little, for all together, for what is being asked."""
        self._stop.set()
        deadline = time.monotonic() + wait_seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def find_stuck(self) -> str:
        """Say which probe hangs; empty when none does. For `/healthz`."""
        now = time.monotonic()
        # Read once each: the probe's own thread may end it at any moment.
        asked = [(probe.name, probe.began_at) for probe in self._probes]
        stuck = [name for name, began in asked if began is not None and now - began > self._stuck_seconds]
        return f"probes that do not return: {', '.join(stuck)}" if stuck else ""

    def find_unready(self) -> str:
        """Say which probe never ended, well or badly; empty when all have. For `/readyz`."""
        waiting = [p.name for p in self._probes if p.succeeded_at == -math.inf and not p.failures]
        return f"probes that have not ended yet: {', '.join(waiting)}" if waiting else ""

    def collect(self) -> Iterator[Metric]:
        """Yield how the probes do."""
        now = time.monotonic()
        age = GaugeMetricFamily(names.PROBE_AGE.name, names.PROBE_AGE.help, labels=names.PROBE_AGE.labels)
        duration = GaugeMetricFamily(
            names.PROBE_DURATION.name, names.PROBE_DURATION.help, labels=names.PROBE_DURATION.labels
        )
        failures = CounterMetricFamily(
            names.PROBE_FAILURES.name, names.PROBE_FAILURES.help, labels=names.PROBE_FAILURES.labels
        )
        for probe in self._probes:
            age.add_metric([probe.name], now - probe.succeeded_at)
            duration.add_metric([probe.name], probe.seconds)
            failures.add_metric([probe.name], probe.failures)
        yield from (age, duration, failures)

    def _repeat(self, probe: Probe) -> None:
        while not self._stop.is_set():
            probe.run()
            self._stop.wait(probe.interval_seconds)
