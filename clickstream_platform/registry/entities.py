"""What the registry knows: customers, events, destinations, the snapshot of all of them, and the log of changes.

Belongs here: immutable nouns, standard library only, safe to import anywhere. Does not: rules (`rules`), storage
(`store`), written forms (`documents`). Write keys and contracts are not part of this first form of the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

SchemaMode = Literal["evolve", "freeze", "reject"]
DestinationKind = Literal["duckdb", "redshift"]

DEFAULT_DESTINATION = "default"
"""The destination of a customer for whom nobody named one: the embedded warehouse, until an operator replaces it."""


class EventState(StrEnum):
    """Where an event is in its life; only an active one is loaded, whatever the state its raw objects are kept."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"
    """A tombstone: the table stays, and a late object never revives the event."""
    DISCOVERED = "discovered"
    """Arrived by itself and waits for a person, by the customer's policy."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a customer's events are treated where the event itself says nothing."""

    auto_activate: bool = True
    """Whether an event seen for the first time is loaded at once, or waits as discovered."""
    schema_mode: SchemaMode = "evolve"
    """New columns are added (evolve), discarded (freeze), or their records rejected (reject)."""
    dedup_window_hours: int = 24
    """How far either side of a record its `id` is looked for."""
    column_limit: int = 1600
    """Columns a table may have; values beyond it are discards."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A tenant whose data it is."""

    slug: str
    display_name: str
    policy: Policy
    destination: str
    """Name of the destination its tables are in."""
    isolated: bool
    """Whether its hours are never packed into one run with those of other customers."""
    created_at: datetime
    removed_at: datetime | None = None
    """Set on a tombstone; every event of a removed customer is removed."""
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Event:
    """A named event type of one customer; its slug is its table."""

    customer: str
    slug: str
    display_name: str
    """The name as sent or typed, for people."""
    state: EventState
    freshness_deadline_minutes: int | None
    """Minutes after the end of an hour by which it must be loaded; None when nobody watches."""
    first_seen_at: datetime
    """When the registry first heard of the event, typed or arrived."""
    first_seen_hour: str | None
    """The earliest hour with a record of it, `2026-11-22T09`; None until one arrives. A backfill starts here."""
    seen_records: int = 0
    """Records announced so far. Advisory: an hour announced twice counts twice."""
    revision: int = 1
    """Grows with every change a person makes; arriving records do not touch it."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A warehouse that customers' tables are in."""

    name: str
    kind: DestinationKind
    settings: Mapping[str, str] = field(hash=False)
    """Connection settings of that kind, never a secret."""
    secret_reference: str | None = None
    """Where the secret is kept, resolved by whoever connects."""
    schema: str | None = None
    """A fixed schema, for one customer only; None gives every customer a schema of its own."""
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a consumer needs, read in one transaction; sorted by slug, so equal content gives an equal `etag`."""

    customers: tuple[Customer, ...]
    """Without removed customers."""
    events: tuple[Event, ...]
    """Events of these customers in every state, tombstones included."""
    destinations: tuple[Destination, ...]
    etag: str
    """Digest of everything but `taken_at` and the advisory `seen_records`."""
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: who, when, what, and the entity before and after as plain documents."""

    number: int
    at: datetime
    actor: str
    action: str
    """Such as `event.pause`; the part before the point is the kind of entity."""
    customer: str | None
    """The customer it concerns; None for a destination."""
    name: str
    before: Mapping[str, Any] | None = field(hash=False)
    after: Mapping[str, Any] | None = field(hash=False)
