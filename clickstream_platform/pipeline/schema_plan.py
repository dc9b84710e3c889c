"""What loading a customer's hours would change in the warehouse's schema, as SQL, without changing anything anywhere.

The hours are really transformed, into a store that forgets what is put, so the answer is exact and costs what staging
costs. Belongs here: which hours and events, and the order. Does not: the plan (`load.schema_forecast`), the SQL
(`warehouses.schema_text`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from clickstream_platform.errors import ClickstreamError, RetryableError
from clickstream_platform.gateways.dry_objects import DryObjectStore
from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.load.schema_forecast import Forecast, SchemaForecaster
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest
from clickstream_platform.model.streams import UNIDENTIFIED, Stream
from clickstream_platform.pipeline.admission import REASONS
from clickstream_platform.pipeline.discovery import Discovery
from clickstream_platform.pipeline.hour_contents import list_hour, read_contents
from clickstream_platform.pipeline.ports import BatchStager, EventRegistry
from clickstream_platform.pipeline.rules import schema_policy
from clickstream_platform.registry.entities import Customer, EventState
from clickstream_platform.warehouses.dialect import Dialect
from clickstream_platform.warehouses.schema_text import dialect_of, sql_of
from clickstream_platform.wiring import Wiring

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """One SQL statement; `problem` says why the load would refuse it as the table is now, empty when it would not."""

    table: str
    sql: str
    in_transaction: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class HourSchemaPlan:
    """What loading one hour would change: statements in order, then events that it would refuse or leave out, and why.

    `already_loaded` are the events whose very input the ledger has.
    """

    hour: Hour
    events: tuple[str, ...]
    already_loaded: tuple[str, ...]
    statements: tuple[PlannedStatement, ...]
    refused: Mapping[str, str]
    skipped: Mapping[str, str]


class DryWiring(Wiring):
    """The wiring with an object store that is only read."""

    @cached_property
    def objects(self) -> ObjectStore:
        """The object store; what is put goes nowhere."""
        return DryObjectStore(super().objects, self.clock)


@dataclass(frozen=True)
class SchemaPlanner:
    """Plans the hours of one customer, one after the other, each as if the ones before were loaded."""

    customer: Customer
    objects: ObjectStore
    registry: EventRegistry
    stager: BatchStager
    forecaster: SchemaForecaster
    dialect: Dialect
    loaded: Mapping[tuple[Hour, str], str]
    progress: Progress = lambda _: None

    def pending(self, discovery: Discovery) -> Iterator[Hour]:
        """Yield the customer's hours that are ready and not loaded as they are, oldest first."""
        for hour in (*discovery.older_hours(), *discovery.recent_hours()):
            look = discovery.look(hour)
            ready = [each for each in look.ready if each.customer == self.customer.slug] if look else []
            for each in ready:
                manifests = {
                    event: Manifest.freeze(Stream(each.customer, event), hour, refs)
                    for event, refs in each.streams.items()
                }
                if self._wanted(hour, manifests)[0]:
                    yield hour

    def plan(self, hour: Hour, events: Collection[str] | None = None) -> HourSchemaPlan:
        """Plan an hour, ready or not, of some events (default: all with objects).

        Raises what staging raises for the hour as a whole; an event that alone can't be staged is in `refused`.
        """
        contents = read_contents(self.objects, list_hour(self.objects, hour, self.customer.slug), self.customer.slug)
        manifests = {
            stream.event: Manifest.freeze(stream, hour, refs)
            for stream, refs in contents.streams.items()
            if events is None or stream.event in events
        }
        wanted, skipped, loaded = self._wanted(hour, manifests)
        self.progress(f"{self.customer.slug} {hour}: {len(wanted)} events to transform")
        statements, refused = self._forecast(hour, wanted) if wanted else ([], {})
        return HourSchemaPlan(hour, tuple(wanted), loaded, tuple(statements), refused, skipped)

    def _wanted(
        self, hour: Hour, manifests: Mapping[str, Manifest]
    ) -> tuple[dict[str, Manifest], dict[str, str], tuple[str, ...]]:
        """Return the events to load, why others are left out, and which are loaded; the registry learns of none."""
        states = {event.slug: event.state for event in self.registry.list_events(self.customer.slug)}
        first = EventState.ACTIVE if self.customer.policy.auto_activate else EventState.DISCOVERED
        skipped = {
            event: REASONS[state]
            for event in manifests
            if event != UNIDENTIFIED and (state := states.get(event, first)) is not EventState.ACTIVE
        }
        loaded = tuple(
            event for event, manifest in manifests.items() if self.loaded.get((hour, event)) == manifest.digest
        )
        left_out = {*skipped, *loaded}
        return {event: m for event, m in manifests.items() if event not in left_out}, skipped, loaded

    def _forecast(self, hour: Hour, wanted: Mapping[str, Manifest]) -> tuple[list[PlannedStatement], dict[str, str]]:
        """Forecast events together; where that fails because of one of them, each by itself, as a load would."""
        try:
            forecast = self._stage(hour, wanted)
        except RetryableError:
            raise
        except ClickstreamError as error:
            if len(wanted) == 1:
                return [], dict.fromkeys(wanted, " ".join(str(error).split()))
            statements: list[PlannedStatement] = []
            refused: dict[str, str] = {}
            for event, manifest in wanted.items():
                found, why = self._forecast(hour, {event: manifest})
                statements += found
                refused |= why
            return statements, refused
        return list(self._rendered(forecast)), dict(forecast.refused)

    def _stage(self, hour: Hour, wanted: Mapping[str, Manifest]) -> Forecast:
        contracts = self.registry.contracts_in_force(self.customer.slug)
        rules = schema_policy(self.customer.policy, self.forecaster.warehouse, contracts)
        states = self.forecaster.table_states(hour, tuple(wanted))
        integers = self.forecaster.max_abs_integer
        return self.forecaster.forecast(self.stager.stage(self.customer.slug, hour, wanted, states, rules, integers))

    def _rendered(self, forecast: Forecast) -> Iterator[PlannedStatement]:
        for step in forecast.steps:
            table = getattr(step.change, "table", "")
            for sql in sql_of(self.dialect, step.change):
                yield PlannedStatement(table, sql, step.in_transaction, step.problem)


def open_planner(wiring: Wiring, slug: str, progress: Progress) -> SchemaPlanner:
    """Return the planner of a customer on these parts, which should be a DryWiring's.

    Raises RegistryError for an unknown customer, and what opening its warehouse raises.
    """
    customer = wiring.registry.get_customer(slug)
    destination = wiring.registry.get_destination(customer.destination)
    warehouse, schema = wiring.open_warehouse(customer), wiring.schema_of(customer)
    database = Path(destination.settings.get("path") or wiring.settings.duckdb).stem
    return SchemaPlanner(
        customer,
        wiring.objects,
        wiring.registry,
        wiring.transformer,
        SchemaForecaster(warehouse, schema, slug),
        dialect_of(destination.kind, schema, database),
        {(row.hour, row.event): row.input_digest for row in wiring.list_loads(customer)},
        progress,
    )


def plan_pending(planner: SchemaPlanner, discovery: Discovery, limit: int) -> tuple[list[HourSchemaPlan], bool]:
    """Plan at most `limit` pending hours, oldest first; also return whether there are more."""
    hours = list(islice(planner.pending(discovery), limit + 1))
    return [planner.plan(hour) for hour in hours[:limit]], len(hours) > limit
