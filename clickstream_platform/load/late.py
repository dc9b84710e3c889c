"""Ids that other hours have: which staged rows are duplicates of an earlier hour, which rows of later hours of these.

The earliest hour keeps the row, whatever the order of loads, so the tables never depend on it.

Belongs here: where to search and what was found. Does not: acting on it (`load.hour_load`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from clickstream_platform.load.plan import LoadPlan, is_track
from clickstream_platform.load.port import Session
from clickstream_platform.load.queries import ReadLate, ReadReceivedRanges
from clickstream_platform.load.statements import FindLate, LateSearch, Rows
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.staging import StagedTable
from clickstream_platform.model.streams import TRACKS


@dataclass(slots=True)
class LateRows:
    """One event's findings: staged rows that an earlier hour has, and rows to delete from each later hour."""

    here: int = 0
    later: dict[Hour, int] = field(default_factory=dict)

    @property
    def to_delete(self) -> int:
        """Rows to delete from all later hours."""
        return sum(self.later.values())


def find_late(
    session: Session, plan: LoadPlan, tables: Sequence[StagedTable], window: timedelta
) -> dict[str, LateRows]:
    """Search the target tables for the staged ids; events of which no other hour has rows are not searched.

    `tracks` answers for all its events at once; the others are few and are asked one by one. Findings stay in the
    session for the statements that act on them; only events with findings are in the answer.
    """
    searched = [table for table in tables if plan.sums_of(table.table).other_rows]
    places: list[tuple[str, Rows, str | None]] = []
    if plan.batch.tracks is not None and TRACKS in plan.columns and any(is_track(t.table) for t in searched):
        places.append((TRACKS, plan.rows_of(plan.batch.tracks, by_event=True), None))
    for table in searched:
        if not is_track(table.table) and table.table in plan.columns:
            places.append((table.table, plan.rows_of(table), table.table))
    ranges = _received_ranges(session, [rows for _, rows, _ in places])
    searches = tuple(
        LateSearch(table, rows, event, received[0] - window, received[1] + window)
        for (table, rows, event), received in zip(places, ranges, strict=True)
        if received is not None
    )
    if not searches:
        return {}
    session.execute(FindLate(searches, plan.batch.hour, window))
    found: dict[str, LateRows] = {}
    for event, start, ids in session.fetch(ReadLate()):
        late, hour = found.setdefault(event, LateRows()), Hour(_aware(start))
        if hour < plan.batch.hour:
            late.here += ids
        else:
            late.later[hour] = ids
    return found


def _received_ranges(session: Session, rows: Sequence[Rows]) -> list[tuple[datetime, datetime] | None]:
    """Return the earliest and latest `received_at` of each lot of rows; None where there is none."""
    if not rows:
        return []
    found = {index: (first, last) for index, first, last in session.fetch(ReadReceivedRanges(tuple(rows))) if first}
    return [
        (_aware(found[index][0]), _aware(found[index][1])) if index in found else None for index in range(len(rows))
    ]


def _aware(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
