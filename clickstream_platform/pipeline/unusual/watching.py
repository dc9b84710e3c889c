"""The watch over the unusual: judges each stream's newest loaded hour once, against comparable hours of the ledger.

Belongs here: what is read when, and what is remembered. Does not: the verdict (`hours`), reading (`freshness.ledgers`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

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
CUSTOMERS_PER_QUESTION = 20
"""Sixty hours of each of their streams are read at once."""
_NEWS = ("customer", "event", "hour", "raw_records", "committed_at")
_FIGURES = (
    "customer",
    "event",
    "hour",
    "raw_records",
    "loaded_rows",
    "duplicate_records",
    "rejected_records",
    "discarded_values",
    "run_id",
    "started_at",
    "committed_at",
)


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
    unread: set[str] = field(default_factory=set)
    """Customers whose warehouse did not answer at the last look: they come last, so that no others wait for them."""


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
        snapshot = replace(snapshot, events=())  # the larger part of it, and not needed
        self._forget(set(customers), Hour.of(now).plus(-KEPT_HOURS))
        unread: set[str] = set()
        new = self._new(snapshot, customers, Hour.of(now), unread)
        chosen = sorted(new, key=lambda each: (each in self._memory.unread, each))[:MAX_CUSTOMERS_PER_LOOK]
        self._judge(snapshot, {customer: new[customer] for customer in chosen}, unread)
        self._memory.unread = unread
        return UnusualReport(now, self._by_customer(customers), len(new) - len(chosen), frozenset(unread))

    def _new(
        self, snapshot: Snapshot, customers: Sequence[str], open_hour: Hour, unread: set[str]
    ) -> dict[str, dict[str, Hour]]:
        """Return by customer and event the newest hour that was loaded since it was judged."""
        new: dict[str, dict[str, Hour]] = {}
        recent = tuple(open_hour.plus(-back) for back in range(RECENT_HOURS, 0, -1))
        for customer, event, start, raw, committed in self._read(snapshot, customers, recent, _NEWS, unread):
            if not raw:
                continue
            hour = Hour.of(_aware(start))
            known = self._memory.judged.get(Stream(customer, event))
            if known is None or (hour, _aware(committed)) > (known.verdict.hour, known.committed_at):
                found = new.setdefault(customer, {})
                found[event] = max(found.get(event, hour), hour)
        return new

    def _judge(self, snapshot: Snapshot, new: Mapping[str, Mapping[str, Hour]], unread: set[str]) -> None:
        """Judge hours; of the ledgers, those of few customers are in memory at a time."""
        by_hour: dict[Hour, list[str]] = {}
        for customer, found in new.items():
            for hour in set(found.values()):
                by_hour.setdefault(hour, []).append(customer)
        for hour, customers in by_hour.items():
            hours = (*comparable_hours(hour), hour)
            for start in range(0, len(customers), CUSTOMERS_PER_QUESTION):
                asked = customers[start : start + CUSTOMERS_PER_QUESTION]
                figures: dict[Stream, dict[Hour, HourFigures]] = {}
                for values in self._read(snapshot, asked, hours, _FIGURES, unread):
                    customer, event, begin, raw, *_ = values
                    if raw:
                        figures.setdefault(Stream(customer, event), {})[Hour.of(_aware(begin))] = figures_of(values)
                for stream, past in figures.items():
                    if hour in past and new[stream.customer].get(stream.event) == hour:
                        verdict = judge_hour(stream, hour, past[hour], past, self._book.of(stream.customer))
                        self._memory.judged[stream] = _Judged(verdict, past[hour].committed_at)

    def _read(
        self,
        snapshot: Snapshot,
        customers: Collection[str],
        hours: tuple[Hour, ...],
        columns: tuple[str, ...],
        unread: set[str],
    ) -> Iterator[Sequence[Any]]:
        """Yield ledger rows; note the customers whose warehouse does not answer."""
        if not customers:
            return
        for answer in self._ledgers.read(
            snapshot, LedgerQuestion(frozenset(customers), min(hours), hours, columns=columns)
        ):
            if answer.error is not None:
                unread.update(answer.customers)
            yield from answer.rows

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


def figures_of(values: Sequence[Any]) -> HourFigures:
    """Return what is judged of a ledger row, given in the order of _FIGURES; its times are UTC, naive or aware."""
    _, _, _, raw, rows, duplicates, rejected, discarded, run_id, started_at, committed_at = values
    seconds = max((committed_at - started_at).total_seconds(), 0.0)
    return HourFigures(raw, rows, duplicates, rejected, discarded, seconds, _aware(committed_at), run_id)


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
