"""Judges runs against those of the same customer: working for long, and waiting for long. Pure.

A run in progress is told as soon as it is slow, not when it has ended. Belongs here: that comparison. Does not: reading
runs (`defs.instance_metrics`), the hard limit (`dagster/max_runtime`) and runs that hang (`platform_findings`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from clickstream_platform.model.findings import Finding
from clickstream_platform.observe.exporter.figures import EndedRun, OpenRun
from clickstream_platform.pipeline.unusual.baseline import Baseline, plain_baseline
from clickstream_platform.pipeline.unusual.hours import is_far
from clickstream_platform.pipeline.unusual.thresholds import ThresholdBook, Thresholds

KEPT_RUNS = 200
_WAITING = frozenset({"queued", "not_started", "starting"})


class RunTimes:
    """How long the last runs of each customer worked and waited; back-fills are left out, they are of any size."""

    def __init__(self) -> None:
        """Know none."""
        self._worked: dict[str, deque[float]] = {}
        self._waited: dict[str, deque[float]] = {}

    def take(self, runs: Iterable[EndedRun]) -> None:
        """Take note of runs that ended."""
        for run in runs:
            if run.customer is None or run.is_backfill or run.outcome != "success":
                continue
            self._worked.setdefault(run.customer, deque(maxlen=KEPT_RUNS)).append(run.seconds)
            self._waited.setdefault(run.customer, deque(maxlen=KEPT_RUNS)).append(run.queue_seconds)

    def judge(self, runs: Sequence[OpenRun], now: datetime, book: ThresholdBook) -> list[Finding]:
        """Return the slow ones among runs that have not ended; of each customer and kind, the slowest."""
        found: dict[str, tuple[float, Finding]] = {}
        for run in runs:
            if run.customer is None or not book.of(run.customer).is_watched:
                continue
            finding = self._judge(run, run.customer, now, book.of(run.customer))
            if finding is not None:
                value = float(finding.detail["seconds"])
                if finding.key not in found or value > found[finding.key][0]:
                    found[finding.key] = (value, finding)
        return [finding for _, finding in found.values()]

    def _judge(self, run: OpenRun, customer: str, now: datetime, limits: Thresholds) -> Finding | None:
        is_waiting = run.state in _WAITING
        began = run.created_at if is_waiting or run.started_at is None else run.started_at
        seconds = (now - began).total_seconds()
        times = (self._waited if is_waiting else self._worked).get(customer, ())
        baseline = plain_baseline(times)
        if baseline is None or seconds <= baseline.expected:
            return None
        if not is_far(seconds, baseline, limits.distance, limits.duration_factor, limits.duration_seconds):
            return None
        return _finding(run, customer, seconds, baseline, began, is_waiting=is_waiting)


def _finding(
    run: OpenRun, customer: str, seconds: float, baseline: Baseline, began: datetime, *, is_waiting: bool
) -> Finding:
    kind, what = ("queue_slow", "waits for its start") if is_waiting else ("run_slow", "works")
    summary = (
        f"a run of {customer} {what} since {seconds:,.0f} seconds; usual are {baseline.expected:,.0f} "
        f"({baseline.samples} runs)"
    )
    detail: dict[str, str | int | float] = {"seconds": round(seconds), "expected": round(baseline.expected)}
    detail |= {"run_id": run.run_id, "hour": run.hour}
    return Finding(kind, customer, None, summary, began + timedelta(seconds=baseline.expected), detail)
