"""Counts what runs did, when they end: the exporter's memory of them.

Belongs here: which tally an ended run moves, which runs were counted. Does not: finding ended runs
(`defs.instance_metrics`), the tallies' form (`tallies`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from clickstream_platform.model.hours import Hour
from clickstream_platform.observe.exporter import names
from clickstream_platform.observe.exporter.figures import BatchDone, CheckState, EndedRun
from clickstream_platform.observe.exporter.tallies import CustomerLabels, Tallies

SETTLING = timedelta(minutes=10)
"""A run is seen at most this long after its end; whoever looks for ended runs looks back so far each time."""
RUN_OUTCOMES = ("success", "failure", "canceled")
RECORD_OUTCOMES = ("loaded", "duplicate", "rejected")
STREAM_OUTCOMES = ("loaded", "already_loaded", "empty", "failed")
STEPS = ("freeze", "stage", "load")
LEVELS = ("step", "run")
CUSTOMER_COUNTERS = (
    names.OBJECTS,
    names.READ_BYTES,
    names.RECORDS,
    names.DISCARDS,
    names.STREAM_HOURS,
    names.COMMITS,
    names.COPIES,
    names.RETRIES,
    names.STEP_SECONDS,
    names.RUNS,
    names.RUN_SECONDS,
)
_VALUES = {
    names.RECORDS: RECORD_OUTCOMES,
    names.STREAM_HOURS: STREAM_OUTCOMES,
    names.RETRIES: LEVELS,
    names.STEP_SECONDS: STEPS,
    names.RUNS: RUN_OUTCOMES,
}


class RunCounting:
    """The tallies of ended runs, each run counted once however often it is seen."""

    def __init__(self, since: datetime, labels: CustomerLabels) -> None:
        """Count runs that end after `since`."""
        self.tallies, self._labels = Tallies(), labels
        self._counted_until = since
        self._counted: dict[str, datetime] = {}
        self.checks: dict[tuple[str, str], CheckState] = {}
        """The newest result by customer and check."""

    @property
    def look_back_to(self) -> datetime:
        """From where on to look for ended runs."""
        return self._counted_until - SETTLING

    def is_counted(self, run_id: str) -> bool:
        """Whether a run was counted already; it may also be so old that it is not known any more."""
        return run_id in self._counted

    def expect(self, customers: Iterable[str]) -> None:
        """Make the series of these customers, and forget those of customers that are no more."""
        alive = list(customers)
        self._labels.keep_only(alive)
        labels = {self._labels.label(customer) for customer in alive}
        for name in CUSTOMER_COUNTERS:
            self.tallies.drop_customers(name, {*labels, "", names.OTHER})
            for label in labels:
                for value in _VALUES.get(name, (None,)):
                    self.tallies.add(name, 0.0, label, *(() if value is None else (value,)))
        self.checks = {key: state for key, state in self.checks.items() if key[0] in set(alive)}

    def count(self, runs: Iterable[EndedRun], now: datetime) -> list[EndedRun]:
        """Count those of the runs that were not counted before; return them."""
        new = []
        floor = self._counted_until - SETTLING
        for run in sorted(runs, key=lambda each: each.ended_at):
            if run.run_id in self._counted or run.ended_at <= floor:
                continue
            self._counted[run.run_id] = run.ended_at
            # No further than now: a worker whose clock is ahead must not make older of what the others end.
            self._counted_until = max(self._counted_until, min(run.ended_at, now))
            self._count(run)
            new.append(run)
        floor = self._counted_until - SETTLING
        self._counted = {run_id: ended for run_id, ended in self._counted.items() if ended > floor}
        return new

    def _count(self, run: EndedRun) -> None:
        add, customer = self.tallies.add, self._labels.label(run.customer)
        add(names.RUNS, 1, customer, run.outcome)
        add(names.RUN_SECONDS, run.seconds, customer)
        add(names.RETRIES, run.step_retries, customer, "step")
        add(names.RETRIES, float(run.is_retry), customer, "run")
        add(names.STREAM_HOURS, len(run.failed_streams), customer, "failed")
        if run.started_at is not None:
            self.tallies.observe(names.RUN_DURATION, run.seconds)
            self.tallies.observe(names.QUEUE_DURATION, run.queue_seconds)
        for batch in run.batches:
            self._count_batch(batch, run)
        for check in run.checks:
            add(names.CHECK_RESULTS, 1, check.check, "failed" if check.has_failed else "passed")
            self.note_check(check)

    def _count_batch(self, batch: BatchDone, run: EndedRun) -> None:
        add, customer, counts = self.tallies.add, self._labels.label(batch.customer), batch.counts
        add(names.OBJECTS, counts.objects, customer)
        add(names.READ_BYTES, counts.bytes, customer)
        add(names.DISCARDS, counts.discarded, customer)
        add(names.COMMITS, batch.commits, customer)
        add(names.COPIES, batch.copies, customer)
        for outcome, records in zip(RECORD_OUTCOMES, (counts.rows, counts.duplicates, counts.rejected), strict=True):
            add(names.RECORDS, records, customer, outcome)
        for outcome, stream_hours in batch.outcomes.items():
            add(names.STREAM_HOURS, stream_hours, customer, outcome)
        for step, seconds in batch.step_seconds.items():
            add(names.STEP_SECONDS, seconds, customer, step)
        if batch.step_seconds.get("load"):
            self.tallies.observe(names.LOAD_DURATION, batch.step_seconds["load"])
        if batch.outcomes.get("loaded") and not run.is_backfill:
            delay = (run.ended_at - Hour.parse(batch.hour).end).total_seconds()
            self.tallies.observe(names.HOUR_DELAY, max(delay, 0.0))

    def note_check(self, check: CheckState) -> None:
        """Remember the newest result of a check."""
        known = self.checks.get((check.customer, check.check))
        if known is None or known.at <= check.at:
            self.checks[check.customer, check.check] = check

    def to_document(self) -> dict[str, Any]:
        """Return the written form."""
        return {
            **self.tallies.to_document(),
            "counted_until": self._counted_until.isoformat(),
            "counted": {run_id: ended.isoformat() for run_id, ended in self._counted.items()},
            "checks": [
                [s.customer, s.check, s.has_failed, s.at.isoformat(), s.run_id, s.text] for s in self.checks.values()
            ],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any], labels: CustomerLabels) -> RunCounting:
        """Read the written form."""
        counting = cls(datetime.fromisoformat(document["counted_until"]), labels)
        counting.tallies = Tallies.from_document(document)
        counting._counted = {run_id: datetime.fromisoformat(at) for run_id, at in document["counted"].items()}
        for customer, check, has_failed, at, run_id, text in document["checks"]:
            state = CheckState(customer, check, has_failed, datetime.fromisoformat(at), run_id, text)
            counting.checks[customer, check] = state
        return counting
