"""Carrying out schema changes, after making sure that none of them loses a value.

Belongs here: what must be true in the warehouse before a change. Does not: which changes (`load.evolution`).
"""

from __future__ import annotations

from clickstream_platform.errors import LoadError
from clickstream_platform.load.evolution import MAX_EXACT_INTEGER, stale
from clickstream_platform.load.plan import LoadPlan
from clickstream_platform.load.port import Session
from clickstream_platform.load.queries import CountOtherRows, ReadIntegerRange
from clickstream_platform.load.statements import RetypeColumn, SchemaChange, WidenToDouble
from clickstream_platform.model.streams import TRACKS


def largest_integer(session: Session, table: str, column: str) -> int:
    """Return the largest absolute value of a BIGINT column, 0 when it has none."""
    extremes = session.fetch(ReadIntegerRange(table, column))[0]
    return max((abs(int(value)) for value in extremes if value is not None), default=0)


def apply_change(session: Session, plan: LoadPlan, change: SchemaChange) -> None:
    """Make one schema change; raise StaleStagingError or LoadError instead of losing values."""
    check_change(session, plan, change)
    session.execute(change)


def check_change(session: Session, plan: LoadPlan, change: SchemaChange) -> None:
    """Raise StaleStagingError or LoadError if a change would lose values, as the table is now."""
    if isinstance(change, WidenToDouble):
        _check_exact(session, change)
    elif isinstance(change, RetypeColumn):
        _check_replaced(session, plan, change)


def _check_exact(session: Session, change: WidenToDouble) -> None:
    """The transform looked before it staged; another hour may have loaded a greater integer since."""
    largest = largest_integer(session, change.table, change.column)
    if largest > MAX_EXACT_INTEGER:
        raise stale(change.table, f"column {change.column!r} holds {largest}, which is no exact double")


def _check_replaced(session: Session, plan: LoadPlan, change: RetypeColumn) -> None:
    """The ledger says that all rows are replaced; rows that it doesn't know of would lose the column's values."""
    hour = plan.batch.hour
    if change.table in plan.columns and "batch_hour" in plan.columns[change.table]:
        events = tuple(stream.event for stream in plan.streams) if change.table == TRACKS else None
        others = session.fetch(CountOtherRows(change.table, hour, events))[0][0]
        if others:
            raise LoadError(
                "changing a column's type",
                where=f"table {change.table!r}, hour {hour}",
                cause=f"{others} rows of {change.column.name!r} are in no ledger row",
                remedy="Move rows that the platform did not load into a table of their own, then load again.",
            )
