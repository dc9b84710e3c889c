"""Loads customer-hours: freeze the input, skip what the ledger has, stage, load, and report every stream by itself.

Belongs here: the order of the steps and what a failure of one stream means for the others. Does not: the steps.

A stream that fails alone (its object is gone, its rows are refused) is reported as failed and harms no other stream.
RetryableError (no warehouse, no object store) is raised: nothing can be done for anybody until it is back, and trying
again repeats nothing, since the ledger has what was loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

from clickstream_platform.errors import ClickstreamError, RetryableError, StaleStagingError, TerminalError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.model.staging import StagedBatch
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.admission import admit
from clickstream_platform.pipeline.freezing import freeze
from clickstream_platform.pipeline.load_spans import record_load
from clickstream_platform.pipeline.ports import (
    BatchStager,
    CustomerLoader,
    EventRegistry,
    HourStore,
    OpenLoader,
    StreamOutcome,
)
from clickstream_platform.pipeline.reports import CustomerHourReport, StreamReport, StreamStatus
from clickstream_platform.pipeline.rules import rejection_problem, schema_policy
from clickstream_platform.pipeline.stopwatch import Stopwatch
from clickstream_platform.registry.entities import Customer

MAX_STAGINGS = 3  # a table that changes this often while one hour is staged has another writer, which must not be

Progress = Callable[[str], None]


class Goal(IntEnum):
    """How far to go."""

    FREEZE = 1
    STAGE = 2
    LOAD = 3


@dataclass(frozen=True, slots=True)
class Order:
    """What to load: some events (default: all with objects) of one customer's hour.

    `replacing` names events to load even if the ledger has their input, each with the digest that the ledger has of
    the hour, or '': if another load commits meanwhile, that one stays and the event fails.
    """

    customer: str
    hour: Hour
    events: tuple[str, ...] | None = None
    replacing: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Batch:
    """One order while it is worked on."""

    customer: Customer
    hour: Hour
    run_id: str
    progress: Progress
    watch: Stopwatch = field(default_factory=Stopwatch)
    replacing: Mapping[str, str] = field(default_factory=dict)
    reports: dict[str, StreamReport] = field(default_factory=dict)
    schema: str = ""
    commits: int = 0
    copies: int = 0

    def fail(self, manifests: Mapping[str, Manifest], error: ClickstreamError) -> None:
        for event, manifest in manifests.items():
            self.reports[event] = StreamReport(event, StreamStatus.FAILED, manifest, error=error)


class CustomerHours:
    """Loads customer-hours with the parts it is given."""

    def __init__(
        self, store: HourStore, registry: EventRegistry, stager: BatchStager, open_loader: OpenLoader, clock: Clock
    ) -> None:
        """Work with these parts; `open_loader` is asked once per customer-hour and closed after it."""
        self._store, self._registry, self._stager = store, registry, stager
        self._open_loader, self._clock = open_loader, clock

    def freeze(self, customer: str, hour: Hour, events: Collection[str] | None = None) -> dict[str, Manifest]:
        """Write the manifests of these events (default: all with objects) and return them by event."""
        return freeze(self._store, customer, hour, events)

    def process_many(
        self, orders: Iterable[Order], run_id: str, progress: Progress = lambda _: None, goal: Goal = Goal.LOAD
    ) -> Iterator[CustomerHourReport]:
        """Process several customer-hours, each customer's in order of time, yielding each report as it is known.

        Hours that a load re-opens are processed too: they come after it, so this ends.
        """
        waiting = _merge(orders)
        while waiting:
            order = waiting.pop(min(waiting))
            report = self.process(order, run_id, progress, goal)
            yield report
            again = [Order(order.customer, hour, (s.event,)) for s in report.streams for hour in s.reopened]
            waiting = _merge((*waiting.values(), *again))

    def process(
        self, order: Order, run_id: str, progress: Progress = lambda _: None, goal: Goal = Goal.LOAD
    ) -> CustomerHourReport:
        """Process one customer-hour and report every event of it.

        Raises RetryableError when a part it needs is away, RegistryError for an unknown customer.
        """
        started_at = self._clock.now()
        customer = self._registry.get_customer(order.customer)
        batch = _Batch(customer, order.hour, run_id, progress, replacing=order.replacing)
        with batch.watch.measure("freeze"):
            manifests = self.freeze(order.customer, order.hour, order.events)
        progress(f"{order.customer} {order.hour}: froze {len(manifests)} events")
        admission = admit(self._registry, order.customer, order.hour, tuple(manifests))
        for event, reason in admission.skipped.items():
            batch.reports[event] = StreamReport(event, StreamStatus.SKIPPED, manifests[event], reason=reason)
        for event in set(order.events or ()) - manifests.keys():
            batch.reports[event] = StreamReport(event, StreamStatus.EMPTY)
        wanted = {event: manifests[event] for event in admission.events}
        if goal == Goal.FREEZE:
            batch.reports |= {e: StreamReport(e, StreamStatus.FROZEN, m) for e, m in wanted.items()}
        elif wanted:
            with self._open_loader(batch.customer) as loader:
                batch.schema = loader.schema
                self._stage_and_load(batch, loader, wanted, goal)
        streams = tuple(batch.reports[event] for event in sorted(batch.reports))
        report = CustomerHourReport(
            order.customer, order.hour, streams, batch.watch.seconds, batch.schema, batch.commits, batch.copies
        )
        progress(report.summary())
        record_load(report, run_id, started_at, batch.watch.intervals)
        return report

    def _stage_and_load(
        self, batch: _Batch, loader: CustomerLoader, wanted: Mapping[str, Manifest], goal: Goal
    ) -> None:
        if goal == Goal.LOAD:
            digests = {event: manifest.digest for event, manifest in wanted.items() if event not in batch.replacing}
            done = loader.already_loaded(batch.customer.slug, batch.hour, digests)
            for event, entry in done.items():
                table, status = event if entry.counts.rows else None, StreamStatus.ALREADY_LOADED
                batch.reports[event] = StreamReport(event, status, wanted[event], entry.counts, table, staged=True)
            wanted = {event: manifest for event, manifest in wanted.items() if event not in done}
        if not wanted:
            return
        try:
            self._do(batch, loader, wanted, goal)
        except TerminalError as error:
            if len(wanted) == 1:
                batch.fail(wanted, error)
                return
            # Which of the events is at fault is not known: each gets a batch of its own.
            batch.progress(f"{batch.customer.slug} {batch.hour}: {error} Trying each of {len(wanted)} events alone")
            for event, manifest in wanted.items():
                self._stage_and_load(batch, loader, {event: manifest}, goal)

    def _do(self, batch: _Batch, loader: CustomerLoader, wanted: Mapping[str, Manifest], goal: Goal) -> None:
        """Stage and load together; a table that changed meanwhile is a reason to stage again."""
        started_at = self._clock.now()
        for attempt in range(1, MAX_STAGINGS + 1):
            with batch.watch.measure("stage"):
                staged, wanted = self._stage_bearable(batch, loader, wanted)
            if staged is None:
                return
            if goal == Goal.STAGE:
                batch.reports |= {event: _staged_report(staged, event, wanted[event]) for event in wanted}
                return
            try:
                with batch.watch.measure("load"):
                    report = loader.load(staged, run_id=batch.run_id, started_at=started_at, replacing=batch.replacing)
            except StaleStagingError:
                if attempt == MAX_STAGINGS:
                    raise
                stale = wanted
            else:
                outcomes = report.outcomes
                batch.commits += report.commits
                batch.copies += report.copies
                batch.reports |= {each.event: _loaded_report(staged, each, wanted[each.event]) for each in outcomes}
                stale = {
                    each.event: wanted[each.event] for each in outcomes if isinstance(each.error, StaleStagingError)
                }
            if not stale:
                return
            wanted = stale
            batch.progress(f"{batch.customer.slug} {batch.hour}: {len(stale)} tables changed meanwhile; staging again")

    def _stage_bearable(
        self, batch: _Batch, loader: CustomerLoader, wanted: Mapping[str, Manifest]
    ) -> tuple[StagedBatch | None, Mapping[str, Manifest]]:
        """Stage, fail the streams with too many rejected records, and stage again without them if there are others."""
        staged = self._stage(batch, loader, wanted)
        refused = _refused(batch, staged, wanted)
        if not refused:
            return staged, wanted
        batch.reports |= refused
        wanted = {event: manifest for event, manifest in wanted.items() if event not in refused}
        for report in refused.values():
            batch.progress(str(report.error))
        # No stream's records change how another is staged, so none can get worse.
        return (self._stage(batch, loader, wanted) if wanted else None), wanted

    def _stage(self, batch: _Batch, loader: CustomerLoader, wanted: Mapping[str, Manifest]) -> StagedBatch:
        customer = batch.customer.slug
        states = loader.table_states(customer, batch.hour, tuple(wanted))
        rules = schema_policy(batch.customer.policy, loader, self._registry.contracts_in_force(customer))
        staged = self._stager.stage(customer, batch.hour, wanted, states, rules, loader.max_abs_integer)
        rows = sum(stream.counts.rows for stream in staged.streams)
        batch.progress(f"{customer} {batch.hour}: staged {rows} rows of {len(wanted)} events")
        return staged


def _refused(batch: _Batch, staged: StagedBatch, wanted: Mapping[str, Manifest]) -> dict[str, StreamReport]:
    """Return the failures of the streams with more rejected records than the customer's policy bears."""
    refused = {}
    for each in staged.streams:
        stream = Stream(staged.customer, each.event)
        problem = rejection_problem(batch.customer.policy, stream, f"{stream} {staged.hour}", each.counts)
        if problem is not None:
            report = _staged_report(staged, each.event, wanted[each.event])
            refused[each.event] = replace(report, status=StreamStatus.FAILED, error=problem)
    return refused


