"""Who the exporter asks, and the form of the answers.

Belongs here: the ports and their nouns. Does not: asking (`platform_metrics`), the sources themselves
(`platform_watches`, `ledger_sums`, `collector_watch`, `registry_figures`, `defs.instance_metrics`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from clickstream_platform.model.stream_status import StreamState
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.exporter.failures import Failure
from clickstream_platform.observe.exporter.figures import (
    CanaryFigures,
    EndedRun,
    InstanceFigures,
    OpenRun,
    WorkspaceFigures,
)
from clickstream_platform.observe.exporter.state import LedgerFigures


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
