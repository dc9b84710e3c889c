"""The watch over the unusual: judges each stream's newest loaded hour once, against comparable hours of the ledger.

Belongs here: what is read when, and what is remembered. Does not: the verdict (`hours`), reading (`freshness.ledgers`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from clickstream_platform.load.ledger_row import LedgerRow
from clickstream_platform.model.findings import Finding
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.ports import LedgerQuestion, LedgerSource
from clickstream_platform.pipeline.unusual.hours import CHECK_OF_KIND, HourFigures, Verdict, judge_hour
from clickstream_platform.pipeline.unusual.thresholds import ThresholdBook
from clickstream_platform.registry.entities import Snapshot
from clickstream_platform.registry.reader import RegistryReader

RECENT_HOURS = 3
"""Closed hours of which the newest loaded one is judged."""
KEPT_HOURS = 6
"""A verdict on an older hour is no news; whether anything came since is a matter of freshness."""
HISTORY_DAYS = 35
NEAR_HOURS = 30
"""For durations and shares, whose time of day matters little: so that a history of a day and a half is enough."""
MAX_CUSTOMERS_PER_LOOK = 150


@dataclass(frozen=True)
class CustomerUnusual:
    """What was judged of one customer."""

    customer: str
    verdicts: tuple[Verdict, ...] = ()

    def findings(self, check: str | None = None) -> list[Finding]:
        """Return what is unusual: all of it, or what belongs to one check."""
        found = [each for verdict in self.verdicts for each in verdict.findings]
        return [each for each in found if check is None or CHECK_OF_KIND[each.kind] == check]

    @property
    def short_histories(self) -> int:
        """Streams whose volume has nothing to be compared with yet."""
        return sum(verdict.is_history_short for verdict in self.verdicts)


@dataclass(frozen=True)
class UnusualReport:
    """What is unusual at one moment."""

    at: datetime
    customers: Mapping[str, CustomerUnusual]
    waiting: int = 0
    """Customers with hours that this look had no time to judge."""
    unread: frozenset[str] = frozenset()
    """Customers whose warehouse did not answer; what was known of them stands."""

    def findings(self) -> list[Finding]:
        """Return all that is unusual."""
        return [each for customer in self.customers.values() for each in customer.findings()]


@dataclass(slots=True)
class _Judged:
    """A verdict and which load it was about."""

    verdict: Verdict
    committed_at: datetime


@dataclass(slots=True)
class UnusualMemory:
    """The verdicts of a watch; for one watch at a time."""

    judged: dict[Stream, _Judged] = field(default_factory=dict)


class UnusualWatch:
    """Judges what was loaded since the last look; keep it, or give its memory to the next one."""

    def __init__(
        self,
        registry: RegistryReader,
        ledgers: LedgerSource,
        clock: Clock,
        book: ThresholdBook,
        *,
        memory: UnusualMemory | None = None,
        customer: str | None = None,
    ) -> None:
        """Judge by these thresholds; only one customer where one is named."""
        self._registry, self._ledgers, self._clock, self._book = registry, ledgers, clock, book
        self._memory, self._customer = memory or UnusualMemory(), customer

    def look(self) -> UnusualReport:
        """Return what is unusual in each stream's newest loaded hour."""
        now, snapshot = self._clock.now(), self._registry.snapshot()
        customers = [each.slug for each in snapshot.customers if self._customer in (None, each.slug)]
        self._forget(set(customers), Hour.of(now).plus(-KEPT_HOURS))
        unread: set[str] = set()
        recent = tuple(Hour.of(now).plus(-back) for back in range(1, RECENT_HOURS + 1))
        new: dict[str, dict[Stream, LedgerRow]] = {}
        for row in self._read(snapshot, customers, recent, unread):
            stream = Stream(row.customer, row.event)
            known, found = self._memory.judged.get(stream), new.setdefault(row.customer, {})
            is_known = known is not None and (row.hour, row.committed_at) <= (known.verdict.hour, known.committed_at)
            if not is_known and (stream not in found or found[stream].hour < row.hour):
                found[stream] = row
        chosen = {customer: new[customer] for customer in sorted(each for each in new if new[each])}
        later = list(chosen)[MAX_CUSTOMERS_PER_LOOK:]
        for customer in later:
            del chosen[customer]
        self._judge(snapshot, chosen, unread)
        return UnusualReport(now, self._by_customer(customers), len(later), frozenset(unread))

    def _judge(self, snapshot: Snapshot, new: Mapping[str, Mapping[Stream, LedgerRow]], unread: set[str]) -> None:
        """Judge hours, those of one hour with one reading of history."""
        by_hour: dict[Hour, list[LedgerRow]] = {}
        for found in new.values():
            for row in found.values():
                by_hour.setdefault(row.hour, []).append(row)
        for hour, rows in by_hour.items():
            customers = sorted({row.customer for row in rows})
            history: dict[Stream, dict[Hour, HourFigures]] = {}
            for past in self._read(snapshot, customers, comparable_hours(hour), unread):
                history.setdefault(Stream(past.customer, past.event), {})[past.hour] = figures_of(past)
            for row in rows:
                if row.customer not in unread:
                    stream = Stream(row.customer, row.event)
                    thresholds = self._book.of(row.customer)
                    verdict = judge_hour(stream, hour, figures_of(row), history.get(stream, {}), thresholds)
                    self._memory.judged[stream] = _Judged(verdict, row.committed_at)

    def _read(
        self, snapshot: Snapshot, customers: Sequence[str], hours: tuple[Hour, ...], unread: set[str]
    ) -> Iterator[LedgerRow]:
        """Yield ledger rows with records; note the customers whose warehouse does not answer."""
        if not customers:
            return
        for answer in self._ledgers.read(snapshot, LedgerQuestion(frozenset(customers), min(hours), hours)):
            if answer.error is not None:
                unread.update(answer.customers)
            for values in answer.rows:
                row = LedgerRow.of(values)
                if row.counts.raw:
                    yield row

    def _forget(self, customers: set[str], oldest: Hour) -> None:
        self._memory.judged = {
            stream: each
            for stream, each in self._memory.judged.items()
            if stream.customer in customers and each.verdict.hour >= oldest
        }

    def _by_customer(self, customers: Iterable[str]) -> dict[str, CustomerUnusual]:
        found: dict[str, list[Verdict]] = {customer: [] for customer in customers}
        for stream, each in sorted(self._memory.judged.items()):
            found[stream.customer].append(each.verdict)
        return {customer: CustomerUnusual(customer, tuple(verdicts)) for customer, verdicts in found.items()}


def comparable_hours(hour: Hour) -> tuple[Hour, ...]:
    """Return the earlier hours that an hour is compared with: of the same time of day, and the nearest ones."""
    daily = {hour.plus(-24 * days) for days in range(1, HISTORY_DAYS + 1)}
    return tuple(sorted(daily | {hour.plus(-back) for back in range(1, NEAR_HOURS + 1)}))


def figures_of(row: LedgerRow) -> HourFigures:
    """Return what is judged of a ledger row."""
    counts = row.counts
    seconds = max((row.committed_at - row.started_at).total_seconds(), 0.0)
    return HourFigures(
        counts.raw,
        counts.rows,
        counts.duplicates,
        counts.rejected,
        counts.discarded,
        seconds,
        row.committed_at,
        row.run_id,
    )
