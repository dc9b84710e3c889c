"""The log of changes, of one customer and of all.

Belongs here: the pages, and what changed between two documents. Does not: writing the log (`registry.operations`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.entities import AuditEntry
from clickstream_platform.registry.pages.forms import Fields
from clickstream_platform.registry.pages.gate import PageRoute
from clickstream_platform.registry.pages.visits import Visit

ENTRIES_PER_PAGE = 50
_UNTOLD = frozenset({"revision", "customer", "slug", "id"})
"""Fields that say nothing about a change: which entity it was stands above them."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of an entity before and after."""

    field: str
    """Such as `policy.auto_activate`."""
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry of the log with what it changed."""

    entry: AuditEntry
    changes: tuple[FieldChange, ...]


def show_customer_log(visit: Visit) -> Response:
    """Show the changes of one customer."""
    customer = visit.registry.get_customer(visit.part("customer"))
    return _show(visit, "customer-audit.html", customer.slug, customer=customer)


def show_log(visit: Visit) -> Response:
    """Show the changes of all customers, destinations and tokens."""
    return _show(visit, "audit.html", None)


def _show(visit: Visit, template: str, slug: str | None, **values: Any) -> Response:  # noqa: ANN401
    before = Fields(visit.request.query_params).optional_number("before", "before")
    entries = visit.registry.list_audit(slug, before=before, limit=ENTRIES_PER_PAGE + 1)
    shown = entries[:ENTRIES_PER_PAGE]
    lines = [LogLine(entry, tuple(changes_of(entry.before, entry.after))) for entry in shown]
    older = shown[-1].number if len(entries) > ENTRIES_PER_PAGE else None
    return visit.show(template, lines=lines, older=older, is_first=before is None, **values)


def changes_of(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[FieldChange]:
    """Yield the fields that differ, those of nested documents by their path; of a new entity those that are set."""
    old, new = dict(_flat(before or {})), dict(_flat(after or {}))
    for name in dict.fromkeys((*old, *new)):
        if name not in _UNTOLD and old.get(name) != new.get(name):
            yield FieldChange(name, old.get(name), new.get(name))


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        # A schema is shown whole: a reader of the log looks for the contract, not for its parts.
        if isinstance(value, Mapping) and name != "schema":
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


AUDIT_ROUTES = (
    PageRoute("GET", "/audit", Permission.READ_AUDIT, show_log),
    PageRoute("GET", "/customers/{customer}/audit", Permission.READ, show_customer_log),
)
