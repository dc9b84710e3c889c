"""What probes found, as plain nouns: the state of Dagster, and what one ended run did.

Belongs here: the nouns. Does not: asking for them (`defs.instance_metrics`), judging them
(`pipeline.platform_findings`), counting and rendering them (`tallies`, `rendering`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from clickstream_platform.model.counts import StreamCounts


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has not ended."""

    run_id: str
    customer: str | None
    """Slug; None when the run belongs to no single customer."""
    state: str
    """`queued`, `not_started`, `starting`, `started`, `canceling`."""
    created_at: datetime
    changed_at: datetime
    """When it came into its state, or was changed otherwise since."""
    started_at: datetime | None
    max_seconds: float | None
    """The run's own limit; None without one."""
    hour: str = ""
    is_backfill: bool = False

    def waited_seconds(self, now: datetime) -> float:
        """Return how long a run that has not started waits."""
        return 0.0 if self.started_at else max((now - self.created_at).total_seconds(), 0.0)

    def worked_seconds(self, now: datetime) -> float:
        """Return how long a run that has started works."""
        return max((now - self.started_at).total_seconds(), 0.0) if self.started_at else 0.0

    def is_overdue(self, now: datetime) -> bool:
        """Whether it works longer than it may."""
        return self.max_seconds is not None and self.worked_seconds(now) > self.max_seconds


@dataclass(frozen=True, slots=True)
class DaemonState:
    """One of the daemons that the instance needs."""

    name: str
    heartbeat_at: datetime | None
    errors: int
    error: str = ""
    """The first line of the first of them."""


@dataclass(frozen=True, slots=True)
class SensorState:
    """One sensor or its last tick."""

    name: str
    is_running: bool
    interval_seconds: float
    ticked_at: datetime | None
    tick_seconds: float | None
    """None while it goes on."""
    error: str = ""
    """The first line, when the tick failed."""


@dataclass(frozen=True, slots=True)
class LocationState:
    """A code location as the webserver sees it."""

    name: str
    is_up: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class CheckState:
    """The newest result of one check of a customer's tables."""

    customer: str
    check: str
    has_failed: bool
    at: datetime
    run_id: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class InstanceFigures:
    """Dagster at one moment, without its webserver."""

    at: datetime
    counts: Mapping[str, int]
    """Runs that have not ended, by state; all states are there."""
    runs: tuple[OpenRun, ...]
    """The oldest of them."""
    daemons: tuple[DaemonState, ...]
    sensors: tuple[SensorState, ...]
    backfills: int


@dataclass(frozen=True, slots=True)
class WorkspaceFigures:
    """Dagster's webserver at one moment."""

    at: datetime
    is_up: bool
    locations: tuple[LocationState, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class BatchDone:
    """One customer-hour that a run loaded: the streams' counts summed up, and what it took."""

    customer: str
    hour: str
    counts: StreamCounts
    outcomes: Mapping[str, int]
    """Stream-hours by outcome."""
    commits: int = 0
    copies: int = 0
    step_seconds: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class FailedStream:
    """A stream-hour that a run did not load."""

    event: str
    hour: str
    error: str
    """The class of the error; its text may quote a record."""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that ended, and what it did."""

    run_id: str
    customer: str | None
    outcome: str
    """`success`, `failure` or `canceled`."""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime
    is_backfill: bool = False
    is_retried: bool = False
    """Whether another run takes its place by itself."""
    is_retry: bool = False
    step_retries: int = 0
    failed_streams: tuple[FailedStream, ...] = ()
    """At most as many as a failure lists."""
    error: str = ""
    """The class of the error that ended it; empty when streams of it failed, or nothing did."""
    hour: str = ""
    batches: tuple[BatchDone, ...] = ()
    checks: tuple[CheckState, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it worked."""
        return max((self.ended_at - self.started_at).total_seconds(), 0.0) if self.started_at else 0.0

    @property
    def has_failed(self) -> bool:
        """Whether it failed and nothing repeats it by itself."""
        return self.outcome == "failure" and not self.is_retried

    @property
    def queue_seconds(self) -> float:
        """How long it waited for its start."""
        return max(((self.started_at or self.ended_at) - self.created_at).total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class CanaryFigures:
    """The canary at its last beat."""

    beat_at: datetime
    sent: int
    seen: int
    pending: int
    latency_seconds: float | None
    """Of the newest event that is in the table; None before there was one."""
