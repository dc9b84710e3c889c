"""Runs that failed and whose hours nothing has loaded since: the exporter's memory of them.

Belongs here: remembering, and what makes a failure past. Does not: finding ended runs, telling people.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from clickstream_platform.observe.exporter.figures import EndedRun, FailedStream

KEPT = timedelta(hours=48)
"""Then what is missing is told by the streams' freshness alone."""
MAX_KEPT = 5_000


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that failed, as far as it is not mended."""

    run_id: str
    customer: str | None
    hours: tuple[str, ...]
    """The hours it was for; none when that is not known: then any later success of its customer mends it."""
    failed_at: datetime
    error: str
    streams: tuple[FailedStream, ...] = ()


class Failures:
    """The failures of the last days, each until its hours were loaded."""

    def __init__(self) -> None:
        """Start without any."""
        self._open: dict[str, Failure] = {}

    @property
    def open(self) -> tuple[Failure, ...]:
        """The failures that nothing has mended, oldest first."""
        return tuple(self._open.values())

    def take(self, runs: Iterable[EndedRun], now: datetime) -> None:
        """Take note of runs that ended, in the order of their ends."""
        for run in runs:
            if run.has_failed:
                self._open[run.run_id] = _failure_of(run)
            elif run.outcome == "success":
                self._mend(run)
        fresh = [(key, each) for key, each in self._open.items() if each.failed_at > now - KEPT]
        self._open = dict(fresh[-MAX_KEPT:])

    def keep_only(self, customers: Collection[str]) -> None:
        """Forget the failures of customers that are no more; those of the platform stay."""
        alive = {None, *customers}
        self._open = {key: each for key, each in self._open.items() if each.customer in alive}

    def _mend(self, run: EndedRun) -> None:
        done = {batch.hour for batch in run.batches}
        left: dict[str, Failure] = {}
        for key, each in self._open.items():
            if each.customer != run.customer or each.failed_at > run.ended_at:
                left[key] = each
            elif hours := tuple(hour for hour in each.hours if hour not in done):
                streams = tuple(stream for stream in each.streams if stream.hour not in done)
                left[key] = replace(each, hours=hours, streams=streams)
        self._open = left

    def to_document(self) -> list[dict[str, Any]]:
        """Return the written form."""
        return [asdict(each) | {"failed_at": each.failed_at.isoformat()} for each in self._open.values()]

    @classmethod
    def from_document(cls, document: Iterable[Mapping[str, Any]]) -> Failures:
        """Read the written form."""
        failures = cls()
        for each in document:
            streams = tuple(FailedStream(**stream) for stream in each["streams"])
            failed_at = datetime.fromisoformat(each["failed_at"])
            failures._open[each["run_id"]] = Failure(
                each["run_id"], each["customer"], tuple(each["hours"]), failed_at, each["error"], streams
            )
        return failures


def _failure_of(run: EndedRun) -> Failure:
    hours = {stream.hour for stream in run.failed_streams} or {batch.hour for batch in run.batches}
    if not hours and run.hour and "/" not in run.hour:
        hours = {run.hour}
    return Failure(run.run_id, run.customer, tuple(sorted(hours)), run.ended_at, run.error, run.failed_streams)
