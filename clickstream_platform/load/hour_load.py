"""One transaction's work, between BEGIN and COMMIT: the whole ordered story of docs/load.md.

Belongs here: the order of statements and the proof that their row counts add up. Does not: transactions and retries
(`load.loader`), deciding what to load (`load.plan`), `users` and `accounts` (`load.newest_steps`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clickstream_platform.errors import ReconciliationError
from clickstream_platform.load.late import LateRows, find_late
from clickstream_platform.load.ledger_row import LedgerRow
from clickstream_platform.load.newest_steps import NewestSteps
from clickstream_platform.load.plan import LoadPlan, is_track, own_columns, pack_name
from clickstream_platform.load.port import PartLocator, Session
from clickstream_platform.load.queries import CountVanished, ReadLoads
from clickstream_platform.load.schema_steps import apply_change
from clickstream_platform.load.statements import (
    AdjustLater,
    CreateFilled,
    CreateSchema,
    DeleteHour,
    DeleteLater,
    DeleteLoads,
    InsertLoads,
    InsertStaged,
    PartLocation,
    ReopenHours,
    StagePack,
)
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.staging import StagedBatch, StagedStream, StagedTable
from clickstream_platform.model.streams import DISCARDS, LOADS, TRACKS

_NOTHING_LATE = LateRows()


@dataclass(frozen=True, slots=True)
class LoadStamp:
    """What a load writes beside the data: its run, when it was asked for, and `now`, which becomes `uuid_ts`."""

    run_id: str
    started_at: datetime
    now: datetime


@dataclass
class HourLoad:
    """Carries out a plan. `current` names the event being worked on, None while the work is everybody's."""

    session: Session
    plan: LoadPlan
    stamp: LoadStamp
    window: timedelta
    current: str | None = None
    counts: dict[str, StreamCounts] = field(default_factory=dict)
    reopened: dict[str, tuple[Hour, ...]] = field(default_factory=dict)
    _late: dict[str, LateRows] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Know the staged rows by table."""
        loaded = {stream.event for stream in self.plan.streams}
        self._tables = {table.table: table for table in self.plan.batch.tables if table.table in loaded}

    def run(self, locate: PartLocator, *, staged: Collection[int] = ()) -> None:
        """Do everything between BEGIN and COMMIT; packs in `staged` are readable already."""
        self._change_schema()
        packs = packs_of(self.plan.batch, self._tables.values()) - set(staged)
        for statement in stage_packs(self.plan.batch, packs, locate):
            self.session.execute(statement)
        self._late = find_late(self.session, self.plan, list(self._tables.values()), self.window)
        newest = NewestSteps(self.session, self.plan, self._tables, self.stamp.now)
        deleted = {event: late.to_delete for event, late in self._late.items()}
        newest.note_before(deleted)
        for stream in self.plan.streams:
            self.current = stream.event
            self._load_stream(stream)
        self.current = None
        self._load_tracks()
        self._load_discards()
        newest.write(deleted)

    def write_ledger(self, committed_at: datetime) -> None:
        """Write the ledger rows: the last thing before COMMIT."""
        batch, plan = self.plan.batch, self.plan
        replaced = tuple(stream.event for stream in plan.streams if plan.sums_of(stream.event).digest is not None)
        if replaced:
            self.session.execute(DeleteLoads(batch.customer, batch.hour, replaced))
        later = sum(len(late.later) for late in self._late.values())
        if later:
            self._expect(self.session.execute(AdjustLater(batch.customer)), later, LOADS)
        for event, hours in self.reopened.items():
            self.session.execute(ReopenHours(batch.customer, event, hours))
        rows = tuple(
            LedgerRow(
                batch.customer,
                stream.event,
                batch.hour,
                stream.digest,
                self.counts[stream.event],
                self.stamp.run_id,
                self.stamp.started_at,
                committed_at,
            )
            for stream in plan.streams
        )
        self._expect(self.session.execute(InsertLoads(rows)), len(rows), LOADS)

    def _change_schema(self) -> None:
        if LOADS not in self.plan.columns:
            self.session.execute(CreateSchema())
        for change in self.plan.changes:
            self.current = change.table if change.table in self._tables else None
            apply_change(self.session, self.plan, change)
        self.current = None

    def _load_stream(self, stream: StagedStream) -> None:
        """Replace the hour in the event's own table and settle the stream's counts."""
        event, hour = stream.event, self.plan.batch.hour
        table, late = self._tables.get(event), self._late.get(event, _NOTHING_LATE)
        if self.plan.sums_of(event).rows:
            self._reopen_if_ids_vanish(event, table)
            self.session.execute(DeleteHour(event, hour))
        if late.to_delete:
            self._expect(self.session.execute(DeleteLater(event, event)), late.to_delete, event)
        counts = stream.counts.with_late_duplicates(late.here)
        counts.check(self._where(event))
        inserted = 0 if table is None else self._insert(table, event if late.here else None)
        self._expect(inserted, counts.rows, event)
        self.counts[event] = counts

    def _load_tracks(self) -> None:
        plan, tracks = self.plan, self.plan.batch.tracks
        events = [stream.event for stream in plan.streams if is_track(stream.event)]
        replaced = tuple(event for event in events if plan.sums_of(event).rows)
        if replaced:
            self.session.execute(DeleteHour(TRACKS, plan.batch.hour, replaced))
        late = [self._late[event] for event in events if event in self._late]
        to_delete = sum(each.to_delete for each in late)
        if to_delete:
            self._expect(self.session.execute(DeleteLater(TRACKS, None)), to_delete, TRACKS)
        expected = sum(self.counts[event].rows for event in events)
        inserted = 0
        if tracks is not None and any(event in self._tables for event in events):
            inserted = self._insert(tracks, "" if any(each.here for each in late) else None, by_event=True)
        self._expect(inserted, expected, TRACKS)

    def _load_discards(self) -> None:
        """Replace the hour's discards; those of late duplicates stay: what did not fit is true of the input."""
        plan, discards = self.plan, self.plan.batch.discards
        replaced = tuple(stream.event for stream in plan.streams if plan.sums_of(stream.event).digest is not None)
        if replaced:
            self.session.execute(DeleteHour(DISCARDS, plan.batch.hour, replaced))
        if discards is not None:
            rows = plan.rows_of(discards, by_event=True)
            statement = InsertStaged(DISCARDS, own_columns(discards), rows, plan.batch.hour, None)
            inserted = self.session.execute(statement)
            if not plan.is_partial:
                self._expect(inserted, discards.rows, DISCARDS)

    def _insert(self, table: StagedTable, late_event: str | None, *, by_event: bool = False) -> int:
        rows = self.plan.rows_of(table, by_event=by_event)
        hour, now = self.plan.batch.hour, self.stamp.now
        statement = InsertStaged(table.table, own_columns(table), rows, hour, now, late_event)
        exists = table.table in self.plan.columns
        return self.session.execute(statement if exists else CreateFilled(statement))

    def _reopen_if_ids_vanish(self, event: str, table: StagedTable | None) -> None:
        """Mark later hours for loading again when ids leave this hour: they may have lost rows to it."""
        plan, hour = self.plan, self.plan.batch.hour
        if not plan.sums_of(event).later_duplicates:
            return
        rows = None if table is None else plan.rows_of(table)
        if not self.session.fetch(CountVanished(event, hour, rows))[0][0]:
            return
        until = Hour.of(hour.end + self.window)
        loads = map(LedgerRow.of, self.session.fetch(ReadLoads(plan.batch.customer, event=event)))
        hours = tuple(row.hour for row in loads if hour < row.hour <= until and row.counts.duplicates)
        if hours:
            self.reopened[event] = hours

    def _where(self, event: str) -> str:
        return f"{self.plan.batch.customer}/{event} {self.plan.batch.hour}"

    def _expect(self, actual: int, expected: int, table: str) -> None:
        if actual != expected:
            raise ReconciliationError(
                f"writing {table!r}",
                where=self._where(self.current or "all events"),
                cause=f"{actual} rows were written, {expected} were counted",
                remedy="Nothing was committed. Stage the hour again; if it stays, keep the raw objects and report it.",
            )


def packs_of(batch: StagedBatch, tables: Collection[StagedTable]) -> set[int]:
    """Return the numbers of the packs that these tables, `tracks` and `_discards` are read from."""
    packs = {table.pack for table in tables}
    if batch.tracks is not None and any(is_track(table.table) for table in tables):
        packs.add(batch.tracks.pack)
    if batch.discards is not None:
        packs.add(batch.discards.pack)
    return packs


def stage_packs(batch: StagedBatch, numbers: Collection[int], locate: PartLocator) -> Sequence[StagePack]:
    """Return the statements that make packs readable, in order."""
    return [
        StagePack(
            pack_name(number),
            tuple(PartLocation(locate(part), part.size, part.rows) for part in batch.packs[number].parts),
            batch.packs[number].columns,
            batch.packs[number].shared,
        )
        for number in sorted(numbers)
    ]
