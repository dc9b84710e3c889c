"""What the hourly work asks of its parts: object store, registry, transformer and loader.

Belongs here: the few methods that are used, so that tests can stand in for a part. Does not: implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest
from clickstream_platform.model.schemas import TableState
from clickstream_platform.model.shared_ports import StoredObject
from clickstream_platform.model.staging import StagedBatch
from clickstream_platform.registry.entities import Contract, Customer, Event

if TYPE_CHECKING:
    from clickstream_platform.transform.plan import SchemaPolicy


class HourStore(Protocol):
    """Where raw objects, seals and manifests are."""

    def list_objects(self, prefix: str) -> Iterator[StoredObject]:
        """List the objects below a prefix in key order."""
        ...

    def list_prefixes(self, prefix: str) -> Iterator[str]:
        """List the distinct beginnings of keys from prefix up to and with the next `/`, in order."""
        ...

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Read the bytes from start up to, but without, end."""
        ...

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Read many small objects in the order of the keys."""
        ...

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> Sequence[object]:
        """Write many small objects."""
        ...


class EventRegistry(Protocol):
    """Who the customers are and which of their events are loaded."""

    def get_customer(self, slug: str) -> Customer:
        """Return a customer, tombstone or not; raise NotFoundError."""
        ...

    def list_events(self, customer: str) -> list[Event]:
        """Return one customer's events in every state."""
        ...

    def contracts_in_force(self, customer: str) -> Mapping[str, Contract]:
        """Return the contracts that one customer's records are held to, by event."""
        ...

    def record_seen(
        self,
        customer: str,
        hour: Hour,
        seen: Mapping[str, tuple[str, int]],
        *,
        samples: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> dict[str, Event]:
        """Take note of one customer-hour's events, `{slug: (name, records)}`, and return them as they now are.

        `samples` are masked records by slug; the first one of an event is kept.
        """
        ...


class BatchStager(Protocol):
    """Makes Parquet of raw objects; `transform.transformer.Transformer` does."""

    def stage(
        self,
        customer: str,
        hour: Hour,
        manifests: Mapping[str, Manifest],
        states: Mapping[str, TableState],
        policy: SchemaPolicy,
        max_abs_integer: Callable[[str, str], int],
    ) -> StagedBatch:
        """Transform the events of `manifests` and write the staged batch."""
        ...


class StreamOutcome(Protocol):
    """What became of one event of a staged batch."""

    @property
    def event(self) -> str:
        """The event's slug."""
        ...

    @property
    def counts(self) -> StreamCounts | None:
        """Exact counts; None when it failed."""
        ...

    @property
    def table(self) -> str | None:
        """The table its rows are in; None for an event without rows."""
        ...

    @property
    def error(self) -> ClickstreamError | None:
        """Why it failed."""
        ...

    @property
    def reopened(self) -> tuple[Hour, ...]:
        """Later hours that lost rows to this one before and must be loaded again."""
        ...


class LedgerEntry(Protocol):
    """A stream-hour in the ledger."""

    @property
    def counts(self) -> StreamCounts:
        """What its load counted."""
        ...


class BatchReport(Protocol):
    """What became of a staged batch."""

    @property
    def commits(self) -> int:
        """Transactions that were committed."""
        ...

    @property
    def copies(self) -> int:
        """Packs that were read: COPY commands, where the warehouse has them."""
        ...

    @property
    def outcomes(self) -> Sequence[StreamOutcome]:
        """One outcome per event."""
        ...


class CustomerLoader(Protocol):
    """Loads staged batches of one customer; `load.loader.Loader` does."""

    @property
    def schema(self) -> str:
        """The schema that it loads into."""
        ...

    @property
    def max_columns(self) -> int:
        """The most columns that a table may have."""
        ...

    @property
    def max_json_bytes(self) -> int | None:
        """The longest text that a JSON column takes as one value; None without a limit."""
        ...

    def table_states(self, customer: str, hour: Hour, events: Collection[str]) -> Mapping[str, TableState]:
        """Return the target tables of these events as the warehouse has them now, by name."""
        ...

    def already_loaded(self, customer: str, hour: Hour, digests: Mapping[str, str]) -> Mapping[str, LedgerEntry]:
        """Return the ledger entries of the events whose very input (event -> digest) was loaded."""
        ...

    def max_abs_integer(self, table: str, column: str) -> int:
        """Return the greatest absolute value in a BIGINT column."""
        ...

    def load(
        self, batch: StagedBatch, *, run_id: str, started_at: datetime, replacing: Mapping[str, str] | None = None
    ) -> BatchReport:
        """Load a staged batch; StaleStagingError is raised or, for one event, in its outcome.

        What is loaded already stays as it is, but for the events in `replacing`, each with the digest in the ledger,
        '' for none.
        """
        ...


OpenLoader: TypeAlias = Callable[[Customer], AbstractContextManager[CustomerLoader]]
