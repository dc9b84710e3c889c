"""The registry as the hourly work sees it, wherever it is: its database in this process, or its API with a snapshot.

Belongs here: the methods that `pipeline`, `defs`, `doctor` and `wiring` use. Does not: changing anything that a person
decides (commands use the service on its database), implementations (`service`, `client.cached`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Protocol, Self

from clickstream_platform.model.hours import Hour
from clickstream_platform.registry.entities import Contract, Customer, Destination, Event, EventState, Snapshot
from clickstream_platform.registry.sightings import NO_SAMPLES, Samples, Seen


class RegistryReader(Protocol):
    """Who the customers are and which of their events are loaded; any method may raise RegistryUnavailableError."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def close(self) -> None:
        """Close what is open."""
        ...

    def get_customer(self, slug: str) -> Customer:
        """Return a customer; raise NotFoundError. A removed one is a tombstone or unknown."""
        ...

    def list_customers(self) -> list[Customer]:
        """Return all live customers by slug."""
        ...

    def list_events(self, customer: str, states: Collection[EventState] | None = None) -> list[Event]:
        """Return one customer's events by slug, in these states or in all; raise NotFoundError."""
        ...

    def contracts_in_force(self, customer: str) -> Mapping[str, Contract]:
        """Return the contracts that one customer's records are held to, by event."""
        ...

    def get_destination(self, name: str) -> Destination:
        """Return a destination; raise NotFoundError."""
        ...

    def snapshot(self) -> Snapshot:
        """Return all live customers with their events, and all destinations."""
        ...

    def record_seen(
        self,
        customer: str,
        hour: Hour,
        seen: Seen,
        *,
        samples: Samples = NO_SAMPLES,
        create_customer: bool = False,
    ) -> dict[str, Event]:
        """Take note of one customer-hour's events and return them as they now are; see `RegistryService`."""
        ...

    def add_customer(self, slug: str) -> Customer:
        """Add a customer with the default policy and destination; raise ConflictError."""
        ...

    def describe_age(self) -> str:
        """Say in one line how old what this answers from is, and whether the registry answers; never raises."""
        ...
