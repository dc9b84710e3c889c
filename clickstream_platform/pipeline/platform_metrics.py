"""The probes of the exporter: who is asked how often, what is kept of the answer, and what is found in it.

Belongs here: putting sources and memory together. Does not: Dagster (`defs.instance_metrics` is the `Orchestrator`),
freshness and history (`pipeline.freshness`, `pipeline.unusual` are `Watch`es), rendering (`observe.exporter`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.observe.exporter.counting import RunCounting
from clickstream_platform.observe.exporter.failures import Failures
from clickstream_platform.observe.exporter.figures import EndedRun
from clickstream_platform.observe.exporter.probing import Probe
from clickstream_platform.observe.exporter.state import PlatformState
from clickstream_platform.observe.exporter.tallies import CustomerLabels, load_document, save_document
from clickstream_platform.pipeline.platform_findings import (
    judge_batcher,
    judge_instance,
    judge_registry,
    judge_silence,
    judge_workspace,
)
from clickstream_platform.pipeline.platform_sources import AlertSink, Intervals, Orchestrator, Sources, Watch
from clickstream_platform.pipeline.platform_terms import Pages, Thresholds

DAGSTER, WEBSERVER, REGISTRY, BATCHER, ALERTS, MEMORY = (
    "dagster",
    "webserver",
    "registry",
    "batcher",
    "alerts",
    "memory",
)
_logger = logging.getLogger(__name__)
RUNS = "runs"
"""Not a probe: what the answers of `dagster` tell of slow runs."""
FRESH = timedelta(minutes=5)
"""What a probe found is good for so long; each asks more often."""
PAST = timedelta(days=7)
"""How far back runs are read at the start, to know how long they use to take."""


class PlatformProbes:
    """Asks the sources and keeps the answers; its probes run in threads of their own."""

    def __init__(
        self,
        sources: Sources,
        clock: Clock,
        *,
        pages: Pages | None = None,
        limits: Thresholds | None = None,
        memory: Path | None = None,
        labels: CustomerLabels | None = None,
    ) -> None:
        """Go on from what `memory` holds, the file of an earlier process, or count from now on."""
        self._sources, self._clock, self._memory = sources, clock, memory
        self._pages, self._limits = pages or Pages(), limits or Thresholds()
        labels = labels or CustomerLabels()
        counting, self._failures = _recall(memory, clock.now(), labels)
        self._dagster_answered_at = clock.now()
        self._customers: tuple[str, ...] = ()
        self._has_past = False
        self.state = PlatformState(counting, labels)

    def probes(self, intervals: Intervals | None = None) -> list[Probe]:
        """Return what is to be run, by source."""
        every, sources = intervals or Intervals(), self._sources
        found = [Probe(REGISTRY, every.registry, self.ask_registry)]
        if (orchestrator := sources.orchestrator) is not None:
            found.append(Probe(DAGSTER, every.dagster, lambda: self.ask_dagster(orchestrator)))
            found.append(Probe(WEBSERVER, every.webserver, lambda: self.ask_webserver(orchestrator)))
        if (behind := sources.batcher_behind) is not None:
            found.append(Probe(BATCHER, every.batcher, lambda: self.ask_batcher(behind)))
        for name, watch in sources.watches.items():
            found.append(Probe(name, watch.interval_seconds, self._asking(name, watch)))
        if (alerts := sources.alerts) is not None:
            found.append(Probe(ALERTS, every.alerts, lambda: self.tell(alerts)))
        if self._memory is not None:
            found.append(Probe(MEMORY, every.memory, self.remember))
        return found

    def ask_registry(self) -> None:
        """Learn the customers, and whether the registry answers."""
        found = self._sources.registry()
        now = self._clock.now()
        observation = judge_registry(found.trouble, found.age_seconds, now, self._limits)
        with self.state.lock:
            if found.customers or not found.trouble:
                self._customers = found.customers
                self.state.counting.expect(found.customers)
                self._failures.keep_only(found.customers)
            self.state.keep(REGISTRY, observation, now)

    def ask_dagster(self, orchestrator: Orchestrator) -> None:
        """Read the instance, then count the runs that ended since; while it can't be read, that is what is found."""
        try:
            self._read_dagster(orchestrator)
        except ConfigurationError:
            raise  # there is no Dagster here, or nobody said where
        except Exception as error:  # whatever its database's driver raises
            now = self._clock.now()
            if now - self._dagster_answered_at > FRESH:
                found = judge_silence(type(error).__name__, self._dagster_answered_at, self._pages)
                with self.state.lock:
                    self.state.keep(DAGSTER, found, now)
            raise
        self._dagster_answered_at = self._clock.now()

    def _read_dagster(self, orchestrator: Orchestrator) -> None:
        if not self._customers:  # runs are known as a customer's by its name
            self.ask_registry()
        now, state, judge = self._clock.now(), self.state, self._sources.runs
        figures = orchestrator.read_instance(now, self._customers)
        if judge is not None and not self._has_past:
            judge.take(self._past_runs(orchestrator, now))
            self._has_past = True
        self._count_ended_runs(orchestrator, now)
        with state.lock:
            checks, failures = tuple(state.counting.checks.values()), self._failures.open
        observation = judge_instance(figures, failures, checks, self._pages, self._limits)
        slow = judge.judge(figures.runs, now) if judge is not None else None
        with state.lock:
            state.instance = figures
            state.keep(DAGSTER, observation, now)
            if slow is not None:
                state.keep(RUNS, slow, now)

    def _past_runs(self, orchestrator: Orchestrator, now: datetime) -> list[EndedRun]:
        """Return the runs of the past without those that are still to be counted: these are told when they are."""
        counting = self.state.counting
        since = counting.look_back_to
        past = orchestrator.read_past_runs(now - PAST, self._customers)
        return [run for run in past if run.ended_at <= since or counting.is_counted(run.run_id)]

    def _count_ended_runs(self, orchestrator: Orchestrator, now: datetime) -> None:
        """Count the runs that ended since the last look, and tell whoever listens."""
        state, judge = self.state, self._sources.runs
        with state.lock:
            since, is_known = state.counting.look_back_to, state.counting.is_counted
        for page in orchestrator.read_ended_runs(since, self._customers, is_known):
            with state.lock:
                new = state.counting.count(page, now)
                self._failures.take(new, now)
                if new:
                    self._save()
            for listen in (*((judge.take,) if judge is not None else ()), *self._sources.listeners):
                listen(new)

    def ask_webserver(self, orchestrator: Orchestrator) -> None:
        """Read how the code locations are."""
        figures = orchestrator.read_workspace(self._clock.now())
        if figures is None:
            return
        observation = judge_workspace(figures, self._pages)
        with self.state.lock:
            self.state.workspace = figures
            self.state.keep(WEBSERVER, observation, figures.at)

    def ask_batcher(self, read_behind: Callable[[datetime], float | None]) -> None:
        """Read how far the batcher is behind."""
        now = self._clock.now()
        observation = judge_batcher(read_behind(now), now, self._limits)
        with self.state.lock:
            self.state.keep(BATCHER, observation, now)

    def ask_watch(self, name: str, watch: Watch) -> None:
        """Look at the streams."""
        with self.state.lock:
            failures = self._failures.open
        seen = watch.look(self._clock.now(), failures)
        with self.state.lock:
            self.state.keep(name, seen.observation, self._clock.now())
            if seen.streams is not None:
                self.state.streams = seen.streams
            if seen.ledgers is not None:
                self.state.ledgers = seen.ledgers
            if seen.canary is not None:
                self.state.canary = seen.canary

    def tell(self, alerts: AlertSink) -> None:
        """Hand what was found to the alert engine: all of it, each time, as far as it is FRESH.

        What a probe found before it began to fail or hang says nothing of now: alerts of its kinds stay as they are.
        """
        now = self._clock.now()
        with self.state.lock:
            observations = self.state.found_since(now - FRESH)
        alerts(observations, now)

    def remember(self) -> None:
        """Write down what a restart must not lose."""
        with self.state.lock:
            self._write()

    def _save(self) -> None:
        """Write down what is being counted before a scrape sees it: a counter must not be smaller after a kill.

        A disk that refuses is told by the probe of the memory.
        """
        with suppress(OSError):
            self._write()

    def _write(self) -> None:
        if self._memory is not None:
            save_document(self._memory, self.state.counting.to_document() | {"failures": self._failures.to_document()})

    def _asking(self, name: str, watch: Watch) -> Callable[[], None]:
        return lambda: self.ask_watch(name, watch)


def _recall(memory: Path | None, now: datetime, labels: CustomerLabels) -> tuple[RunCounting, Failures]:
    """Return what an earlier process wrote down; count from now on where it left nothing that can be used."""
    document = load_document(memory) if memory is not None else None
    if document is not None:
        try:
            return RunCounting.from_document(document, labels), Failures.from_document(document["failures"])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            what = type(error).__name__
            _logger.warning("the memory in %s has another form (%s); counting starts anew", memory, what)
    return RunCounting(now, labels), Failures()
