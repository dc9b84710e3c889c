"""A registry, raw objects and ledgers, made quickly: real SQLite, real folder or memory, real DuckDB.

Belongs here: making them. Does not: expectations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.load.ledger_row import LedgerRow
from clickstream_platform.load.statements import CreateSchema, CreateTable, InsertLoads
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.schemas import LOADS_COLUMNS
from clickstream_platform.model.streams import LOADS, Stream
from clickstream_platform.settings import Settings
from clickstream_platform.warehouses.duckdb import DuckDBWarehouse
from clickstream_platform.wiring import Wiring

RAW = b"{}\n"


@contextmanager
def in_memory(settings: Settings, clock: FixedClock) -> Iterator[Wiring]:
    """Give a wiring whose objects are in memory: the test's clock decides when one was written."""
    with Wiring(settings, clock) as opened:
        opened.__dict__["objects"] = MemoryObjectStore(clock)
        yield opened


def put(wiring: Wiring, stream: Stream, hour: Hour, number: int = 1, data: bytes = RAW) -> None:
    """Put a raw object."""
    wiring.objects.put(str(RawObjectKey(hour, stream, "s", str(number), str(number))), data)


def ledger_row(
    stream: Stream, hour: Hour, *, objects: int = 1, size: int | None = None, digest: str = "d", raw: int = 10,
    rejected: int = 0, duplicates: int = 0, discarded: int = 0, seconds: float = 20.0, run_id: str = "run",
) -> LedgerRow:  # fmt: skip
    """Return a row whose objects are those of `put`; committed twenty minutes after the hour."""
    rows = raw - rejected - duplicates
    size = objects * len(RAW) if size is None else size
    counts = StreamCounts(objects, size, raw, rows, duplicates, rejected, discarded)
    committed = hour.end + timedelta(minutes=20)
    started = committed - timedelta(seconds=seconds)
    return LedgerRow(stream.customer, stream.event, hour, digest, counts, run_id, started, committed)


def write_ledger(path: Path, rows: Iterable[LedgerRow]) -> None:
    """Write ledger rows into their customers' schemas, replacing nothing."""
    by_customer: dict[str, list[LedgerRow]] = {}
    for row in rows:
        by_customer.setdefault(row.customer, []).append(row)
    warehouse = DuckDBWarehouse(path)
    for customer, found in by_customer.items():
        with warehouse.session(customer) as session:
            session.begin()
            session.execute(CreateSchema())
            if not session.columns([LOADS]):
                session.execute(CreateTable(LOADS, LOADS_COLUMNS))
            session.execute(InsertLoads(tuple(found)))
            session.commit()
