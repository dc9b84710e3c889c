"""What a document would change in a registry.

Belongs here: comparing two documents, the registry's own and the wanted one, and the order of the changes. Does not:
comparing the things of one customer (`planning_events`), carrying a plan out (`applying`).

The order keeps every step possible: destinations before their customers, customers before their events, contracts
before they are in force. A customer leaves a destination with a fixed schema before another one gets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from clickstream_platform.registry.entities import DEFAULT_DESTINATION, Policy
from clickstream_platform.registry.exchange.comparing import Comparison, changed_fields
from clickstream_platform.registry.exchange.exporting import document_of
from clickstream_platform.registry.exchange.faults import DocumentError
from clickstream_platform.registry.exchange.layout import Document
from clickstream_platform.registry.exchange.planning_events import compare_events, compare_write_keys
from clickstream_platform.registry.exchange.plans import Change, Plan
from clickstream_platform.registry.exchange.reading import Exchange
from clickstream_platform.registry.exchange.yaml_text import check_document
from clickstream_platform.registry.service import RegistryService

_NEW_DESTINATION: Mapping[str, Any] = {"settings": {}, "secret_reference": None, "schema": None}
_NEW_CUSTOMER: Mapping[str, Any] = {
    "destination": DEFAULT_DESTINATION,
    "isolated": False,
    **{f"policy.{name}": value for name, value in asdict(Policy()).items()},
}


def plan_changes(registry: RegistryService, document: Mapping[str, Any], *, prune: bool = False) -> Plan:
    """Return what makes the registry what the document says; nothing is changed.

    What the document does not name is left alone. With `prune`, what a section of the document does not name is turned
    into tombstones: customers where it has `customers`, a customer's events where that has `events`, write keys where
    that has `write_keys` (these are revoked). Destinations, and events that only wait for a decision, stay.

    Raises DocumentError with everything that is wrong with the document, or impossible in this registry.
    """
    wanted = check_document(document)
    contents = Exchange.of(registry).contents()
    return compare(document_of(contents), wanted, prune=prune, version=contents.version)


def compare(current: Document, wanted: Document, *, prune: bool, version: int) -> Plan:
    """Return the plan from one document to another."""
    comparison, steps = Comparison(prune), _Steps()
    for change in _destinations(comparison, current["destinations"], wanted.get("destinations", {})):
        is_late = change.action == "change" and change.after().get("schema") is not None
        (steps.late_destinations if is_late else steps.destinations).append(change)
    names = {*current["destinations"], *wanted.get("destinations", {})}
    fixed = {name for name, each in current["destinations"].items() if each["schema"] is not None}
    for slug, before, after in _customers(comparison, current["customers"], wanted):
        if after.get("destination", DEFAULT_DESTINATION) not in names:
            comparison.fault(("customers", slug, "destination"), f"there is no destination {after['destination']!r}")
        own = _customer(slug, before, after)
        within = [
            *compare_events(comparison, slug, before, after),
            *compare_write_keys(comparison, slug, before, after),
        ]
        if before is not None and before["removed"] and after.get("removed", True) and (own or within):
            comparison.fault(("customers", slug), "the customer is removed; it can be changed with `removed: false`")
        steps.add_customer(own, within, is_freed=before is not None and before["destination"] in fixed)
    _check_owners(comparison, current, wanted)
    if comparison.faults:
        raise DocumentError(comparison.faults)
    return Plan(steps.in_order(), tuple(comparison.left_alone), version)


@dataclass(slots=True)
class _Steps:
    """Changes by when they are made."""

    destinations: list[Change] = field(default_factory=list)
    freed: list[Change] = field(default_factory=list)
    """Of customers whose destination somebody else may get."""
    customers: list[Change] = field(default_factory=list)
    late_destinations: list[Change] = field(default_factory=list)
    """Those that get a fixed schema, when all but one customer have left."""
    new_events: list[Change] = field(default_factory=list)
    """All together: they are written at once."""
    inside: list[Change] = field(default_factory=list)
    removals: list[Change] = field(default_factory=list)
    """Of customers in which something is changed before."""

    def add_customer(self, own: list[Change], within: list[Change], *, is_freed: bool) -> None:
        """Put the changes of one customer where they belong."""
        is_new = any(change.action == "add" for change in own)
        for change in own:
            if change.action == "remove" and (within or is_new):
                self.removals.append(change)
            else:
                (self.freed if is_freed or change.action == "remove" else self.customers).append(change)
        for change in within:
            is_new_event = (change.kind, change.action) == ("event", "add")
            (self.new_events if is_new_event else self.inside).append(change)

    def in_order(self) -> tuple[Change, ...]:
        """Return all of them."""
        customers = (self.destinations, self.freed, self.customers, self.late_destinations)
        phases = (*customers, self.new_events, self.inside, self.removals)
        return tuple(change for phase in phases for change in phase)


def _destinations(comparison: Comparison, current: Document, wanted: Document) -> Iterator[Change]:
    comparison.left_alone += [("destination", None, name) for name in current if name not in wanted]
    for name, after in wanted.items():
        before = current.get(name)
        if before is None and "kind" not in after:
            comparison.fault(("destinations", name), "the destination is new, so the field kind is needed")
        fields = changed_fields(before, after if before is not None else {**_NEW_DESTINATION, **after})
        if fields or before is None:
            yield Change("change" if before else "add", "destination", None, name, fields)


def _customers(
    comparison: Comparison, current: Document, wanted: Document
) -> Iterator[tuple[str, Document | None, Document]]:
    """Yield slug, present form and wanted form of every customer that may change."""
    named = wanted.get("customers", {})
    for slug, before in current.items():
        if slug in named:
            continue
        if comparison.prune and "customers" in wanted and not before["removed"]:
            yield slug, before, {"removed": True}
        else:
            comparison.left_alone.append(("customer", slug, slug))
    for slug, after in named.items():
        yield slug, current.get(slug), after


def _customer(slug: str, before: Document | None, after: Document) -> list[Change]:
    wanted = _flat(after)
    if before is None:
        wanted = {"display_name": slug, **_NEW_CUSTOMER, **wanted}
    fields = changed_fields(None if before is None else _flat(before), wanted)
    was_removed = before is not None and before["removed"]
    is_removed = after.get("removed", was_removed)
    changes = []
    if was_removed and not is_removed:
        changes.append(Change("restore", "customer", slug, slug))
    if fields or before is None:
        changes.append(Change("change" if before else "add", "customer", slug, slug, fields))
    if is_removed and not was_removed:
        changes.append(Change("remove", "customer", slug, slug))
    return changes


def _check_owners(comparison: Comparison, current: Document, wanted: Document) -> None:
    """A write key that another one here has the id or the hash of cannot be added."""
    owners: dict[str, tuple[str, str]] = {}
    for slug, customer in current["customers"].items():
        for name, key in customer["write_keys"].items():
            owners |= {name: (slug, name), key["hash"]: (slug, name)}
    for slug, customer in wanted.get("customers", {}).items():
        for name, key in customer.get("write_keys", {}).items():
            if {owners.get(name, (slug, name)), owners.get(key.get("hash", name), (slug, name))} != {(slug, name)}:
                comparison.fault(("customers", slug, "write_keys", name), "another write key here has its id or hash")


def _flat(customer: Document) -> Document:
    """Return the fields that are the customer's own."""
    own = {name: customer[name] for name in ("display_name", "destination", "isolated") if name in customer}
    return own | {f"policy.{name}": value for name, value in customer.get("policy", {}).items()}
