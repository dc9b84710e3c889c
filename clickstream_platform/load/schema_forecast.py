"""The schema changes that loading some hours would make, without making any: a dry run of `load.plan`.

Belongs here: reading the tables once per hour, and imagining what earlier hours of the same forecast would have
changed. Does not: staging the hours (`pipeline.schema_plan`), the SQL (`warehouses.schema_text`), loading.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from clickstream_platform.errors import ClickstreamError, LoadError, StaleStagingError
from clickstream_platform.load.ledger import NEVER_LOADED, EventSums, read_event_sums
from clickstream_platform.load.plan import PLATFORM_TABLES, LoadPlan, own_columns, plan_load
from clickstream_platform.load.port import Columns, Session, Warehouse
from clickstream_platform.load.schema_steps import check_change, largest_integer
from clickstream_platform.load.statements import (
    AddColumn,
    CreateSchema,
    CreateTable,
    RetypeColumn,
    SchemaChange,
    WidenToDouble,
    WidenVarchar,
)
from clickstream_platform.load.states import states_of
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.records import LOAD_COLUMNS
from clickstream_platform.model.schemas import Column, ColumnType, TableState
from clickstream_platform.model.staging import StagedBatch, StagedTable
from clickstream_platform.model.streams import LOADS


@dataclass(frozen=True, slots=True)
class ForecastStep:
    """One change, whether it belongs to the load's transaction, and why the load would refuse it (empty: it won't)."""

    change: CreateSchema | SchemaChange
    in_transaction: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What loading one staged batch would change, in order, and which events it would refuse and why."""

    steps: tuple[ForecastStep, ...]
    refused: Mapping[str, str]


@dataclass
class SchemaForecaster:
    """Forecasts one customer's hours, in the order of the calls; sessions are open only while something is read."""

    warehouse: Warehouse
    schema: str
    customer: str
    _imagined: Columns = field(default_factory=dict)
    _rows: dict[str, dict[Hour, int]] = field(default_factory=dict)

    def table_states(self, hour: Hour, events: Collection[str]) -> dict[str, TableState]:
        """Return the tables of these events as they will be when `hour` is staged; raises as `Loader.table_states`."""
        with self.warehouse.session(self.schema, read_only=True) as session:
            columns, sums = self._read(session, hour, events)
        return states_of(events, columns, sums)

    def max_abs_integer(self, table: str, column: str) -> int:
        """Return the greatest absolute value in a BIGINT column, 0 where the column is only imagined."""
        with self.warehouse.session(self.schema, read_only=True) as session:
            real = session.columns([table]).get(table, {})
            return largest_integer(session, table, column) if column in real else 0

    def forecast(self, batch: StagedBatch) -> Forecast:
        """Return what loading the batch would change, and take it as done for the hours that follow."""
        events = [stream.event for stream in batch.streams]
        with self.warehouse.session(self.schema, read_only=True) as session:
            columns, sums = self._read(session, batch.hour, events)
            plan = plan_load(batch, batch.streams, sums, columns)
            changes = [*plan.changes, *_created_when_filled(plan)]
            steps = [self._step(session, plan, change) for change in changes]
        # As the loader does: what can't be in the transaction comes before it.
        steps.sort(key=lambda step: step.in_transaction)
        if LOADS not in columns:
            steps.insert(0, ForecastStep(CreateSchema(), in_transaction=True))
        self._imagine(plan, columns, changes)
        return Forecast(tuple(steps), {event: str(error) for event, error in plan.refused.items()})

    def _read(self, session: Session, hour: Hour, events: Collection[str]) -> tuple[Columns, dict[str, EventSums]]:
        real = session.columns([*events, *PLATFORM_TABLES])
        sums = read_event_sums(session, self.customer, hour) if LOADS in real else {}
        for event, hours in self._rows.items():
            others = sum(rows for other, rows in hours.items() if other != hour)
            known = sums.get(event, NEVER_LOADED)
            sums[event] = replace(known, other_rows=known.other_rows + others)
        return {**real, **self._imagined}, sums

    def _step(self, session: Session, plan: LoadPlan, change: SchemaChange) -> ForecastStep:
        problem = ""
        if change.table not in self._imagined:  # what is only imagined can't be asked for its values
            try:
                check_change(session, plan, change)
            except (LoadError, StaleStagingError) as error:
                problem = _text(error)
        return ForecastStep(change, self.warehouse.is_transactional(change), problem)

    def _imagine(self, plan: LoadPlan, columns: Columns, changes: Iterable[SchemaChange]) -> None:
        for change in changes:
            table = self._imagined.setdefault(change.table, dict(columns.get(change.table, {})))
            table.update((column.name, column) for column in _columns_after(change))
        for stream in plan.streams:
            self._rows.setdefault(stream.event, {})[plan.batch.hour] = stream.counts.rows


def _created_when_filled(plan: LoadPlan) -> Iterator[CreateTable]:
    """Yield the tables that a load creates together with their first rows."""
    loaded = {stream.event for stream in plan.streams}
    tables = [table for table in plan.batch.tables if table.table in loaded]
    if plan.batch.tracks is not None and tables:
        tables.append(plan.batch.tracks)
    yield from (_creation(table) for table in tables if table.table not in plan.columns)


def _creation(table: StagedTable) -> CreateTable:
    return CreateTable(table.table, (*own_columns(table), *LOAD_COLUMNS))


def _columns_after(change: SchemaChange) -> tuple[Column, ...]:
    match change:
        case CreateTable(columns=columns):
            return columns
        case AddColumn(column=column) | WidenVarchar(column=column) | RetypeColumn(column=column):
            return (column,)
        case WidenToDouble(column=name):
            return (Column(name, ColumnType.DOUBLE),)


def _text(error: ClickstreamError) -> str:
    return " ".join(str(error).split())
