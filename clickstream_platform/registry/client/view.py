"""A snapshot laid out for quick answers, and what was learned since it was taken.

Belongs here: looking things up. Does not: where the snapshot comes from (`cached`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from clickstream_platform.registry import refusals
from clickstream_platform.registry.entities import Contract, Customer, Destination, Event, Snapshot


class View:
    """One state of the registry; not for several threads at once."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Lay out a snapshot."""
        self._snapshot = snapshot
        self.customers: Mapping[str, Customer] = {customer.slug: customer for customer in snapshot.customers}
        self.contracts: Mapping[str, Mapping[str, Contract]] = _contracts(snapshot)
        self._destinations = {destination.name: destination for destination in snapshot.destinations}
        self._events: dict[str, dict[str, Event]] = defaultdict(dict)
        for event in snapshot.events:
            self._events[event.customer][event.slug] = event
        self._learned: dict[tuple[str, str], Event] = {}
        self._is_changed = False

    def customer(self, slug: str) -> Customer:
        """Return a live customer; raise NotFoundError for any other, removed ones among them."""
        found = self.customers.get(slug)
        if found is None:
            raise refusals.unknown_customer(slug)
        return found

    def destination(self, name: str) -> Destination:
        """Return a destination; raise NotFoundError."""
        found = self._destinations.get(name)
        if found is None:
            raise refusals.unknown_destination(name)
        return found

    def events(self, customer: str) -> list[Event]:
        """Return a customer's events by slug, in every state; raise NotFoundError for an unknown customer."""
        self.customer(customer)
        events = self._events[customer]
        return [events[slug] for slug in sorted(events)]

    def events_named(self, customer: str, slugs: Iterable[str]) -> list[Event]:
        """Return those of some events that are known."""
        events = self._events[customer]
        return [events[slug] for slug in slugs if slug in events]

    def learn(self, events: Iterable[Event]) -> None:
        """Take events as they are now; they hold until a snapshot has them."""
        for event in events:
            self._events[event.customer][event.slug] = event
            self._learned[event.customer, event.slug] = event
            self._is_changed = True

    def learn_unknown(self, before: View) -> None:
        """Take what an earlier view learned of events that this one does not know: the registry hears of them yet."""
        self.learn(event for (customer, slug), event in before._learned.items() if slug not in self._events[customer])

    def snapshot(self) -> Snapshot:
        """Return the snapshot with what was learned since; its etag stays that of the snapshot as it was taken."""
        if self._is_changed:
            events = tuple(event for customer in sorted(self.customers) for event in self.events(customer))
            self._snapshot, self._is_changed = replace(self._snapshot, events=events), False
        return self._snapshot


def _contracts(snapshot: Snapshot) -> Mapping[str, Mapping[str, Contract]]:
    """Return the contracts by customer and event."""
    contracts: dict[str, dict[str, Contract]] = defaultdict(dict)
    for contract in snapshot.contracts:
        contracts[contract.customer][contract.event] = contract
    return contracts
