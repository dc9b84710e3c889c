"""The exporter's looks at streams and runs: what freshness and history tell, as states and observations.

Belongs here: translating. Does not: judging (`pipeline.freshness`, `pipeline.unusual`), sums (`ledger_sums`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from clickstream_platform.model.hours import Hour
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.exporter.failures import Failure
from clickstream_platform.observe.exporter.figures import CanaryFigures, EndedRun, OpenRun
from clickstream_platform.pipeline.canary import judge_canary, read_canary
from clickstream_platform.pipeline.freshness.facts import LoadFailure
from clickstream_platform.pipeline.freshness.report import FreshnessReport, Links
from clickstream_platform.pipeline.freshness.watching import FreshnessWatch
from clickstream_platform.pipeline.platform_sources import Seen
from clickstream_platform.pipeline.unusual.hours import CHECK_OF_KIND
from clickstream_platform.pipeline.unusual.runs import RunTimes
from clickstream_platform.pipeline.unusual.thresholds import ThresholdBook
from clickstream_platform.pipeline.unusual.watching import UnusualWatch

STREAM_KINDS = frozenset({"stream_late", "stream_silent", "stream_blocked", "stream_paused"})
PART_KINDS = frozenset({"warehouse_away", "objects_away"})
CANARY_KINDS = frozenset({"canary_broken", "canary_slow"})
RUN_KINDS = frozenset({"run_slow", "queue_slow"})


class FreshnessLook:
    """Freshness as a `platform_sources.Watch`."""

    interval_seconds = 60.0

    def __init__(self, open_watch: Callable[[], FreshnessWatch], links: Links) -> None:
        """Look with a watch, opened at the first look and remembering since; findings get these links."""
        self._open_watch, self._links = open_watch, links
        self._watch: FreshnessWatch | None = None

    def look(self, now: datetime, failures: Sequence[Failure]) -> Seen:
        """Judge every stream."""
        del now  # the watch has its own clock
        if self._watch is None:
            self._watch = self._open_watch()
        report = self._watch.look(load_failures(failures))
        return Seen(observation_of(report, self._links), tuple(report.states()))


class UnusualLook:
    """Loads and volumes against their history as a `platform_sources.Watch`."""

    interval_seconds = 120.0

    def __init__(self, open_watch: Callable[[], UnusualWatch]) -> None:
        """Look with a watch, opened at the first look and remembering since."""
        self._open_watch = open_watch
        self._watch: UnusualWatch | None = None

    def look(self, now: datetime, failures: Sequence[Failure]) -> Seen:
        """Judge what was loaded since the last look; while some of it waits, nothing is over."""
        del now, failures  # the watch has its own clock
        if self._watch is None:
            self._watch = self._open_watch()
        report = self._watch.look()
        kinds = frozenset(CHECK_OF_KIND) if not report.waiting else frozenset[str]()
        return Seen(Observation(report.findings(), kinds, report.unread))


class CanaryLook:
    """The canary as a `platform_sources.Watch`, from the file that its process writes."""

    interval_seconds = 30.0

    def __init__(self, path: Path) -> None:
        """Read this file; without one there is no canary, and nothing is looked for."""
        self._path = path

    def look(self, now: datetime, failures: Sequence[Failure]) -> Seen:
        """Read and judge what the canary knows."""
        del failures
        state = read_canary(self._path)
        if state is None:
            return Seen(Observation((), frozenset()))
        latency = state.newest_latency_seconds
        figures = CanaryFigures(state.updated_at, state.sent, state.seen, len(state.pending), latency)
        return Seen(Observation(judge_canary(state, now), CANARY_KINDS), canary=figures)


class SlowRuns:
    """Slow runs as a `platform_sources.RunJudge`."""

    def __init__(self, read_book: Callable[[], ThresholdBook]) -> None:
        """Judge by thresholds that are read at each look, so that a change counts at once."""
        self._times, self._read_book = RunTimes(), read_book

    def take(self, runs: Iterable[EndedRun]) -> None:
        """Take note of runs that ended."""
        self._times.take(runs)

    def judge(self, runs: Sequence[OpenRun], now: datetime) -> Observation:
        """Return which of the runs that have not ended are slow; a back-fill's are of any size, and wait for others."""
        ours = [run for run in runs if not run.is_backfill]
        return Observation(self._times.judge(ours, now, self._read_book()), RUN_KINDS)


def observation_of(report: FreshnessReport, links: Links) -> Observation:
    """Return what a report tells: what was not looked at yet is no sign that something is over."""
    kinds = PART_KINDS | STREAM_KINDS if report.is_complete else PART_KINDS
    kinds -= {trouble.kind for trouble in report.troubles}  # also those that are no finding yet
    if report.histories_waiting:
        kinds -= {"stream_silent"}
    return Observation(report.findings(links), kinds, report.unseen)


def load_failures(failures: Iterable[Failure]) -> Iterator[LoadFailure]:
    """Yield the failed loads of runs: those of single streams, or of a whole customer-hour."""
    for each in failures:
        if each.customer is None:
            continue
        for stream in each.streams:
            hour = Hour.parse(stream.hour)
            yield LoadFailure(each.customer, stream.event, hour, each.failed_at, stream.error, each.run_id)
        if not each.streams:
            for text in each.hours or (None,):
                hour_or_none = None if text is None else Hour.parse(text)
                yield LoadFailure(each.customer, None, hour_or_none, each.failed_at, each.error, each.run_id)
