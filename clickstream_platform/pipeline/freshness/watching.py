"""The watch over all streams: looks at arrivals and ledgers as little as it can, and judges every stream at each look.

Only what may have changed is looked at. The newest closed hours are listed at each look, older ones in turn as long as
there is time; the ledger of a customer is read when something arrived that is not known to be loaded; the history of a
stream when its newest hours are empty. So a look at twenty thousand streams takes seconds, and in between the warehouse
is left alone. A look that finds a part away goes on with what was known and says so.

Belongs here: what is looked at when. Does not: the verdict (`judging`), failed runs (the caller knows them).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.model.hours import Hour, hour_range
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.model.streams import UNIDENTIFIED
from clickstream_platform.pipeline.freshness.arrivals import Arrivals
from clickstream_platform.pipeline.freshness.facts import LoadFailure, StreamFacts
from clickstream_platform.pipeline.freshness.grid import HourGrid
from clickstream_platform.pipeline.freshness.histories import Histories
from clickstream_platform.pipeline.freshness.judging import judge, newest_due_hour
from clickstream_platform.pipeline.freshness.ports import ArrivalStore, LedgerQuestion, LedgerSource
from clickstream_platform.pipeline.freshness.report import FreshnessReport, assemble
from clickstream_platform.pipeline.freshness.silence import silence_of
from clickstream_platform.pipeline.freshness.troubles import Troubles
from clickstream_platform.pipeline.freshness.watched import Selection, WatchedStream, WatchOptions
from clickstream_platform.pipeline.stopwatch import Stopwatch
from clickstream_platform.registry.entities import EventState, Snapshot
from clickstream_platform.registry.reader import RegistryReader

_COLUMNS = ("customer", "event", "hour", "input_digest", "objects", "bytes")
MAX_QUESTIONS = 4
"""Questions to each warehouse at one look; customers with the same missing hours share one."""
MAX_STALE_ROWS = 5_000
"""Rows of streams that are gone; with more of them the watch begins anew."""


class WatchMemory:
    """What a watch keeps between two looks; for one watch at a time."""

    def __init__(self, options: WatchOptions | None = None) -> None:
        """Know nothing yet."""
        self.options = options or WatchOptions()
        self.selection = Selection(self.options)
        self.histories = Histories()
        self.troubles = Troubles()
        self.begin()

    def begin(self) -> None:
        """Forget what arrived and what is loaded."""
        self.grid = HourGrid(self.options.window_hours)
        self.arrivals = Arrivals(self.grid, self.options.customer)
        self.listed: set[Hour] = set()
        self.resume: Hour | None = None

    def prepare(self, watched: Sequence[WatchedStream], now: datetime) -> None:
        """Make room for the streams and the hours of a look."""
        if len(self.grid.streams) - len(watched) > MAX_STALE_ROWS:
            self.begin()
        self.grid.add(each.stream for each in watched)
        self.grid.move_to(Hour.of(now))
        self.listed = {hour for hour in self.listed if self.grid.has(hour)}


class FreshnessWatch:
    """Judges every stream of a registry at each `look`; not for several threads at once.

    It remembers: keep it, or give its memory to the next one.
    """

    def __init__(
        self,
        registry: RegistryReader,
        store: ArrivalStore,
        ledgers: LedgerSource,
        clock: Clock,
        options: WatchOptions | None = None,
        *,
        memory: WatchMemory | None = None,
    ) -> None:
        """Go on from a memory, whose options then hold, or begin anew."""
        self._registry, self._store, self._ledgers, self._clock = registry, store, ledgers, clock
        self._memory = memory or WatchMemory(options)
        self._options, self._troubles = self._memory.options, self._memory.troubles

    def look(self, failures: Iterable[LoadFailure] = ()) -> FreshnessReport:
        """Return the state of all streams; raise RegistryUnavailableError when not even an old snapshot is there."""
        watch, now = Stopwatch(), self._clock.now()
        figures: dict[str, float] = {}
        with watch.measure("snapshot"):
            snapshot = self._registry.snapshot()
            watched, unwatched = self._memory.selection.select(snapshot)
            self._memory.prepare(watched, now)
        with watch.measure("listing"):
            figures["objects_listed"] = self._list(now)
        with watch.measure("ledgers"):
            figures["ledger_rows_read"] = self._ask(snapshot, watched, now)
        with watch.measure("judging"):
            judgements = [judge(each, now) for each in self._facts(snapshot, watched, list(failures), now)]
        return assemble(
            judgements,
            now,
            unwatched=unwatched,
            troubles=self._troubles.of(now),
            hours=(len(self._memory.listed), self._options.window_hours - 1),
            figures=figures | {f"{step}_seconds": round(seconds, 3) for step, seconds in watch.seconds.items()},
        )

    def _list(self, now: datetime) -> int:
        """List the newest closed hours, then older ones from where the last look ended; return the objects listed.

        Until each hour was listed once, as many older ones as there is time for; from then on one.
        """
        memory, options, clock = self._memory, self._options, Stopwatch()
        newest = Hour.of(now).plus(-1)
        oldest_recent = max(newest.plus(1 - options.recent_hours), memory.grid.first)
        is_complete = len(memory.listed) >= options.window_hours - 1
        total = older = 0
        try:
            for hour in hour_range(oldest_recent, newest):
                total += self._list_hour(hour)
            for hour in self._older(oldest_recent):
                with clock.measure("older"):
                    older += self._list_hour(hour)
                memory.resume = hour.plus(-1)
                if (
                    is_complete
                    or older >= options.objects_per_look
                    or clock.seconds["older"] >= options.listing_seconds
                ):
                    break
        except ClickstreamError as error:
            self._troubles.note("objects_away", "with the raw objects", now, error)
        else:
            self._troubles.over("objects_away", "with the raw objects")
        return total + older

    def _older(self, oldest_recent: Hour) -> list[Hour]:
        """Return the older hours of the window, newest first, beginning where the last look ended."""
        first = self._memory.grid.first
        hours = list(hour_range(first, oldest_recent.plus(-1)))[::-1]
        resume = self._memory.resume
        later = [hour for hour in hours if resume is not None and hour > resume]
        return [hour for hour in hours if resume is None or hour <= resume] + later

    def _list_hour(self, hour: Hour) -> int:
        found, listed = self._memory.arrivals.read(self._store, hour)
        self._memory.grid.set_arrived(hour, found)
        self._memory.listed.add(hour)
        return listed

    def _ask(self, snapshot: Snapshot, watched: Sequence[WatchedStream], now: datetime) -> int:
        """Read the ledgers of customers with hours that are not known to be loaded; return the number of rows."""
        deadlines = {each.stream: each.deadline for each in watched}
        again_after = timedelta(seconds=self._options.ledger_seconds)
        groups = self._memory.grid.worth_asking(Hour.of(now).plus(-1), deadlines, now, again_after)
        total = 0
        for hours, customers in _merged(groups):
            question = LedgerQuestion(frozenset(customers), min(hours), tuple(sorted(hours)), columns=_COLUMNS)
            total += self._read(snapshot, question, now)
        return total

    def _read(self, snapshot: Snapshot, question: LedgerQuestion, now: datetime) -> int:
        total = 0
        for answer in self._ledgers.read(snapshot, question):
            if answer.error is not None:
                self._troubles.note("warehouse_away", answer.destination, now, answer.error, answer.customers)
                continue
            self._troubles.over("warehouse_away", answer.destination)
            total += len(answer.rows)
            # An empty digest is an hour that must be loaded again.
            found = (
                (stream, hour, int(objects), int(size))
                for customer, event, hour, digest, objects, size in answer.rows
                if digest and (stream := self._memory.selection.find(customer, event)) is not None
            )
            self._memory.grid.set_loaded(answer.customers, question.hours or (), now, found)
        return total

    def _facts(
        self, snapshot: Snapshot, watched: Sequence[WatchedStream], failures: Sequence[LoadFailure], now: datetime
    ) -> list[StreamFacts]:
        grid = self._memory.grid
        missing = grid.missing(Hour.of(now).plus(-1))
        arrived = grid.newest_arrived()
        loaded = grid.newest_loaded({row: cells[0].hour for row, cells in missing.items()})
        by_customer: dict[str, list[LoadFailure]] = {}
        for failure in failures:
            by_customer.setdefault(failure.customer, []).append(failure)
        found = []
        for each in watched:
            row = grid.row(each.stream)
            if row is None:
                continue
            newest_arrived = _newest(grid, arrived[row], each.event.last_seen_hour)
            cells = tuple(missing.get(row, ()))
            newest_loaded = grid.first.plus(loaded[row]) if loaded[row] >= 0 else None
            if newest_loaded is None and not cells and newest_arrived is not None and newest_arrived < grid.first:
                newest_loaded = newest_arrived  # before the window, where nothing is known to be missing
            found.append(
                StreamFacts(
                    each.stream,
                    each.deadline,
                    each.event.state is EventState.PAUSED,
                    cells,
                    newest_loaded,
                    newest_arrived,
                    tuple(by_customer.get(each.stream.customer, ())),
                )
            )
        return self._with_silences(snapshot, found, now)

    def _with_silences(self, snapshot: Snapshot, found: list[StreamFacts], now: datetime) -> list[StreamFacts]:
        """Add what the histories say to the streams whose newest due hours are empty."""
        empty = {
            each.stream: each.newest_arrived
            for each in found
            if each.newest_arrived is not None
            and not each.missing
            and not each.is_paused
            and each.stream.event != UNIDENTIFIED
            and self._is_empty_after(each.newest_arrived, newest_due_hour(each.deadline, now))
        }
        if not empty:
            return found
        for answer, error in self._memory.histories.read(self._ledgers, snapshot, empty):
            self._troubles.note("warehouse_away", answer.destination, now, error, answer.customers)
        return [self._with_silence(each, now) if each.stream in empty else each for each in found]

    def _is_empty_after(self, newest_arrived: Hour, newest_due: Hour) -> bool:
        """Whether a stream's newest due hours are known to be empty: an hour that was not listed is not."""
        if newest_arrived >= newest_due:
            return False
        first = max(newest_arrived.plus(1), self._memory.grid.first)
        return all(hour in self._memory.listed for hour in hour_range(first, newest_due))

    def _with_silence(self, facts: StreamFacts, now: datetime) -> StreamFacts:
        presence = self._memory.histories.of(facts.stream)
        if presence is None or facts.newest_arrived is None:
            return facts
        due = newest_due_hour(facts.deadline, now)
        return replace(facts, silence=silence_of(presence, facts.newest_arrived, due, self._options.silence))


def _newest(grid: HourGrid, index: int, last_seen: str | None) -> Hour | None:
    """Return the newest hour with records: of the window, or what the registry was told."""
    found = grid.first.plus(index) if index >= 0 else None
    # The written form has the order of time, and reading it costs more than all the rest here.
    if last_seen is None or (found is not None and str(found) >= last_seen):
        return found
    return Hour.parse(last_seen)


def _merged(groups: Mapping[frozenset[Hour], list[str]]) -> list[tuple[frozenset[Hour], list[str]]]:
    """Return at most so many groups, the largest first: those that are left are asked for all of their hours."""
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    kept, rest = ordered[: MAX_QUESTIONS - 1], ordered[MAX_QUESTIONS - 1 :]
    if not rest:
        return kept
    hours = frozenset(hour for found, _ in rest for hour in found)
    return [*kept, (hours, [customer for _, customers in rest for customer in customers])]
