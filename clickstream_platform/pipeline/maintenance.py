"""Maintaining the tables of customers, where their warehouse has something to maintain: Redshift has, DuckDB has not.

Belongs here: whose tables, and whether to act or only to advise. Does not: what a table needs
(`warehouses.redshift_maintenance`), schedules (`defs.maintenance`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clickstream_platform.registry.entities import Customer
from clickstream_platform.warehouses.redshift_console import open_console
from clickstream_platform.warehouses.redshift_destination import RedshiftDestination
from clickstream_platform.warehouses.redshift_maintenance import (
    Outcome,
    Thresholds,
    carry_out,
    decide,
    read_tables,
)
from clickstream_platform.wiring import Wiring, connector_of

Progress = Callable[[str], None]
NOTHING_TO_DO = "the embedded warehouse needs no maintenance"
MANAGED = "Redshift Serverless maintains its tables itself: this is advice only"


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """What one customer's tables needed and got; `note` says why nothing was done, empty when it was."""

    customer: str
    destination: str
    tables: int
    outcomes: tuple[Outcome, ...]
    note: str = ""

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The actions that the warehouse refused."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "failed")


def maintain(
    wiring: Wiring,
    customer: Customer,
    thresholds: Thresholds,
    *,
    dry_run: bool = False,
    include_managed: bool = False,
    progress: Progress = lambda _: None,
) -> MaintenanceReport:
    """Maintain one customer's tables; only advise with `dry_run`, and on Serverless unless `include_managed`.

    Raises ConfigurationError, WarehouseUnavailableError, and LoadError when `svv_table_info` can't be read.
    """
    destination = wiring.registry.get_destination(customer.destination)
    if destination.kind != "redshift":
        return MaintenanceReport(customer.slug, destination.name, 0, (), NOTHING_TO_DO)
    connector, schema = connector_of(destination), wiring.schema_of(customer)
    is_left_alone = is_managed(connector.destination) and not include_managed
    with open_console(connector, f"schema {schema!r} of {connector.destination.place}") as console:
        tables = read_tables(console, schema)
        actions = decide(schema, tables, thresholds)
        if dry_run or is_left_alone:
            outcomes = [Outcome(action, "planned") for action in actions]
        else:
            outcomes = []
            for outcome in carry_out(console, actions, thresholds.max_seconds):
                outcomes.append(outcome)
                progress(str(outcome))
    note = "dry run: nothing was changed" if dry_run else MANAGED if is_left_alone else ""
    return MaintenanceReport(customer.slug, destination.name, len(tables), tuple(outcomes), note)


def is_managed(destination: RedshiftDestination) -> bool:
    """Whether the warehouse maintains its tables itself by nature: Serverless, by its workgroup or its endpoint."""
    return bool(destination.workgroup) or ".redshift-serverless." in destination.host
