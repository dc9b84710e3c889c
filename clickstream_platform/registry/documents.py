"""Entities as plain documents (JSON types only) and back, and the digest of a snapshot.

Belongs here: the one written form, used by the audit log, the commands, a snapshot kept on disk and, later, the HTTP
API. Does not: files and transport.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from clickstream_platform.registry.entities import (
    AuditEntry,
    Customer,
    Destination,
    Event,
    EventState,
    Policy,
    Snapshot,
)
from clickstream_platform.registry.refusals import InvalidRequestError

Entity: TypeAlias = Customer | Event | Destination
Document: TypeAlias = dict[str, Any]


def to_document(entity: Entity) -> Document:
    """Return the document of one customer, event or destination."""
    if isinstance(entity, Customer):
        return _customer_document(entity)
    if isinstance(entity, Event):
        return _event_document(entity)
    return {
        "name": entity.name,
        "kind": entity.kind,
        "settings": dict(entity.settings),
        "secret_reference": entity.secret_reference,
        "schema": entity.schema,
        "revision": entity.revision,
    }


def kind_and_name(entity: Entity) -> tuple[str, str | None, str]:
    """Return the kind of entity, the customer it concerns (None for a destination) and its own name."""
    if isinstance(entity, Customer):
        return "customer", entity.slug, entity.slug
    if isinstance(entity, Event):
        return "event", entity.customer, entity.slug
    return "destination", None, entity.name


def audit_document(entry: AuditEntry) -> Document:
    """Return the document of one change."""
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "customer": entry.customer,
        "name": entry.name,
        "before": entry.before,
        "after": entry.after,
    }


def snapshot_document(snapshot: Snapshot) -> Document:
    """Return the document of a snapshot; `parse_snapshot` reads it back."""
    return {
        "etag": snapshot.etag,
        "taken_at": snapshot.taken_at.isoformat(),
        "customers": [_customer_document(customer) for customer in snapshot.customers],
        "destinations": [to_document(destination) for destination in snapshot.destinations],
        "events": [_event_document(event) for event in snapshot.events],
    }


def parse_snapshot(document: Mapping[str, Any]) -> Snapshot:
    """Read a snapshot from its document; raise InvalidRequestError for anything else."""
    try:
        return Snapshot(
            customers=tuple(_parse_customer(customer) for customer in document["customers"]),
            events=tuple(_parse_event(event) for event in document["events"]),
            destinations=tuple(Destination(**destination) for destination in document["destinations"]),
            etag=document["etag"],
            taken_at=datetime.fromisoformat(document["taken_at"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidRequestError(
            "reading a snapshot of the registry",
            cause=f"{type(error).__name__}: {error}",
            remedy="Take a new one with `clickstream registry snapshot --json`.",
        ) from error


def digest(customers: tuple[Customer, ...], events: tuple[Event, ...], destinations: tuple[Destination, ...]) -> str:
    """Return 32 hexadecimal digits that are equal exactly when the content is, advisory counts apart."""
    content = [
        [_customer_document(customer) for customer in customers],
        [_event_document(event) | {"seen_records": 0} for event in events],
        [to_document(destination) for destination in destinations],
    ]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _customer_document(customer: Customer) -> Document:
    policy = customer.policy
    return {
        "slug": customer.slug,
        "display_name": customer.display_name,
        "policy": {
            "auto_activate": policy.auto_activate,
            "schema_mode": policy.schema_mode,
            "dedup_window_hours": policy.dedup_window_hours,
            "column_limit": policy.column_limit,
        },
        "destination": customer.destination,
        "isolated": customer.isolated,
        "created_at": customer.created_at.isoformat(),
        "removed_at": None if customer.removed_at is None else customer.removed_at.isoformat(),
        "revision": customer.revision,
    }


def _event_document(event: Event) -> Document:
    return {
        "customer": event.customer,
        "slug": event.slug,
        "display_name": event.display_name,
        "state": event.state.value,
        "freshness_deadline_minutes": event.freshness_deadline_minutes,
        "first_seen_at": event.first_seen_at.isoformat(),
        "first_seen_hour": event.first_seen_hour,
        "seen_records": event.seen_records,
        "revision": event.revision,
    }


def _parse_customer(document: Document) -> Customer:
    removed_at = document["removed_at"]
    return Customer(
        **document
        | {
            "policy": Policy(**document["policy"]),
            "created_at": datetime.fromisoformat(document["created_at"]),
            "removed_at": None if removed_at is None else datetime.fromisoformat(removed_at),
        }
    )


def _parse_event(document: Document) -> Event:
    return Event(
        **document
        | {
            "state": EventState(document["state"]),
            "first_seen_at": datetime.fromisoformat(document["first_seen_at"]),
        }
    )
