"""Getting a batch loaded whatever happens: together, then without whoever failed, then one by one.

Belongs here: which streams share a transaction, and what became of each. Does not: what a transaction does
(`load.hour_load`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clickstream_platform.errors import (
    ClickstreamError,
    RetryableError,
    StaleStagingError,
    StatementStoppedError,
    TerminalError,
    WarehouseUnavailableError,
)
from clickstream_platform.load.hour_load import HourLoad, LoadStamp, packs_of, stage_packs
from clickstream_platform.load.ledger import NEVER_LOADED, EventSums, LedgerRow, read_event_sums
from clickstream_platform.load.plan import PLATFORM_TABLES, LoadPlan, plan_load
from clickstream_platform.load.port import PartLocator, Session, Warehouse
from clickstream_platform.load.queries import ReadLoads
from clickstream_platform.load.report import LoadOutcome, LoadStatus
from clickstream_platform.load.retry import RetryPolicy
from clickstream_platform.load.schema_steps import apply_change
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.model.staging import StagedBatch, StagedStream
from clickstream_platform.model.streams import LOADS

# A stream that fails is set apart and the others are loaded together again: one broken stream among a thousand must not
# cost a thousand commits. With more than this many broken ones, every remaining stream gets a transaction of its own.
MAX_SET_APART = 3
# What trying again in the same way can't change; the rest is retried.
_LASTING = (TerminalError, StaleStagingError)


@dataclass(frozen=True, slots=True)
class Tools:
    """What a load works with; `window` is the dedup window either side."""

    warehouse: Warehouse
    schema: str
    clock: Clock
    locate: PartLocator
    window: timedelta
    retry: RetryPolicy


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a transaction was rolled back, and because of which event, if it was because of one."""

    error: ClickstreamError
    event: str | None = None


