"""The watch over all streams: looks at arrivals and ledgers as little as it can, and judges every stream at each look.

Only what may have changed is looked at. The newest closed hours are listed at each look, older ones in turn as long as
there is time; the ledger of a customer is read when something arrived that is not known to be loaded; the history of a
stream when its newest hours are empty. So a look at twenty thousand streams takes seconds, and in between the warehouse
is left alone. A look that finds a part away goes on with what was known and says so.

Belongs here: what is looked at when. Does not: the verdict (`judging`), failed runs (the caller knows them).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.model.hours import Hour, hour_range
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.model.streams import UNIDENTIFIED
from clickstream_platform.pipeline.freshness.facts import LoadFailure, StreamFacts
from clickstream_platform.pipeline.freshness.gaps import Gaps, merged
from clickstream_platform.pipeline.freshness.judging import judge, newest_due_hour
from clickstream_platform.pipeline.freshness.memory import WatchMemory
from clickstream_platform.pipeline.freshness.ports import ArrivalStore, LedgerAnswer, LedgerQuestion, LedgerSource
from clickstream_platform.pipeline.freshness.report import FreshnessReport, assemble
from clickstream_platform.pipeline.freshness.troubles import Heard
from clickstream_platform.pipeline.freshness.watched import WatchedStream, WatchOptions
from clickstream_platform.pipeline.stopwatch import Stopwatch
from clickstream_platform.registry.entities import Snapshot
from clickstream_platform.registry.reader import RegistryReader

_COLUMNS = ("customer", "event", "hour", "input_digest", "objects", "bytes")
_OBJECTS = "with the raw objects"
MAX_DISPUTES = 3
"""Old hours that a look lists anew because the ledger has other objects."""


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
            snapshot = replace(snapshot, events=())  # the larger part of it, and not needed any more
            self._memory.prepare(watched, now)
        with watch.measure("listing"):
            figures["objects_listed"] = self._list(now)
        heard = Heard()
        with watch.measure("ledgers"):
            figures["ledger_rows_read"] = self._ask(snapshot, watched, now, heard)
            figures["objects_listed"] += self._settle_disputes(now)
        with watch.measure("judging"):
            facts = self._facts(watched, list(failures), now)
            waiting = self._add_silences(snapshot, facts, now, heard)
            heard.settle(self._troubles, now)
            judgements = [judge(each, now) for each in facts]
        return assemble(
            judgements,
            now,
            unwatched=unwatched,
            troubles=self._troubles.of_now(),
            histories_waiting=waiting,
            hours=(len(self._memory.listed), self._options.window_hours - 1),
            figures=figures | {f"{step}_seconds": round(seconds, 3) for step, seconds in watch.seconds.items()},
        )

    def look_through(self, failures: Sequence[LoadFailure] = ()) -> FreshnessReport:
        """Look until every hour of the window was compared and every history read, or nothing more is learnt."""
        report = self.look(failures)
        while not report.is_complete or report.histories_waiting:
            before, report = report, self.look(failures)
            if (report.hours_looked_at, -report.histories_waiting) <= (
                before.hours_looked_at,
                -before.histories_waiting,
            ):
                break
        return report

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
            self._troubles.note("objects_away", _OBJECTS, now, error)
        else:
            self._troubles.over("objects_away", _OBJECTS)
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
        self._memory.disputed.discard(hour)
        return listed

    def _settle_disputes(self, now: datetime) -> int:
        """List old hours anew of which the ledger has other objects; return the objects listed.

        An object that came since the hour was listed, and was loaded, makes no stream late.
        """
        disputed = sorted(self._memory.disputed & self._memory.listed, reverse=True)
        try:
            return sum(self._list_hour(hour) for hour in disputed[:MAX_DISPUTES])
        except ClickstreamError as error:
            self._troubles.note("objects_away", _OBJECTS, now, error)
            return 0

    def _ask(self, snapshot: Snapshot, watched: Sequence[WatchedStream], now: datetime, heard: Heard) -> int:
        """Read the ledgers of customers with hours that are not known to be loaded; return the number of rows."""
        again_after = timedelta(seconds=self._options.ledger_seconds)
        groups = self._gaps(watched, now).worth_asking(again_after)
        total = 0
        for hours, customers in merged(groups):
            question = LedgerQuestion(frozenset(customers), min(hours), tuple(sorted(hours)), columns=_COLUMNS)
            for answer in self._ledgers.read(snapshot, question):
                if heard.take(answer):
                    total += self._take(answer, hours, now)
        return total

    def _take(self, answer: LedgerAnswer, hours: Collection[Hour], now: datetime) -> int:
        # An empty digest is an hour that must be loaded again.
        found = (
            (stream, hour, int(objects), int(size))
            for customer, event, hour, digest, objects, size in answer.rows
            if digest and (stream := self._memory.selection.find(customer, event)) is not None
        )
        self._memory.disputed.update(self._memory.grid.set_loaded(answer.customers, hours, now, found))
        return len(answer.rows)

    def _gaps(self, watched: Sequence[WatchedStream], now: datetime) -> Gaps:
        """Return what is missing of the watched streams, up to the newest closed hour."""
        grid = self._memory.grid
        deadlines = {row: each.deadline for each in watched if (row := grid.row(each.stream)) is not None}
        return Gaps(grid, Hour.of(now).plus(-1), deadlines, now)

    def _facts(
        self, watched: Sequence[WatchedStream], failures: Sequence[LoadFailure], now: datetime
    ) -> list[StreamFacts]:
        """Return what is known of every watched stream but its history."""
        grid = self._memory.grid
        by_customer: dict[str, list[LoadFailure]] = {}
        for failure in failures:
            by_customer.setdefault(failure.customer, []).append(failure)
        gaps = self._gaps(watched, now).by_row(by_customer)
        arrived = grid.newest_arrived()
        loaded = grid.newest_loaded({row: gap.oldest for row, gap in gaps.items()})
        hours = list(hour_range(grid.first, grid.newest))
        found = []
        for each in watched:
            row = grid.row(each.stream)
            if row is None:
                continue
            newest_arrived = _newest(hours, arrived[row], each.last_seen_hour)
            gap = gaps.get(row)
            newest_loaded = hours[loaded[row]] if loaded[row] >= 0 else None
            if newest_loaded is None and gap is None and newest_arrived is not None and newest_arrived < grid.first:
                newest_loaded = newest_arrived  # before the window, where nothing is known to be missing
            found.append(
                StreamFacts(
                    each.stream,
                    each.deadline,
                    each.is_paused,
                    gap.hours if gap else (),
                    newest_loaded,
                    newest_arrived,
                    tuple(by_customer.get(each.stream.customer, ())),
                    more_missing=gap.count - len(gap.hours) if gap else 0,
                )
            )
        return found

    def _add_silences(self, snapshot: Snapshot, found: list[StreamFacts], now: datetime, heard: Heard) -> int:
        """Add what the histories say to the streams whose newest due hours are empty; return how many are not read."""
        due = {deadline: newest_due_hour(deadline, now) for deadline in {each.deadline for each in found}}
        closed = hour_range(self._memory.grid.first, Hour.of(now).plus(-1))
        unlisted = [hour for hour in closed if hour not in self._memory.listed]
        quiet = {
            number: each.newest_arrived
            for number, each in enumerate(found)
            if each.newest_arrived is not None
            and each.newest_arrived < due[each.deadline]
            and not each.missing
            and not each.is_paused
            and each.stream.event != UNIDENTIFIED
            # An hour that was not listed is not known to be empty.
            and not any(each.newest_arrived < hour <= due[each.deadline] for hour in unlisted)
        }
        histories = self._memory.histories
        empty = {found[number].stream: newest for number, newest in quiet.items()}
        waiting = histories.read(self._ledgers, snapshot, empty, heard)
        for number in quiet:
            each = found[number]
            silence = histories.silence(each.stream, due[each.deadline], self._options.silence)
            if silence is not None:
                found[number] = replace(each, silence=silence)
        return waiting


def _newest(hours: Sequence[Hour], index: int, last_seen: str | None) -> Hour | None:
    """Return the newest hour with records: of the window, or what the registry was told."""
    found = hours[index] if index >= 0 else None
    # The written form has the order of time, and reading it costs more than all the rest here.
    if last_seen is None or (found is not None and str(found) >= last_seen):
        return found
    return Hour.parse(last_seen)
