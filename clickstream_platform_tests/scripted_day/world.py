"""The platform's surroundings on the day: what listings, ledgers, Dagster and the registry tell at a moment.

Belongs here: answers in the forms of the real sources. Does not: what happens (`story`), looking at it (`living`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, cast

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.load.ledger_row import LedgerRow
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey, hour_of_prefix
from clickstream_platform.model.schemas import LOADS_COLUMNS
from clickstream_platform.model.streams import Stream
from clickstream_platform.observe.exporter.figures import (
    BatchDone,
    DaemonState,
    EndedRun,
    FailedStream,
    InstanceFigures,
    LocationState,
    OpenRun,
    SensorState,
    WorkspaceFigures,
)
from clickstream_platform.pipeline.freshness.ports import LedgerAnswer, LedgerQuestion
from clickstream_platform.pipeline.platform_sources import RegistryFigures
from clickstream_platform.registry.entities import Customer, Destination, Event, EventState, Policy, Snapshot
from clickstream_platform.registry.reader import RegistryReader
from clickstream_platform_tests.scripted_day import story
from clickstream_platform_tests.scripted_day.story import CUSTOMERS, MIDNIGHT, Run

RECORD_BYTES = 100
_COLUMN_NAMES = [column.name for column in LOADS_COLUMNS]


@dataclass(frozen=True, slots=True)
class Listed:
    """One raw object in a listing."""

    key: str
    size: int
    modified: datetime


class Surroundings:
    """Everything outside the code under test, as of the clock's moment."""

    def __init__(self, clock: FixedClock) -> None:
        """Prepare four weeks of the past and the day's runs."""
        self.clock = clock
        self._listings: dict[Hour, list[Listed]] = {}
        first = Hour.of(MIDNIGHT).plus(-24 * story.HISTORY_DAYS)
        self._hours = [first.plus(number) for number in range(24 * story.HISTORY_DAYS + 26)]
        self.runs = [run for hour in self._hours for customer in CUSTOMERS for run in story.runs_of(customer, hour)]
        self.runs.sort(key=lambda run: run.ended_at)
        self._rows = self._ledger_rows()

    def _ledger_rows(self) -> dict[Hour, list[LedgerRow]]:
        rows: dict[Hour, list[LedgerRow]] = {}
        for run in self.runs:
            for stream in run.loads():
                count = story.records(stream, run.hour)
                if count:
                    counts = StreamCounts(1, count * RECORD_BYTES, count, count)
                    row = LedgerRow(
                        stream.customer, stream.event, run.hour, "d", counts, run.run_id, run.started_at, run.ended_at
                    )
                    rows.setdefault(run.hour, []).append(row)
        return rows

    # The object store

    def list_objects(self, prefix: str) -> Iterator[Listed]:
        """List an hour's raw objects: one for each stream with records, written in the course of the hour."""
        hour = hour_of_prefix(prefix)
        if hour not in self._listings:
            found = [
                Listed(
                    str(RawObjectKey(hour, stream, "s", "1", "2")),
                    count * RECORD_BYTES,
                    hour.start + timedelta(minutes=5 + 50 * story.chance(stream, hour, "written")),
                )
                for customer in CUSTOMERS
                for stream in story.streams_of(customer)
                if (count := story.records(stream, hour))
            ]
            self._listings[hour] = sorted(found, key=lambda each: each.key)
        now = self.clock.now()
        return (each for each in self._listings[hour] if each.modified <= now)

    # The ledgers

    def read(self, snapshot: Snapshot, question: LedgerQuestion) -> Iterator[LedgerAnswer]:
        """Answer as a warehouse that all customers share."""
        now = self.clock.now()
        wanted = self._hours if question.hours is None else question.hours
        places = [_COLUMN_NAMES.index(name) for name in question.columns]
        rows = []
        for hour in wanted:
            if hour < question.since:
                continue
            for row in self._rows.get(hour, ()):
                is_wanted = row.customer in question.customers and question.events is None
                is_wanted |= question.events is not None and row.event in question.events
                if is_wanted and row.customer in question.customers and row.committed_at <= now:
                    values = row.values()
                    rows.append([values[place] for place in places])
        yield LedgerAnswer("warehouse", tuple(question.customers), rows)

    # Dagster

    def read_instance(self, now: datetime, customers: Iterable[str]) -> InstanceFigures:
        """Return the runs that go on, and how daemons and sensors are."""
        going = tuple(_open(run, now) for run in self._day_runs if run.created_at <= now < run.ended_at)
        minute = int((now - MIDNIGHT).total_seconds() // 60)
        beat = story.at(story.HEARTBEAT_GAP.start) if minute in story.HEARTBEAT_GAP else now - timedelta(seconds=15)
        daemons = tuple(DaemonState(name, beat, 0) for name in ("SENSOR", "QUEUED_RUN_COORDINATOR"))
        sensors = tuple(
            SensorState(name, True, 30.0, now - timedelta(seconds=20), 1.0) for name in ("hours", "freshness")
        )
        return InstanceFigures(now, {"started": len(going)}, going, daemons, sensors, 0)

    def read_ended_runs(
        self, since: datetime, customers: Iterable[str], is_known: Callable[[str], bool]
    ) -> Iterator[Sequence[EndedRun]]:
        """Yield what ended."""
        now = self.clock.now()
        yield [_ended(run) for run in self._day_runs if since < run.ended_at <= now and not is_known(run.run_id)]

    def read_past_runs(self, since: datetime, customers: Iterable[str]) -> list[EndedRun]:
        """Return what ended before the day began to be watched."""
        now = self.clock.now()
        return [_ended(run) for run in self.runs if since < run.ended_at <= now]

    def read_workspace(self, now: datetime) -> WorkspaceFigures | None:
        """Return the code location, which is away while it is reloaded."""
        is_up = int((now - MIDNIGHT).total_seconds() // 60) not in story.RELOADING
        return WorkspaceFigures(now, True, (LocationState("clickstream_platform", is_up),))

    @cached_property
    def _day_runs(self) -> list[Run]:
        return [run for run in self.runs if run.ended_at > MIDNIGHT - timedelta(hours=3)]

    # The registry

    def read_registry(self) -> RegistryFigures:
        """Return the customers; while it is away, those of its snapshot."""
        minute = int((self.clock.now() - MIDNIGHT).total_seconds() // 60)
        if minute in story.REGISTRY_AWAY:
            age = (minute - story.REGISTRY_AWAY.start) * 60.0 + 5.0
            return RegistryFigures(CUSTOMERS, "ConnectionRefusedError", age)
        return RegistryFigures(CUSTOMERS, "", 5.0)

    @property
    def registry(self) -> RegistryReader:
        """The part of the registry that the looks use."""
        return cast(RegistryReader, self)

    def snapshot(self) -> Snapshot:
        """Return all customers and events."""
        return self._snapshot

    @cached_property
    def _snapshot(self) -> Snapshot:
        long_ago = MIDNIGHT - timedelta(days=90)
        customers = tuple(Customer(slug, slug, Policy(), "warehouse", False, long_ago) for slug in CUSTOMERS)
        events = tuple(
            Event(each.customer, each.event, each.event, EventState.ACTIVE, story.DEADLINE_MINUTES, long_ago, None)
            for slug in CUSTOMERS
            for each in story.streams_of(slug)
        )
        return Snapshot(customers, events, (Destination("warehouse", "duckdb", {}),), "e", long_ago)


def _open(run: Run, now: datetime) -> OpenRun:
    is_started = run.started_at <= now
    started = run.started_at if is_started else None
    changed = run.started_at if is_started else run.created_at
    state = "started" if is_started else "queued"
    limit = story.RUN_LIMIT_SECONDS
    return OpenRun(run.run_id, run.customer, state, run.created_at, changed, started, limit, str(run.hour))


def _ended(run: Run) -> EndedRun:
    hour = str(run.hour)
    loaded: list[Stream] = list(run.loads())
    count = sum(story.records(stream, run.hour) for stream in loaded)
    batches: Any = ()
    if loaded:
        batches = (BatchDone(run.customer, hour, StreamCounts(1, count, count, count), {"loaded": len(loaded)}),)
    return EndedRun(
        run.run_id,
        run.customer,
        run.outcome,
        run.created_at,
        run.started_at,
        run.ended_at,
        is_retried=run.is_retried,
        failed_streams=tuple(FailedStream(event, hour, "LoadError") for event in run.failed),
        hour=hour,
        batches=batches,
    )