@dataclass
class BatchLoad:
    """The load of one batch, with its counts of commits, SQL statements and packs read.

    `replacing` names events that are loaded though the ledger has their input, each with the digest that the ledger had
    when they were asked for, or '': what another load has committed since is not undone.
    """

    tools: Tools
    batch: StagedBatch
    run_id: str
    started_at: datetime
    replacing: Mapping[str, str] = field(default_factory=dict)
    commits: int = 0
    statements: int = 0
    copies: int = 0
    _outcomes: dict[str, LoadOutcome] = field(default_factory=dict)
    _current: str | None = None  # the event that the last statement was for

    def run(self) -> tuple[LoadOutcome, ...]:
        """Load all streams; return their outcomes in order. Raises WarehouseUnavailableError before any was loaded."""
        apart = self._load_together(self.batch.streams)
        if apart:
            self._load_singly(apart)
        return tuple(self._outcomes[stream.event] for stream in self.batch.streams)

    def _load_together(self, streams: Sequence[StagedStream]) -> list[StagedStream]:
        """Load in one transaction; return the streams that must be tried on their own."""
        apart: list[StagedStream] = []
        while streams:
            failure = self._try_together(tuple(streams))
            if failure is None:
                break
            if len(self.batch.streams) == 1:
                self._note_failure(streams[0].event, failure.error)
                break
            if failure.event is None or len(apart) == MAX_SET_APART:
                return [*apart, *streams]
            apart.extend(stream for stream in streams if stream.event == failure.event)
            streams = [stream for stream in streams if stream.event != failure.event]
        return apart

    def _try_together(self, streams: Sequence[StagedStream]) -> _Failure | None:
        try:
            return self.tools.retry.call(lambda: self._in_new_session(streams))
        except StatementStoppedError as error:
            if self._current is None:
                raise
            return _Failure(error, self._current)

    def _load_singly(self, streams: Sequence[StagedStream]) -> None:
        """Give each stream a transaction of its own; whatever happens to one is its own outcome."""
        remaining = list(streams)
        try:
            self.tools.retry.call(lambda: self._drain(remaining))
        except RetryableError as error:
            for stream in remaining:
                self._note_failure(stream.event, error)

    def _in_new_session(self, streams: Sequence[StagedStream]) -> _Failure | None:
        with self._session() as session:
            return self._transaction(session, streams)

    def _drain(self, remaining: list[StagedStream]) -> None:
        """Load the streams in turn on one connection, which reads every pack once; a loaded stream leaves the list."""
        with self._session() as session:
            staged: dict[int, _Failure | None] = {}
            while remaining:
                stream = remaining[0]
                try:
                    failure = self._stage(session, stream, staged) or self._transaction(session, [stream], staged)
                except StatementStoppedError as error:
                    failure = _Failure(error)
                if failure is not None:
                    self._note_failure(stream.event, failure.error)
                del remaining[0]

    def _stage(self, session: Session, stream: StagedStream, staged: dict[int, _Failure | None]) -> _Failure | None:
        """Stage a stream's packs outside the transaction, so that they outlive a rollback; return why it failed."""
        table = self.batch.table_of(stream.event)
        packs = packs_of(self.batch, [] if table is None else [table])
        for number in sorted(packs - staged.keys()):
            try:
                for statement in stage_packs(self.batch, [number], self.tools.locate):
                    session.execute(statement)
                staged[number] = None
            except TerminalError as error:
                staged[number] = _Failure(error)
        return next((failure for number in sorted(packs) if (failure := staged[number]) is not None), None)

    def _transaction(
        self, session: Session, streams: Sequence[StagedStream], staged: Collection[int] = ()
    ) -> _Failure | None:
        """Load some streams in one transaction; roll back and return the failure if it can't be."""
        load: HourLoad | None = None
        self._current = None
        try:
            session.begin()
            plan = self._plan(session, streams)
            if plan.streams:
                stamp = LoadStamp(self.run_id, self.started_at, self.tools.clock.now())
                load = HourLoad(session, plan, stamp, self.tools.window)
                load.run(self.tools.locate, staged=staged)
                load.write_ledger(self.tools.clock.now())
                session.commit()
                self.commits += 1
        except _LASTING as error:
            return _Failure(error, load.current if load is not None else self._current)
        finally:
            if load is not None:
                self._current = load.current
            session.rollback()
        for event, reason in plan.refused.items():
            self._note_failure(event, reason)
        if load is not None:
            self._note_loaded(load)
        return None

    def _plan(self, session: Session, streams: Sequence[StagedStream]) -> LoadPlan:
        """Read what the warehouse has and plan; make the changes that can't be in the transaction, and plan again."""
        plan = self._read_and_plan(session, streams)
        outside = [change for change in plan.changes if not self.tools.warehouse.is_transactional(change)]
        if not outside:
            return plan
        session.rollback()
        events = {stream.event for stream in streams}
        for change in outside:
            self._current = change.table if change.table in events else None
            apply_change(session, plan, change)
        self._current = None
        session.begin()
        return self._read_and_plan(session, streams)

    def _read_and_plan(self, session: Session, streams: Sequence[StagedStream]) -> LoadPlan:
        columns = session.columns([*(stream.event for stream in streams), *PLATFORM_TABLES])
        sums = read_event_sums(session, self.batch.customer, self.batch.hour) if LOADS in columns else {}
        done, overtaken = self._sort_out(streams, sums)
        if done:
            for row in map(LedgerRow.of, session.fetch(ReadLoads(self.batch.customer, self.batch.hour))):
                if row.event in done:
                    table = row.event if row.counts.rows else None
                    self._outcomes[row.event] = LoadOutcome(row.event, LoadStatus.ALREADY_LOADED, row.counts, table)
        for event in overtaken:
            self._note_failure(event, self._overtaken(event))
        rest = [stream for stream in streams if stream.event not in done | overtaken]
        return plan_load(self.batch, rest, sums, columns)

    def _sort_out(self, streams: Sequence[StagedStream], sums: Mapping[str, EventSums]) -> tuple[set[str], set[str]]:
        """Return the events that are loaded, and those to be replaced of which the ledger now has another input."""
        done, overtaken = set(), set()
        for stream in streams:
            has = sums.get(stream.event, NEVER_LOADED).digest or ""  # none either when the hour was re-opened
            if has and has != self.replacing.get(stream.event):
                if has == stream.digest:
                    done.add(stream.event)
                elif stream.event in self.replacing:
                    overtaken.add(stream.event)
        return done, overtaken

    def _overtaken(self, event: str) -> WarehouseUnavailableError:
        return WarehouseUnavailableError(
            "loading again",
            where=f"{self.batch.customer}/{event} {self.batch.hour}",
            cause="another load of other raw objects was committed meanwhile, and stays",
            remedy="Replay the hour again.",
        )

    def _note_loaded(self, load: HourLoad) -> None:
        for event, counts in load.counts.items():
            table = event if counts.rows else None
            reopened = load.reopened.get(event, ())
            self._outcomes[event] = LoadOutcome(event, LoadStatus.LOADED, counts, table, reopened=reopened)

    def _note_failure(self, event: str, error: ClickstreamError) -> None:
        self._outcomes[event] = LoadOutcome(event, LoadStatus.FAILED, error=error)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with self.tools.warehouse.session(self.tools.schema) as session:
            try:
                yield session
            finally:
                self.statements += session.statements
                self.copies += session.copies
