"""A pipeline of real parts in memory, with a stager and a loader that record instead of transforming and loading."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from clickstream_platform.errors import ClickstreamError, LoadError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest, ObjectRef, Seal
from clickstream_platform.model.object_keys import RawObjectKey, seal_key
from clickstream_platform.model.schemas import Column, ColumnType, TableState
from clickstream_platform.model.staging import StagedBatch, StagedStream, StagedTable
from clickstream_platform.model.streams import Stream
from clickstream_platform.registry import RegistryService, open_registry
from clickstream_platform.registry.entities import Customer
from clickstream_platform.settings import Settings
from clickstream_platform.transform.plan import SchemaPolicy

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
NINE, TEN, ELEVEN, TWELVE = (Hour.parse(f"2026-11-22T{hour:02}") for hour in (9, 10, 11, 12))
ROWS_PER_OBJECT = 10


class RecordingStager:
    """Stages ten rows per object; events named in `broken` make the whole batch fail."""

    def __init__(self) -> None:
        self.story: list[tuple[str, ...]] = []
        self.broken: set[str] = set()

    def stage(
        self,
        customer: str,
        hour: Hour,
        manifests: Mapping[str, Manifest],
        states: Mapping[str, TableState],
        policy: SchemaPolicy,
        max_abs_integer: Callable[[str, str], int],
    ) -> StagedBatch:
        self.story.append(tuple(sorted(manifests)))
        for event in self.broken & manifests.keys():
            raise LoadError("staging", where=f"{customer}/{event} {hour}", cause="it is broken", remedy="Mend it.")
        streams = tuple(StagedStream(e, m.digest, _counts(m)) for e, m in sorted(manifests.items()))
        columns = (Column("id", ColumnType.VARCHAR, 4096), Column("received_at", ColumnType.TIMESTAMP))
        tables = tuple(StagedTable(s.event, 0, n, columns, s.counts.rows) for n, s in enumerate(streams))
        return StagedBatch(customer, hour, "d" * 40, streams, (), tables)


@dataclass(frozen=True)
class RecordedOutcome:
    """See `load.report.LoadOutcome`."""

    event: str
    counts: StreamCounts | None
    table: str | None
    error: ClickstreamError | None = None
    reopened: tuple[Hour, ...] = ()


@dataclass(frozen=True)
class RecordedEntry:
    """See `load.ledger_row.LedgerRow`."""

    digest: str
    counts: StreamCounts


@dataclass(frozen=True)
class RecordedReport:
    """See `load.report.LoadReport`."""

    outcomes: list[RecordedOutcome]
    commits: int = 1
    copies: int = 1


@dataclass
class RecordingLoader:
    """Keeps a ledger; events in `refused` fail alone, errors in `next_errors` are raised by the next loads.

    Loading an hour that is a key of `reopens` re-opens the hours that are its value.
    """

    ledger: dict[tuple[str, Hour, str], RecordedEntry] = field(default_factory=dict)
    reopens: dict[Hour, tuple[Hour, ...]] = field(default_factory=dict)
    story: list[tuple[str, ...]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    next_errors: list[Exception] = field(default_factory=list)

    def table_states(self, customer: str, hour: Hour, events: Collection[str]) -> Mapping[str, TableState]:
        return {event: TableState(event) for event in events}

    def already_loaded(self, customer: str, hour: Hour, digests: Mapping[str, str]) -> Mapping[str, RecordedEntry]:
        known = {event: self.ledger.get((customer, hour, event)) for event in digests}
        return {event: entry for event, entry in known.items() if entry and entry.digest == digests[event]}

    @property
    def schema(self) -> str:
        return ""

    @property
    def max_columns(self) -> int:
        return 1600

    @property
    def max_json_bytes(self) -> int | None:
        return None

    def max_abs_integer(self, table: str, column: str) -> int:
        return 0

    def load(
        self, batch: StagedBatch, *, run_id: str, started_at: datetime, replacing: Mapping[str, str] | None = None
    ) -> RecordedReport:
        self.story.append(tuple(stream.event for stream in batch.streams))
        if self.next_errors:
            raise self.next_errors.pop(0)
        outcomes = []
        for stream in batch.streams:
            if stream.event in self.refused:
                error = LoadError(
                    "loading", where=f"{batch.customer}/{stream.event} {batch.hour}", cause="no", remedy="Mend it."
                )
                outcomes.append(RecordedOutcome(stream.event, None, None, error))
                continue
            self.ledger[batch.customer, batch.hour, stream.event] = RecordedEntry(stream.digest, stream.counts)
            reopened = self.reopens.get(batch.hour, ())
            for hour in reopened:
                self.ledger.pop((batch.customer, hour, stream.event), None)
            outcomes.append(RecordedOutcome(stream.event, stream.counts, stream.event, reopened=reopened))
        return RecordedReport(outcomes)


@dataclass
class StandInWiring:
    """The parts of `wiring.Wiring`: objects, registry and clock are real."""

    settings: Settings = field(default_factory=lambda: Settings(partitions_start="2026-11-01T00", hours_lookback=24))
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    transformer: RecordingStager = field(default_factory=RecordingStager)
    loader: RecordingLoader = field(default_factory=RecordingLoader)

    def __post_init__(self) -> None:
        self.objects = MemoryObjectStore(self.clock)
        self.registry: RegistryService = open_registry("sqlite://", self.clock)

    @contextmanager
    def open_loader(self, customer: Customer) -> Iterator[RecordingLoader]:
        yield self.loader

    def put(
        self, customer: str, event: str, hour: Hour, number: int = 1, shard: str = "shard1", data: bytes = b"{}\n"
    ) -> ObjectRef:
        """Put a raw object."""
        key = str(RawObjectKey(hour, Stream(customer, event), shard, str(number), str(number)))
        info = self.objects.put(key, data)
        return ObjectRef(key, info.size, info.etag)

    def seal(
        self, hour: Hour, shard: str = "shard1", streams: Mapping[Stream, tuple[ObjectRef, ...]] | None = None
    ) -> None:
        """Seal an hour."""
        self.objects.put(seal_key(hour, shard), Seal(hour, shard, "w", streams or {}).to_json())


def _counts(manifest: Manifest) -> StreamCounts:
    rows = ROWS_PER_OBJECT * len(manifest.objects)
    return StreamCounts(len(manifest.objects), manifest.size_bytes, rows + 2, rows, 1, 1, 0)
