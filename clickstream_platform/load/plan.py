"""What one transaction loads and how the tables must change for it. Pure: batch + ledger + catalog → plan.

Belongs here: deciding which staged rows go where and which schema changes they need. Does not: carrying it out
(`load.hour_load`), the rules of a single column (`load.evolution`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from clickstream_platform.errors import ClickstreamError, LoadError
from clickstream_platform.load.evolution import plan_evolution
from clickstream_platform.load.ledger import NEVER_LOADED, EventSums
from clickstream_platform.load.newest import NEWEST, newest_columns
from clickstream_platform.load.port import Columns
from clickstream_platform.load.statements import CreateTable, Rows, SchemaChange
from clickstream_platform.load.states import states_of
from clickstream_platform.model.records import LOAD_COLUMNS
from clickstream_platform.model.schemas import DISCARDS_COLUMNS, LOADS_COLUMNS, Column, TableState
from clickstream_platform.model.staging import StagedBatch, StagedStream, StagedTable
from clickstream_platform.model.streams import ACCOUNTS, DISCARDS, LOADS, TRACKS, TYPE_OF_TABLE, USERS

PLATFORM_TABLES = (TRACKS, USERS, ACCOUNTS, LOADS, DISCARDS)
_LOAD_NAMES = frozenset(column.name for column in LOAD_COLUMNS)


@dataclass(frozen=True)
class LoadPlan:
    """The streams that one transaction loads, and the schema changes it starts with.

    `refused` holds streams that can't be loaded as they are staged, each with the reason; they aren't in `streams`.
    """

    batch: StagedBatch
    streams: tuple[StagedStream, ...]
    sums: Mapping[str, EventSums]
    columns: Columns
    changes: tuple[SchemaChange, ...] = ()
    refused: Mapping[str, ClickstreamError] = field(default_factory=dict)

    @property
    def is_partial(self) -> bool:
        """Whether `tracks` and `_discards` of the batch hold rows of streams that are not loaded here."""
        return len(self.streams) < len(self.batch.streams)

    def sums_of(self, event: str) -> EventSums:
        """Return the event's ledger as seen from this hour."""
        return self.sums.get(event, NEVER_LOADED)

    def rows_of(self, table: StagedTable, *, by_event: bool = False) -> Rows:
        """Return the staged rows of a table; `by_event`: only those of the streams loaded here."""
        events = tuple(stream.event for stream in self.streams) if by_event and self.is_partial else None
        number = table.number if self.batch.packs[table.pack].shared else None
        return Rows(pack_name(table.pack), number, events)


def pack_name(pack: int) -> str:
    """Return the name under which a pack is staged."""
    return f"pack_{pack}"


def is_track(event: str) -> bool:
    """Whether the event's rows are in `tracks` too."""
    return event not in TYPE_OF_TABLE


def own_columns(table: StagedTable) -> tuple[Column, ...]:
    """Return the columns a table has staged values for: all but those that the load itself fills."""
    return tuple(column for column in table.columns if column.name not in _LOAD_NAMES)


def plan_load(
    batch: StagedBatch, streams: Sequence[StagedStream], sums: Mapping[str, EventSums], columns: Columns
) -> LoadPlan:
    """Plan the loading of some streams of a batch into tables with these columns."""
    tables = {table.table: table for table in batch.tables}
    states = states_of([stream.event for stream in streams], columns, sums)
    refused: dict[str, ClickstreamError] = {}
    changes: list[SchemaChange] = list(_ledger_tables(columns))
    for stream in streams:
        planned = _plan_event(stream.event, tables.get(stream.event), states)
        if isinstance(planned, ClickstreamError):
            refused[stream.event] = planned
        else:
            changes.extend(planned)
    changes.extend(_plan_tracks(batch, streams, states, refused))
    kept = tuple(stream for stream in streams if stream.event not in refused)
    return LoadPlan(batch, kept, sums, columns, tuple(changes), refused)


def _ledger_tables(columns: Columns) -> Iterable[SchemaChange]:
    for table, wanted in ((LOADS, LOADS_COLUMNS), (DISCARDS, DISCARDS_COLUMNS)):
        yield from plan_evolution(TableState(table, columns.get(table, {})), wanted)


def _plan_event(
    event: str, table: StagedTable | None, states: Mapping[str, TableState]
) -> list[SchemaChange] | ClickstreamError:
    """Return the changes of an event's table, and of `users` or `accounts` if they follow it, or why there are none."""
    if event in PLATFORM_TABLES:
        remedy = "Give the event another name in the registry."
        return LoadError("loading an event", where=event, cause="a table of the platform has this name", remedy=remedy)
    if table is None:
        return []
    wanted = (*own_columns(table), *LOAD_COLUMNS)
    try:
        changes = _existing_only(states[event], plan_evolution(states[event], wanted))
        for newest in NEWEST:
            if newest.source == event:
                source = {**states[event].columns, **{column.name: column for column in wanted}}
                changes += plan_evolution(states[newest.table], newest_columns(newest, source.values()))
    except ClickstreamError as error:
        return error
    return changes


def _plan_tracks(
    batch: StagedBatch,
    streams: Sequence[StagedStream],
    states: Mapping[str, TableState],
    refused: dict[str, ClickstreamError],
) -> list[SchemaChange]:
    """Return the changes of `tracks`; when it can't take the rows, refuse every stream that has rows there."""
    if batch.tracks is None:
        return []
    try:
        changes = plan_evolution(states[TRACKS], (*own_columns(batch.tracks), *LOAD_COLUMNS))
    except ClickstreamError as error:
        with_rows = {table.table for table in batch.tables if is_track(table.table)}
        refused.update({s.event: error for s in streams if s.event in with_rows and s.event not in refused})
        return []
    return _existing_only(states[TRACKS], changes)


def _existing_only(state: TableState, changes: list[SchemaChange]) -> list[SchemaChange]:
    """Leave the creation of a table to the statement that also fills it."""
    return changes if state.exists else [change for change in changes if not isinstance(change, CreateTable)]
