"""What the ledgers have of the last day, summed up: read where runs ended, so that an idle warehouse is left alone.

Belongs here: what is read when, and the sums. Does not: reading (`freshness.ledgers`).
"""

from __future__ import annotations

import heapq
import threading
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from clickstream_platform.load.ledger_row import LedgerRow
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.exporter.failures import Failure
from clickstream_platform.observe.exporter.figures import EndedRun
from clickstream_platform.observe.exporter.rendering import TOP_STREAMS
from clickstream_platform.observe.exporter.state import LedgerFigures
from clickstream_platform.pipeline.freshness.ports import LedgerQuestion, LedgerSource
from clickstream_platform.pipeline.platform_sources import Seen
from clickstream_platform.registry.reader import RegistryReader

HOURS = 24
ALL_AGAIN_AFTER = timedelta(hours=6)
"""Everything is read again after so long: `clickstream load` writes ledgers without a run."""


class _Ring:
    """One number for each hour of a day, of one stream."""

    def __init__(self) -> None:
        self.rows, self.read_bytes = array("q", [0]) * HOURS, array("q", [0]) * HOURS

    def put(self, hour: Hour, rows: int, read_bytes: int) -> None:
        self.rows[_slot(hour)], self.read_bytes[_slot(hour)] = rows, read_bytes


class LedgerLook:
    """The ledgers' sums over the last day as a `platform_sources.Watch`; tell it of runs that ended, by `note`."""

    interval_seconds = 60.0

    def __init__(self, open_registry: Callable[[], RegistryReader], ledgers: LedgerSource) -> None:
        """Know nothing yet; the registry is opened at the first look."""
        self._open_registry, self._ledgers = open_registry, ledgers
        self._streams: dict[str, dict[str, _Ring]] = {}
        self._newest: Hour | None = None
        self._read_all_at: datetime | None = None
        self._due: dict[str, set[Hour]] = {}
        self._lock = threading.Lock()

    def note(self, runs: Iterable[EndedRun]) -> None:
        """Read what these runs loaded at the next look."""
        with self._lock:
            for run in runs:
                for batch in run.batches:
                    self._due.setdefault(batch.customer, set()).add(Hour.parse(batch.hour))

    def look(self, now: datetime, failures: Sequence[Failure]) -> Seen:
        """Read what changed; a warehouse that is away leaves its sums as they are, and is asked again."""
        del failures
        newest = Hour.of(now)
        self._move_to(newest)
        with self._lock:
            due, self._due = self._due, {}
        window = [newest.plus(-back) for back in range(HOURS)]
        is_all = self._read_all_at is None or now - self._read_all_at >= ALL_AGAIN_AFTER
        try:
            self._read({slug: set(window) for slug in self._customers()} if is_all else due, window)
        except BaseException:
            self._put_back(due)
            raise
        if is_all:
            self._read_all_at = now
        return Seen(Observation((), frozenset()), ledgers=self._sums())

    def _customers(self) -> list[str]:
        alive = {customer.slug: None for customer in self._open_registry().snapshot().customers}
        self._streams = {slug: streams for slug, streams in self._streams.items() if slug in alive}
        return list(alive)

    def _put_back(self, due: Mapping[str, Iterable[Hour]]) -> None:
        """Read these again at the next look."""
        with self._lock:
            for customer, hours in due.items():
                self._due.setdefault(customer, set()).update(hours)

    def _read(self, due: dict[str, set[Hour]], window: Collection[Hour]) -> None:
        hours = tuple(sorted({hour for each in due.values() for hour in each} & set(window)))
        if not hours:
            return
        question = LedgerQuestion(list(due), hours[0], hours)
        for answer in self._ledgers.read(self._open_registry().snapshot(), question):
            if answer.error is not None:
                self._put_back({customer: due[customer] for customer in answer.customers})
                continue
            for customer in answer.customers:
                for ring in self._streams.get(customer, {}).values():
                    for hour in hours:
                        ring.put(hour, 0, 0)
            for row in map(LedgerRow.of, answer.rows):
                rings = self._streams.setdefault(row.customer, {})
                rings.setdefault(row.event, _Ring()).put(row.hour, row.counts.rows, row.counts.bytes)

    def _move_to(self, newest: Hour) -> None:
        """Forget the hours that are older than a day now."""
        passed = HOURS if self._newest is None else (newest.start - self._newest.start) // timedelta(hours=1)
        for back in range(min(passed, HOURS)):
            for _, _, ring in self._rings():
                ring.put(newest.plus(-back), 0, 0)
        self._newest = newest

    def _rings(self) -> Iterator[tuple[str, str, _Ring]]:
        return ((slug, event, ring) for slug, rings in self._streams.items() for event, ring in rings.items())

    def _sums(self) -> LedgerFigures:
        rows = {slug: sum(sum(ring.rows) for ring in rings.values()) for slug, rings in self._streams.items()}
        sizes = {slug: sum(sum(ring.read_bytes) for ring in rings.values()) for slug, rings in self._streams.items()}
        largest = heapq.nlargest(TOP_STREAMS, ((sum(ring.rows), slug, event) for slug, event, ring in self._rings()))
        return LedgerFigures(rows, sizes, [(Stream(slug, event), count) for count, slug, event in largest])


def _slot(hour: Hour) -> int:
    return int(hour.start.timestamp()) // 3_600 % HOURS
