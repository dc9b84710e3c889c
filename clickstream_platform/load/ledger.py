"""Reading `_loads`: what was loaded, and what an hour must know of the others.

Belongs here: questions to the ledger. Does not: writing it (`load.hour_load`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from clickstream_platform.load.ledger_row import LedgerRow
from clickstream_platform.load.port import Session, Warehouse
from clickstream_platform.load.queries import ReadEventSums, ReadLoads
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import LOADS, TYPE_OF_TABLE

__all__ = ["EventSums", "LedgerRow", "has_other_tracks", "list_loads", "read_event_sums"]


def list_loads(
    warehouse: Warehouse, schema: str, customer: str, hour: Hour | None = None, event: str | None = None
) -> list[LedgerRow]:
    """Return a customer's ledger rows by hour and event; none when nothing was ever loaded."""
    with warehouse.session(schema, read_only=True) as session:
        if not session.columns([LOADS]):
            return []
        return [LedgerRow.of(row) for row in session.fetch(ReadLoads(customer, hour, event))]


@dataclass(frozen=True, slots=True)
class EventSums:
    """One event's ledger seen from an hour.

    Attributes:
        digest: the hour's input, None when the hour was never loaded.
        rows: rows the hour has.
        other_rows: rows all other hours have.
        later_duplicates: duplicates counted in later hours.
    """

    digest: str | None = None
    rows: int = 0
    other_rows: int = 0
    later_duplicates: int = 0


NEVER_LOADED = EventSums()


def read_event_sums(session: Session, customer: str, hour: Hour) -> dict[str, EventSums]:
    """Sum up the ledger, which must exist, for every event of the customer."""
    rows = session.fetch(ReadEventSums(customer, hour))
    return {event: EventSums(digest, int(own), int(other), int(later)) for event, digest, own, other, later in rows}


def has_other_tracks(sums: Mapping[str, EventSums], events: Collection[str]) -> bool:
    """Whether `tracks` holds rows of other hours, or of this hour's events that are not among `events`."""
    return any(
        event_sums.other_rows or (event_sums.rows and event not in events)
        for event, event_sums in sums.items()
        if event not in TYPE_OF_TABLE
    )
