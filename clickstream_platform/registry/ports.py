"""What the registry's page and API show but the registry does not know: what was loaded, and what records look like.

Belongs here: the questions, and the nouns of their answers. Does not: the answers (`pipeline` reads ledgers and raw
objects; the command that starts the service hands them in).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from clickstream_platform.model.stream_status import StreamState
from clickstream_platform.registry.entities import Contract, Customer


@dataclass(frozen=True, slots=True)
class EventStatistics:
    """What the ledger tells about one event."""

    last_loaded_hour: str | None
    """`2026-11-22T09`; None when nothing was ever loaded."""
    last_loaded_at: datetime | None
    rows_24h: int
    """Rows of the hours of the last 24 hours."""
    rejected_24h: int
    discards_24h: int


@dataclass(frozen=True, slots=True)
class DryRunExample:
    """One record that breaks a contract, its values masked."""

    object_key: str
    line: int
    """From 1."""
    problems: tuple[str, ...]
    """Such as `/price: "12" is not of type "number"`, values masked."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a contract would have done to the records of some hours."""

    hours: int
    records: int
    rejected: int
    """Records that would be rejected."""
    discarded: int
    """Values that would be discards."""
    violations: Mapping[str, int]
    """Records by rule broken, such as `/price type`."""
    examples: tuple[DryRunExample, ...]
    is_complete: bool
    """False when a limit ended it before all records were read."""


class LoadStatistics(Protocol):
    """Reads ledgers."""

    def of_customer(self, customer: Customer) -> Mapping[str, EventStatistics]:
        """Return what is known of the customer's events by slug; raise ClickstreamError when the warehouse is away."""
        ...


class StreamStates(Protocol):
    """Watches streams: what arrived against what was loaded, hour by hour."""

    @property
    def default_deadline_minutes(self) -> int:
        """The deadline of events without one of their own; 0: they have none."""
        ...

    def of_customer(self, customer: Customer) -> Mapping[str, StreamState]:
        """Return the last known states by event, none while nothing is known; at once, and never raises."""
        ...


class ContractProbe(Protocol):
    """Reads the raw objects of the last hours."""

    def dry_run(self, contract: Contract, hours: int) -> DryRun:
        """Hold the event's records of the last `hours` hours against a contract; nothing is written."""
        ...

    def infer(self, customer: str, event: str, hours: int) -> Mapping[str, Any]:
        """Return a JSON Schema that all records of the last `hours` hours fit; raise NotFoundError without any."""
        ...