def _staged_report(batch: StagedBatch, event: str, manifest: Manifest) -> StreamReport:
    stream = next(stream for stream in batch.streams if stream.event == event)
    table = batch.table_of(event)
    return StreamReport(
        event,
        StreamStatus.STAGED,
        manifest,
        stream.counts,
        table.table if table else None,
        table.columns if table else (),
        stream.quarantine_key,
        staged=True,
        contract_version=stream.contract_version,
        broken_records=stream.broken_records,
    )


def _loaded_report(batch: StagedBatch, outcome: StreamOutcome, manifest: Manifest) -> StreamReport:
    staged = _staged_report(batch, outcome.event, manifest)
    if outcome.error is not None:
        return replace(staged, status=StreamStatus.FAILED, error=outcome.error)
    # The loader knows duplicates of other hours, which staging can't.
    return replace(
        staged,
        status=StreamStatus.LOADED,
        counts=outcome.counts or staged.counts,
        table=outcome.table,
        reopened=outcome.reopened,
    )


def _merge(orders: Iterable[Order]) -> dict[tuple[str, Hour], Order]:
    """Return one order per customer-hour."""
    merged: dict[tuple[str, Hour], Order] = {}
    for order in orders:
        key = (order.customer, order.hour)
        known = merged.get(key, order)
        is_all = known.events is None or order.events is None
        events = None if is_all else tuple(dict.fromkeys((*(known.events or ()), *(order.events or ()))))
        merged[key] = Order(*key, events, {**known.replacing, **order.replacing})
    return merged


def is_worth_retrying(reports: Iterable[CustomerHourReport]) -> bool:
    """Whether anything that failed may succeed by itself later."""
    return any(isinstance(stream.error, RetryableError) for report in reports for stream in report.failed)
