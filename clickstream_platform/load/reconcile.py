"""Does the warehouse hold what the ledger says? Counts of one customer-hour, ledger against tables.

Belongs here: comparing. Does not: repairing (loading the hour again does), raising alarms (the asset check).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from clickstream_platform.load.ledger_row import LedgerRow
from clickstream_platform.load.plan import is_track
from clickstream_platform.load.port import Session, Warehouse
from clickstream_platform.load.queries import CountHour, CountHourByEvent, ReadLoads
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import DISCARDS, LOADS, TRACKS

# One question counts this many tables: few round trips without statements of megabytes.
_TABLES_PER_QUERY = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not add up: for which event, what, what was expected and what is there."""

    event: str
    what: str
    expected: int
    actual: int

    def __str__(self) -> str:
        return f"{self.event}: {self.what}: expected {self.expected}, found {self.actual}"


def reconcile(
    warehouse: Warehouse, schema: str, customer: str, hour: Hour, events: Collection[str] | None = None
) -> list[Finding]:
    """Compare the ledger rows of an hour (None: of all its events) with what the tables hold; no finding, no fault."""
    with warehouse.session(schema, read_only=True) as session:
        if not session.columns([LOADS]):
            return []
        ledger = [LedgerRow.of(row) for row in session.fetch(ReadLoads(customer, hour))]
        rows = [row for row in ledger if events is None or row.event in events]
        tables = _count_tables(session, hour, rows)
        tracks = _count_by_event(session, TRACKS, hour)
        discards = _count_by_event(session, DISCARDS, hour)
    findings = [finding for row in rows for finding in _judge(row, tables, tracks, discards)]
    strangers = tracks.keys() - {row.event for row in ledger}
    return findings + [
        Finding(event, "rows in tracks without a ledger row", 0, tracks[event])
        for event in sorted(strangers)
        if events is None or event in events
    ]


def _judge(
    row: LedgerRow, tables: dict[str, int], tracks: dict[str, int], discards: dict[str, int]
) -> Iterator[Finding]:
    counts, event = row.counts, row.event
    settled = counts.rows + counts.duplicates + counts.rejected
    checks = [
        ("raw records are loaded, duplicates or rejected", counts.raw, settled),
        ("rows in its table", counts.rows, tables.get(event, 0)),
        ("rows in tracks", counts.rows if is_track(event) else 0, tracks.get(event, 0)),
        ("rows in _discards", counts.discarded, discards.get(event, 0)),
    ]
    yield from (Finding(event, what, expected, actual) for what, expected, actual in checks if expected != actual)
    if not row.input_digest:
        yield Finding(event, "must be loaded again: an earlier hour gave up ids it may have lost to it", 1, 0)


def _count_tables(session: Session, hour: Hour, rows: Collection[LedgerRow]) -> dict[str, int]:
    """Count the hour's rows in each event table; tables that don't exist have none."""
    tables = sorted(session.columns([row.event for row in rows]))
    counts: dict[str, int] = {}
    for start in range(0, len(tables), _TABLES_PER_QUERY):
        counts.update(session.fetch(CountHour(hour, tuple(tables[start : start + _TABLES_PER_QUERY]))))
    return counts


def _count_by_event(session: Session, table: str, hour: Hour) -> dict[str, int]:
    return dict(session.fetch(CountHourByEvent(table, hour))) if session.columns([table]) else {}
