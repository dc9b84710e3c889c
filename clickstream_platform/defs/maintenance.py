"""Table maintenance in Dagster: a job and a schedule for each Redshift destination; the schedules are off at first.

Off, because Redshift analyses and vacuums by itself when it is idle, Serverless always. A pool per destination keeps
two runs from vacuuming one cluster at once. Belongs here: job, op, schedule. Does not: the work
(`pipeline.maintenance`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from clickstream_platform.defs.failures import exception_for, fit_to_keep
from clickstream_platform.defs.platform import Platform
from clickstream_platform.defs.state import CustomerState, DefinitionsState, dagster_name
from clickstream_platform.warehouses.redshift_maintenance import Thresholds

if TYPE_CHECKING:
    from clickstream_platform.pipeline.maintenance import MaintenanceReport

# Between the load of 03:00, a quiet hour in much of the world, and that of 04:00.
CRON = "37 3 * * *"
_DEFAULTS = Thresholds()


class MaintenanceConfig(dg.Config):
    """What a run does; the launchpad and the schedule's run config change it."""

    customers: list[str] = Field(default=[], description="Only these customers; empty: all of the destination.")
    dry_run: bool = Field(default=False, description="Only say what would be done.")
    include_managed: bool = Field(default=False, description="Act on Serverless, too.")
    stats_off_percent: float = Field(default=_DEFAULTS.stats_off_percent, ge=0, le=100)
    unsorted_percent: float = Field(default=_DEFAULTS.unsorted_percent, ge=0, le=100)
    deleted_percent: float = Field(default=_DEFAULTS.deleted_percent, ge=0, le=100)
    min_rows: int = Field(default=_DEFAULTS.min_rows, ge=0)
    max_seconds: int = Field(default=_DEFAULTS.max_seconds, ge=1, description="Per customer.")

    @property
    def thresholds(self) -> Thresholds:
        """When a table is worth maintaining."""
        return Thresholds(
            self.stats_off_percent, self.unsorted_percent, self.deleted_percent, self.min_rows, self.max_seconds
        )


def build_maintenance(state: DefinitionsState) -> list[dg.ScheduleDefinition]:
    """Return a schedule, which has its job, for each Redshift destination that has customers."""
    destinations: dict[str, list[CustomerState]] = {}
    for customer in state.customers:
        if customer.kind == "redshift":
            destinations.setdefault(customer.destination, []).append(customer)
    return [_schedule(name, customers, state) for name, customers in destinations.items()]


def _schedule(destination: str, customers: Sequence[CustomerState], state: DefinitionsState) -> dg.ScheduleDefinition:
    name = f"maintain_{dagster_name(destination)}"
    slugs = [customer.slug for customer in customers]

    @dg.op(name=f"{name}_tables", pool=f"maintenance/{destination}", out=dg.Out(dg.Nothing))
    def maintain_tables(context: dg.OpExecutionContext, config: MaintenanceConfig, platform: Platform) -> None:
        """Maintain the customers' tables one after the other and fail at the end if anything was refused."""
        # Imported only here: Redshift's driver takes half a second, which runs that load need not wait for.
        from clickstream_platform.pipeline.maintenance import maintain

        wiring, reports = platform.pipeline.wiring, []
        try:
            for slug in config.customers or slugs:
                report = maintain(
                    wiring,
                    wiring.registry.get_customer(slug),
                    config.thresholds,
                    dry_run=config.dry_run,
                    include_managed=config.include_managed,
                    progress=context.log.info,
                )
                reports.append(report)
        except Exception as error:  # noqa: BLE001 (Dagster would keep what it quotes)
            kept = fit_to_keep(error)
            raise exception_for(kept, context.retry_number) from kept
        _raise_for(reports)
        context.add_output_metadata(_metadata(reports))

    @dg.job(
        name=name,
        description=f"ANALYZE and VACUUM for the tables of destination {destination} that need them.",
        tags={"dagster/max_runtime": str(state.run_max_seconds), "dagster/priority": "-1"},
    )
    def job() -> None:
        maintain_tables()

    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Off at first: Redshift maintains tables by itself when it is idle. See docs/redshift.md.",
    )


def _metadata(reports: "Sequence[MaintenanceReport]") -> dict[str, dg.MetadataValue]:
    outcomes = [f"- {report.customer}: {outcome}" for report in reports for outcome in report.outcomes]
    notes = [f"- {report.customer}: {report.note}" for report in reports if report.note]
    return {
        "customers": dg.MetadataValue.int(len(reports)),
        "tables": dg.MetadataValue.int(sum(report.tables for report in reports)),
        "statements": dg.MetadataValue.int(len(outcomes)),
        "outcomes": dg.MetadataValue.md("\n".join([*outcomes, *notes]) or "Nothing needed maintenance."),
    }


def _raise_for(reports: "Sequence[MaintenanceReport]") -> None:
    failed = [f"{report.customer}: {outcome}" for report in reports for outcome in report.failed]
    if failed:
        raise dg.Failure("\n".join([f"{len(failed)} statements were refused.", *failed]), allow_retries=False)
