"""The probes of the exporter: who is asked how often, what is kept of the answer, and what is found in it.

Belongs here: putting sources and memory together. Does not: Dagster (`defs.instance_metrics` is the `Orchestrator`),
freshness and history (`pipeline.freshness`, `pipeline.unusual` are `Watch`es), rendering (`observe.exporter`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.model.stream_status import StreamState
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.exporter.counting import RunCounting
from clickstream_platform.observe.exporter.failures import Failure, Failures
from clickstream_platform.observe.exporter.figures import (
    CanaryFigures,
    EndedRun,
    InstanceFigures,
    OpenRun,
    WorkspaceFigures,
)
from clickstream_platform.observe.exporter.probing import Probe
from clickstream_platform.observe.exporter.state import LedgerFigures, PlatformState
from clickstream_platform.observe.exporter.tallies import CustomerLabels, load_document, save_document
from clickstream_platform.pipeline.platform_findings import (
    Pages,
    Thresholds,
    judge_batcher,
    judge_instance,
    judge_registry,
    judge_workspace,
)

DAGSTER, WEBSERVER, REGISTRY, BATCHER, ALERTS, MEMORY = (
    "dagster",
    "webserver",
    "registry",
    "batcher",
    "alerts",
    "memory",
)
RUNS = "runs"
"""Not a probe: what the answers of `dagster` tell of slow runs."""
PAST = timedelta(days=7)
"""How far back runs are read at the start, to know how long they use to take."""


class Orchestrator(Protocol):
    """Dagster's instance and webserver."""

    def read_instance(self, now: datetime, customers: Iterable[str]) -> InstanceFigures:
        """Return what Dagster is doing; `customers` are the slugs whose runs are to be recognised by their assets."""
        ...

    def read_ended_runs(
        self, since: datetime, customers: Iterable[str], is_known: Callable[[str], bool]
    ) -> Iterator[Sequence[EndedRun]]:
        """Yield in pages the runs that ended after `since`, without those whose id is known."""
        ...

    def read_past_runs(self, since: datetime, customers: Iterable[str]) -> Sequence[EndedRun]:
        """Return runs that ended after `since`, oldest first, without what they did: how long they took is enough."""
        ...

    def read_workspace(self, now: datetime) -> WorkspaceFigures | None:
        """Return how the code locations are; None when the settings name no webserver."""
        ...


@dataclass(frozen=True, slots=True)
class RegistryFigures:
    """What the exporter knows of the registry."""

    customers: tuple[str, ...]
    trouble: str = ""
    """Why it did not answer; empty when it did."""
    age_seconds: float | None = 0.0
    """How long ago it confirmed what is known; None when nothing is."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the streams brought; None where it does not tell."""

    observation: Observation
    streams: Sequence[StreamState] | None = None
    ledgers: LedgerFigures | None = None
    canary: CanaryFigures | None = None


class Watch(Protocol):
    """Looks at streams: at their freshness, or at their loads and volumes against their history."""

    @property
    def interval_seconds(self) -> float:
        """How often to look."""
        ...

    def look(self, now: datetime, failures: Sequence[Failure]) -> Seen:
        """Look once; raise ClickstreamError when there is nothing to look at."""
        ...


class RunJudge(Protocol):
    """Holds runs against those of the same customer."""

    def take(self, runs: Iterable[EndedRun]) -> None:
        """Take note of runs that ended."""
        ...

    def judge(self, runs: Sequence[OpenRun], now: datetime) -> Observation:
        """Return which of the runs that have not ended are unusual."""
        ...


AlertSink = Callable[[Sequence[Observation], datetime], None]
"""Takes all observations of the moment: the alert engine."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Who is asked; None is not asked, and tells nothing."""

    registry: Callable[[], RegistryFigures]
    orchestrator: Orchestrator | None = None
    batcher_behind: Callable[[datetime], float | None] | None = None
    watches: Mapping[str, Watch] = field(default_factory=dict)
    runs: RunJudge | None = None
    listeners: Sequence[Callable[[Sequence[EndedRun]], None]] = ()
    """Are told of runs that ended, once each."""
    alerts: AlertSink | None = None


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often each source is asked, in seconds."""

    dagster: float = 15.0
    webserver: float = 30.0
    registry: float = 30.0
    batcher: float = 30.0
    alerts: float = 15.0
    memory: float = 60.0


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
        document = load_document(memory) if memory else None
        counting = RunCounting.from_document(document, labels) if document else RunCounting(clock.now(), labels)
        self._failures = Failures.from_document(document["failures"]) if document else Failures()
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
            self._customers = found.customers or self._customers
            if found.customers:
                self.state.counting.expect(found.customers)
            self.state.observations[REGISTRY] = observation

    def ask_dagster(self, orchestrator: Orchestrator) -> None:
        """Read the instance, then count the runs that ended since."""
        now, state = self._clock.now(), self.state
        figures = orchestrator.read_instance(now, self._customers)
        with state.lock:
            since, is_known = state.counting.look_back_to, state.counting.is_counted
        judge = self._sources.runs
        if judge is not None and not self._has_past:
            judge.take(orchestrator.read_past_runs(now - PAST, self._customers))
            self._has_past = True
        for page in orchestrator.read_ended_runs(since, self._customers, is_known):
            with state.lock:
                new = state.counting.count(page)
                self._failures.take(new, now)
            for listen in (*((judge.take,) if judge is not None else ()), *self._sources.listeners):
                listen(new)
        with state.lock:
            checks = tuple(state.counting.checks.values())
        observation = judge_instance(figures, self._failures.open, checks, self._pages, self._limits)
        slow = judge.judge(figures.runs, now) if judge is not None else None
        with state.lock:
            state.instance, state.observations[DAGSTER] = figures, observation
            if slow is not None:
                state.observations[RUNS] = slow

    def ask_webserver(self, orchestrator: Orchestrator) -> None:
        """Read how the code locations are."""
        figures = orchestrator.read_workspace(self._clock.now())
        if figures is None:
            return
        observation = judge_workspace(figures, self._pages)
        with self.state.lock:
            self.state.workspace, self.state.observations[WEBSERVER] = figures, observation

    def ask_batcher(self, read_behind: Callable[[datetime], float | None]) -> None:
        """Read how far the batcher is behind."""
        now = self._clock.now()
        observation = judge_batcher(read_behind(now), now, self._limits)
        with self.state.lock:
            self.state.observations[BATCHER] = observation

    def ask_watch(self, name: str, watch: Watch) -> None:
        """Look at the streams."""
        seen = watch.look(self._clock.now(), self._failures.open)
        with self.state.lock:
            self.state.observations[name] = seen.observation
            if seen.streams is not None:
                self.state.streams = seen.streams
            if seen.ledgers is not None:
                self.state.ledgers = seen.ledgers
            if seen.canary is not None:
                self.state.canary = seen.canary

    def tell(self, alerts: AlertSink) -> None:
        """Hand what was found to the alert engine: all of it, each time."""
        with self.state.lock:
            observations = list(self.state.observations.values())
        alerts(observations, self._clock.now())

    def remember(self) -> None:
        """Write down what a restart must not lose."""
        if self._memory is None:
            return
        with self.state.lock:
            document = self.state.counting.to_document() | {"failures": self._failures.to_document()}
        save_document(self._memory, document)

    def _asking(self, name: str, watch: Watch) -> Callable[[], None]:
        return lambda: self.ask_watch(name, watch)
