"""Loads raw hours again: the rows of each customer-hour are replaced by what its raw objects become now.

Belongs here: which customer-hours a replay loads, and which it leaves as they are. Does not: loading (`customer_hour`).

Left as they are, each with the reason in its report: hours that are still open, which load by themselves; stream-hours
of which raw objects are gone, whose rows nobody could make again; customers that the registry does not know. A load
that commits between the look at an hour and the replay's own commit stays.
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.load.ledger_row import LedgerRow
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest, ObjectRef
from clickstream_platform.model.object_keys import RAW_PREFIX, hour_of_prefix, manifest_prefix, quarantine_key
from clickstream_platform.pipeline.customer_hour import CustomerHours, Order, Progress
from clickstream_platform.pipeline.discovery import Discovery
from clickstream_platform.pipeline.hour_contents import list_hour, read_contents
from clickstream_platform.pipeline.ports import HourStore
from clickstream_platform.pipeline.reports import CustomerHourReport, StreamReport, StreamStatus
from clickstream_platform.registry.entities import Customer

STILL_OPEN = "the hour is still open and loads by itself once it is complete; nothing was done"
UNKNOWN_CUSTOMER = "the registry does not know the customer; nothing was done"
EXPIRED = "its raw objects are gone; its rows stay as they are"

Ledger = Callable[[Customer, Hour | None], list[LedgerRow]]
"""Returns a customer's ledger rows, of one hour or of all."""


class Customers(Protocol):
    """Who the customers are."""

    def get_customer(self, slug: str) -> Customer:
        """Return a customer, tombstone or not; raise NotFoundError."""
        ...

    def list_customers(self) -> list[Customer]:
        """Return all live customers by slug."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """What to load again: the hours from `first` to `last`, both included; None means all customers, or all events."""

    first: Hour
    last: Hour
    customer: str | None = None
    events: tuple[str, ...] | None = None

    def has(self, event: str) -> bool:
        """Whether an event is selected."""
        return self.events is None or event in self.events


@dataclass(frozen=True, slots=True)
class _Look:
    """One hour as it is in the object store."""

    hour: Hour
    streams: Mapping[str, Mapping[str, tuple[ObjectRef, ...]]]
    listed: frozenset[str]
    open_customers: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to load again of a customer-hour, why events are left as they are, and which had rejected records."""

    order: Order
    left: Mapping[str, str]
    rejected: frozenset[str]


@dataclass(frozen=True, slots=True)
class Replays:
    """Loads hours again with the parts it is given."""

    store: HourStore
    registry: Customers
    discovery: Discovery
    customer_hours: CustomerHours
    ledger: Ledger

    def replay(
        self, selection: Selection, run_id: str, progress: Progress = lambda _: None
    ) -> Iterator[CustomerHourReport]:
        """Load the selected hours again, oldest first, yielding each report as it is known; hours re-opened follow.

        Raises RegistryError for an unknown customer that was asked for, RetryableError when a part is away; what was
        reported until then is loaded, and replaying again repeats nothing wrongly.
        """
        slug = selection.customer
        found = self.registry.list_customers() if slug is None else [self.registry.get_customer(slug)]
        owners = {owner.slug: owner for owner in found}
        loaded: dict[Hour, set[str]] = defaultdict(set)
        for owner in found:
            for row in self.ledger(owner, None):
                if selection.has(row.event):
                    loaded[row.hour].add(owner.slug)
        for hour in sorted(set(self._raw_hours()) | loaded.keys()):
            if not selection.first <= hour <= selection.last:
                continue
            look = self._look(hour, selection)
            for name in sorted(look.streams.keys() | loaded[hour]):
                if name not in owners or name in look.open_customers:
                    reason = STILL_OPEN if name in owners else UNKNOWN_CUSTOMER
                    yield _left_alone(name, hour, dict.fromkeys(look.streams.get(name, ()), reason))
                else:
                    plan = self._plan(owners[name], look, selection)
                    if plan.left:
                        yield _left_alone(name, hour, plan.left)
                    if plan.order.events:
                        for report in self.customer_hours.process_many([plan.order], run_id, progress):
                            self._empty_quarantine(report, plan)
                            yield report

    def _raw_hours(self) -> Iterator[Hour]:
        for prefix in self.store.list_prefixes(RAW_PREFIX):
            try:
                yield hour_of_prefix(prefix)
            except InvalidNameError:
                continue  # some other folder below raw/

    def _look(self, hour: Hour, selection: Selection) -> _Look:
        listing = list_hour(self.store, hour, selection.customer)
        contents = read_contents(self.store, listing, selection.customer)
        streams: dict[str, dict[str, tuple[ObjectRef, ...]]] = defaultdict(dict)
        for stream, refs in contents.streams.items():
            if selection.has(stream.event):
                streams[stream.customer][stream.event] = refs
        open_customers = frozenset[str]() if self.discovery.is_closed(hour) else contents.unsealed
        return _Look(hour, streams, frozenset(item.key for item in listing.raw), open_customers)

    def _plan(self, owner: Customer, look: _Look, selection: Selection) -> _Plan:
        """Say what to load again of a customer-hour, and what not."""
        streams = look.streams.get(owner.slug, {})
        # Read before the run lists the objects: whatever another load adds from here on is noticed.
        entries = {row.event: row for row in self.ledger(owner, look.hour) if selection.has(row.event)}
        manifests = self._manifests(owner.slug, look.hour)
        left: dict[str, str] = {}
        for event in sorted(streams.keys() | entries.keys()):
            named = {ref.key for ref in (*streams.get(event, ()), *manifests.get(event, ()))}
            total = max(len(named), entries[event].counts.objects if event in entries else 0)
            gone = total - len(named & look.listed)
            if gone:
                left[event] = EXPIRED if gone == total else f"{gone} of {total} of {EXPIRED}"
        replacing = {
            event: entries[event].input_digest if event in entries else "" for event in streams if event not in left
        }
        rejected = frozenset(event for event, entry in entries.items() if entry.counts.rejected)
        return _Plan(Order(owner.slug, look.hour, tuple(replacing), replacing), left, rejected)

    def _empty_quarantine(self, report: CustomerHourReport, plan: _Plan) -> None:
        """Where records were rejected and none is any more, say so: the transform writes no object for none."""
        if report.hour != plan.order.hour:
            return
        keys = [
            quarantine_key(report.hour, stream.manifest.stream, stream.manifest.digest)
            for stream in report.having(StreamStatus.LOADED)
            if stream.event in plan.rejected and stream.manifest and stream.counts and not stream.counts.rejected
        ]
        self.store.put_many((key, gzip.compress(b"", mtime=0)) for key in keys)

    def _manifests(self, customer: str, hour: Hour) -> dict[str, tuple[ObjectRef, ...]]:
        """Return the objects that earlier loads of the hour were asked to read, by event."""
        keys = [item.key for item in self.store.list_objects(manifest_prefix(hour, customer))]
        found: dict[str, tuple[ObjectRef, ...]] = {}
        for _, data in self.store.get_many(keys):
            try:
                manifest = Manifest.from_json(data)
            except InvalidNameError:
                continue  # frozen anew by the load
            found[manifest.stream.event] = manifest.objects
        return found


def _left_alone(customer: str, hour: Hour, reasons: Mapping[str, str]) -> CustomerHourReport:
    streams = tuple(StreamReport(event, StreamStatus.SKIPPED, reason=reasons[event]) for event in sorted(reasons))
    return CustomerHourReport(customer, hour, streams)
