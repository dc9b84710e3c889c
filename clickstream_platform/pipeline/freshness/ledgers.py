"""Reads the ledgers of all customers: one session per warehouse, many schemas in a statement.

A session for each of a thousand customers would take minutes. Belongs here: that reading, with short limits, so that a
warehouse that lets one wait is asked again at the next look. Does not: what follows from rows (`watching`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clickstream_platform.errors import ClickstreamError, RetryableError
from clickstream_platform.load.port import Session, Warehouse
from clickstream_platform.load.queries import FindLedgers, ReadLedgers
from clickstream_platform.pipeline.freshness.ports import LedgerAnswer, LedgerQuestion
from clickstream_platform.registry.entities import Customer, Destination, Snapshot
from clickstream_platform.wiring import Wiring, connector_of, redshift_warehouse

LEDGERS_PER_STATEMENT = 50
"""Redshift compiles a statement whole, and more branches take longer to plan than several statements."""
COLUMNS_PER_STATEMENT = 40
"""Of all ledgers together: DuckDB reads all branches at once, each column of them takes a third of a megabyte, and what
does not fit into its memory is refused."""
MAX_SESSIONS = 16
"""Times that one reading opens a warehouse when statements are refused: enough to find two customers among fifty."""
STATEMENT_TIMEOUT_SECONDS = 30
FILE_WAIT_SECONDS = 2.0
"""How long a run that loads may keep the embedded warehouse's file from us."""
_DUCKDB_MEMORY_MB = 24


class WarehouseLedgers:
    """The ledgers in the warehouses of a wiring."""

    def __init__(self, wiring: Wiring) -> None:
        """Open what is needed at each reading, and nothing in between."""
        self._wiring = wiring

    def read(self, snapshot: Snapshot, question: LedgerQuestion) -> Iterator[LedgerAnswer]:
        """See `ports.LedgerSource`."""
        destinations = {each.name: each for each in snapshot.destinations}
        by_destination: dict[str, list[Customer]] = {}
        for customer in snapshot.customers:
            if customer.slug in question.customers and customer.destination in destinations:
                by_destination.setdefault(customer.destination, []).append(customer)
        for name, customers in by_destination.items():
            yield from self._read_one(destinations[name], customers, question)

    def _read_one(
        self, destination: Destination, customers: list[Customer], question: LedgerQuestion
    ) -> Iterator[LedgerAnswer]:
        """Ask one warehouse; a statement that is refused is split until the customer that it fails for is alone."""
        size = LEDGERS_PER_STATEMENT
        if destination.kind == "duckdb":
            size = max(COLUMNS_PER_STATEMENT // len(question.columns), 1)
        packs = deque(customers[start : start + size] for start in range(0, len(customers), size))
        for _ in range(MAX_SESSIONS):
            is_open = False
            try:
                # Whose session it is does not matter: the statements name the schemas themselves.
                schema = destination.schema or customers[0].slug
                with self._open(destination).session(schema, read_only=True) as session:
                    existing = {found for (found,) in session.fetch(FindLedgers())}
                    is_open = True
                    while packs:
                        answer = _read_pack(session, destination, packs[0], existing, question)
                        packs.popleft()
                        yield answer
            except ClickstreamError as caught:
                error = caught
                if not is_open or isinstance(caught, RetryableError):
                    break
                refused = packs.popleft()
                if len(refused) == 1:
                    yield LedgerAnswer(destination.name, (refused[0].slug,), error=caught)
                else:
                    middle = len(refused) // 2
                    packs.extendleft((refused[middle:], refused[:middle]))
            else:
                return
        if packs:
            yield LedgerAnswer(destination.name, tuple(each.slug for pack in packs for each in pack), error=error)

    def _open(self, destination: Destination) -> Warehouse:
        if destination.kind == "redshift":
            connector = connector_of(destination, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS)
            return redshift_warehouse(connector, self._wiring.objects)
        from clickstream_platform.warehouses.duckdb import DuckDBWarehouse

        path = Path(destination.settings.get("path") or self._wiring.settings.duckdb)
        return DuckDBWarehouse(path, memory_mb=_DUCKDB_MEMORY_MB, wait_seconds=FILE_WAIT_SECONDS)


def _read_pack(
    session: Session, destination: Destination, pack: list[Customer], existing: set[str], question: LedgerQuestion
) -> LedgerAnswer:
    """Ask for some customers; one whose schema has no ledger was never loaded, which is an answer too."""
    ledgers = tuple((schema, each.slug) for each in pack if (schema := destination.schema or each.slug) in existing)
    rows: list[tuple[Any, ...]] = []
    if ledgers:
        found = ReadLedgers(ledgers, question.since, question.hours, question.events, question.columns)
        rows = session.fetch(found)
    return LedgerAnswer(destination.name, tuple(each.slug for each in pack), rows)
