"""What the definitions are built from: the customers of the registry and a few settings, as of one moment.

The code server reads it once at load; run workers get the same text from Dagster and never ask the registry, so a run
sees exactly the assets that the code server showed. Belongs here: the nouns, their JSON, the names derived from them.
Does not: building assets (`customer_assets`).
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime

from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.freshness.watched import default_deadline_minutes, hours_to_latest_deadline
from clickstream_platform.registry.entities import Customer, Snapshot
from clickstream_platform.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
RAW_BATCHES, STAGED_BATCHES, EVENT_TABLES = "raw_batches", "staged_batches", "event_tables"
STEPS = (RAW_BATCHES, STAGED_BATCHES, EVENT_TABLES)
DEFAULT_FRESHNESS_HOURS = 3
RECONCILIATION, FRESHNESS = "reconciliation", "freshness"


def dagster_name(text: str) -> str:
    """Return a slug as a name in Dagster, which limits them to ASCII: itself where it is.

    Any other slug keeps its ASCII part and gets the beginning of its hash.
    """
    if _NAME.fullmatch(text):
        return text
    ascii_part = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return f"{ascii_part}_{digest}".lstrip("_")


def events_name(customer: str) -> str:
    """Return the name of the dynamic partitions that are a customer's events."""
    return f"events/{customer}"


@dataclass(frozen=True, slots=True)
class CustomerState:
    """One customer as the definitions need it."""

    slug: str
    display_name: str
    destination: str
    kind: str
    freshness_hours: int = field(default=DEFAULT_FRESHNESS_HOURS, compare=False)
    """Hours after which nothing loaded is worth a warning: those of its latest deadline, as of the last load.

    Not compared: a deadline that somebody changes, or a first event, is not worth reloading everything.
    """

    @property
    def name(self) -> str:
        """The customer in names of groups, ops and asset keys."""
        return dagster_name(self.slug)

    @property
    def events_name(self) -> str:
        """The name of the dynamic partitions that are this customer's events."""
        return events_name(self.slug)

    @property
    def pool(self) -> str:
        """The pool that allows one writer: per customer schema, per file where the warehouse is one file."""
        return f"warehouse/{self.destination}" if self.kind == "duckdb" else f"warehouse/{self.destination}/{self.slug}"


@dataclass(frozen=True, slots=True)
class DefinitionsState:
    """Everything the definitions depend on besides the code."""

    partitions_start: str
    asset_owner: str
    sensor_interval_seconds: int
    run_max_seconds: int
    customers: tuple[CustomerState, ...] = field(default=())

    @property
    def first_hour(self) -> Hour:
        """The first hour that has partitions."""
        return Hour.parse(self.partitions_start)

    def to_json(self) -> str:
        """Return the written form; equal states have equal texts."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "DefinitionsState":
        """Read the written form."""
        body = json.loads(text)
        return cls(**body | {"customers": tuple(CustomerState(**each) for each in body["customers"])})


def find_name_clashes(customers: Iterable[Customer]) -> dict[str, str]:
    """Return who cannot have assets, as an older customer has the same name in Dagster: `{slug: the older one's}`."""
    holders: dict[str, str] = {}
    clashes = {}
    for customer in sorted(customers, key=lambda each: (each.created_at, each.slug)):
        holder = holders.setdefault(dagster_name(customer.slug), customer.slug)
        if holder != customer.slug:
            clashes[customer.slug] = holder
    return clashes


def describe_clash(slug: str, holder: str) -> str:
    """Say what a clash of names means for the customer that came later, and what to do."""
    return (
        f"{slug}: has no assets and is not loaded, because the older customer {holder!r} has its name in Dagster, "
        f"{dagster_name(slug)!r}. Remove it and add it with another slug; all other customers go on"
    )


def read_state(settings: Settings, snapshot: Snapshot, now: datetime) -> DefinitionsState:
    """Return the state of this moment, without the customers whose names clash: one of them must not stop the rest."""
    kinds = {destination.name: destination.kind for destination in snapshot.destinations}
    deadlines = hours_to_latest_deadline(snapshot.events, default_deadline_minutes(settings))
    clashes = find_name_clashes(snapshot.customers)
    customers = tuple(
        CustomerState(
            each.slug,
            each.display_name,
            each.destination,
            kinds[each.destination],
            deadlines.get(each.slug, DEFAULT_FRESHNESS_HOURS),
        )
        for each in snapshot.customers
        if each.slug not in clashes
    )
    return DefinitionsState(
        partitions_start=str(settings.first_hour(now)),
        asset_owner=settings.asset_owner,
        sensor_interval_seconds=settings.sensor_interval_seconds,
        run_max_seconds=settings.run_max_seconds,
        customers=customers,
    )
