"""The target tables as the warehouse has them, seen from the hour that is about to be loaded.

Belongs here: `TableState`s and which of them bind. Does not: what follows (`load.evolution`, `transform.plan`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from clickstream_platform.load.ledger import EventSums, has_other_tracks
from clickstream_platform.load.newest import NEWEST
from clickstream_platform.load.port import Columns
from clickstream_platform.model.schemas import TableState
from clickstream_platform.model.streams import TRACKS


def states_of(events: Collection[str], columns: Columns, sums: Mapping[str, EventSums]) -> dict[str, TableState]:
    """Return the states of the events' tables, `tracks`, `users` and `accounts`, for replacing one hour of `events`."""
    states = {event: TableState(event, columns.get(event, {}), _binds(sums.get(event))) for event in events}
    binds = has_other_tracks(sums, events) or not any(event in sums for event in events)
    states[TRACKS] = TableState(TRACKS, columns.get(TRACKS, {}), binds)
    for newest in NEWEST:
        source = states.get(newest.source)
        states[newest.table] = TableState(newest.table, columns.get(newest.table, {}), source is None or source.binding)
    return states


def _binds(sums: EventSums | None) -> bool:
    """A table that the ledger knows nothing of isn't ours to reshape: it binds."""
    return sums is None or sums.other_rows > 0
