"""What the registry knows: customers, events, destinations, the snapshot of all of them, and the log of changes.

Belongs here: immutable nouns, standard library only, safe to import anywhere. Does not: rules (`rules`), storage
(`store`), written forms (`documents`), and who may ask (`access`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from clickstream_platform.registry.access import Scope

SchemaMode = Literal["evolve", "freeze", "reject"]
DestinationKind = Literal["duckdb", "redshift"]
ContractMode = Literal["evolve", "freeze", "reject"]

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
    load_threshold_percent: int = 100
    """The greatest share of rejected records, in percent, with which a stream-hour is loaded; above it, it fails."""
    retention_days: int | None = None
    """Days back from now that a back-fill reaches; None for all that is kept."""
    events_per_second: int | None = None
    """What a collector takes of this customer, as an average of ten seconds; None for the collector's own default."""


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
    """Minutes after the end of an hour by which it must be loaded; None: the platform's."""
    first_seen_at: datetime
    """When the registry first heard of the event, typed or arrived."""
    first_seen_hour: str | None
    """The earliest hour with a record of it, `2026-11-22T09`; None until one arrives. A backfill starts here."""
    seen_records: int = 0
    """Records announced so far. Advisory: an hour announced twice counts twice."""
    last_seen_hour: str | None = None
    """The latest hour with a record of it. Advisory."""
    waiting_records: int = 0
    """Records announced since it is not loaded: what activating it brings. Advisory."""
    activation: int = 1
    """How often it came into use; each time, whoever loads fills in what arrived meanwhile."""
    contract_version: int | None = None
    """The contract its records are held to; None for none."""
    revision: int = 1
    """Grows with every change a person makes; arriving records do not touch it."""

    @property
    def table_name(self) -> str:
        """The table its rows are in: the slug, in the customer's schema."""
        return self.slug


@dataclass(frozen=True, slots=True)
class Contract:
    """One version of what a customer and the platform agreed an event's records look like; never changed."""

    customer: str
    event: str
    version: int
    """From 1, without gaps, in the order they were written."""
    mode: ContractMode
    """What becomes of a record that breaks it: loaded and counted (evolve), loaded without the values that break it,
    which are discards (freeze), or rejected (reject)."""
    schema: Mapping[str, Any] = field(hash=False)
    """JSON Schema (draft 2020-12) of `properties` (track, page, screen) or `traits` (identify, group)."""
    note: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class EventSample:
    """One record of an event, its values masked: what it looks like."""

    customer: str
    event: str
    sample: Mapping[str, Any] = field(hash=False)
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class WriteKey:
    """What a customer's apps send with their records; only its hash is stored, so it is shown once."""

    id: str
    customer: str
    name: str
    """For people: which app has it."""
    hash: str
    """SHA-256 of the key, 64 hex digits."""
    hint: str
    """The first characters of the key, to recognise it by."""
    created_at: datetime
    expires_at: datetime | None = None
    """Set when it was rotated: until then both keys are taken."""
    revoked_at: datetime | None = None
    revision: int = 1

    def is_valid(self, now: datetime) -> bool:
        """Whether records sent with it are taken."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What a person or service shows the registry's API; only its hash is stored."""

    id: str
    name: str
    scope: Scope
    customer: str | None
    """The one customer of a `customer_read` or `customer_write` token; None for the other scopes."""
    hash: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    """To within a minute."""
    revision: int = 1

    def is_valid(self, now: datetime) -> bool:
        """Whether it still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What a request with an idempotency key was answered, so that its repetition is answered alike."""

    request_digest: str
    status: int
    body: str


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
    """Digest of everything but `taken_at` and the advisory counts of events."""
    taken_at: datetime
    write_keys: tuple[WriteKey, ...] = ()
    """Keys of these customers that are not revoked."""
    contracts: tuple[Contract, ...] = ()
    """The version of each event's contract that is in force."""


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
