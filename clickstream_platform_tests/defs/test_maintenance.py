"""The maintenance jobs: one for each Redshift destination, switched off, in a pool, and what a run of one does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest

from clickstream_platform.defs.customers import assemble
from clickstream_platform.defs.state import CustomerState, DefinitionsState
from clickstream_platform.errors import LoadError, WarehouseUnavailableError
from clickstream_platform.pipeline import maintenance
from clickstream_platform.pipeline.maintenance import MaintenanceReport
from clickstream_platform.registry.entities import Customer
from clickstream_platform.warehouses.redshift_maintenance import Action, Outcome, Thresholds
from clickstream_platform_tests.defs.stand_ins import Workbench, platform_on, state_of

ANALYZE = Action("sale", 'ANALYZE "acme"."sale" PREDICATE COLUMNS', "statistics 50 % off")


def on_redshift(*customers: tuple[str, str]) -> DefinitionsState:
    """Return a state with these customers, each with its Redshift destination."""
    states = tuple(CustomerState(slug, slug, destination, "redshift") for slug, destination in customers)
    return DefinitionsState("2026-11-01T00", "team:clickstream", 30, 7200, states)


@dataclass
class Maintained:
    """Stands in for maintaining: keeps what was asked, answers with `outcome` or raises `error`."""

    outcome: Outcome = field(default_factory=lambda: Outcome(ANALYZE, "done", 2.0))
    error: Exception | None = None
    asked: list[tuple[str, Thresholds, bool, bool]] = field(default_factory=list)

    def __call__(self, wiring: object, customer: Customer, thresholds: Thresholds, **options: Any) -> MaintenanceReport:
        self.asked.append((customer.slug, thresholds, options["dry_run"], options["include_managed"]))
        if self.error is not None:
            raise self.error
        options["progress"](str(self.outcome))
        return MaintenanceReport(customer.slug, "eu", 3, (self.outcome,))


@pytest.fixture
def maintained(monkeypatch: pytest.MonkeyPatch) -> Maintained:
    stand_in = Maintained()
    monkeypatch.setattr(maintenance, "maintain", stand_in)
    return stand_in


def execute(bench: Workbench, **config: Any) -> dg.ExecuteInProcessResult:
    """Run the job of `eu`, which has the customers of the bench."""
    defs = assemble(on_redshift(*((slug, "eu") for slug in bench.customers)), platform_on(bench.pipeline))
    ops = {"maintain_eu_tables": {"config": config}}
    return defs.resolve_job_def("maintain_eu").execute_in_process(
        run_config={"ops": ops}, instance=bench.instance, raise_on_error=False
    )


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    (data,) = (event.step_failure_data for event in result.get_step_failure_events())
    return data.user_failure_data.description or "" if data.user_failure_data else str(data.error)


def test_each_redshift_destination_has_a_job_and_a_schedule_that_is_off() -> None:
    defs = assemble(on_redshift(("acme", "eu"), ("tiny", "eu"), ("注文", "東京")))
    dg.Definitions.validate_loadable(defs)
    schedules = {schedule.name: schedule for schedule in defs.schedules or ()}
    assert len(schedules) == 2
    eu = schedules["maintain_eu"]
    assert isinstance(eu, dg.ScheduleDefinition)
    assert (eu.default_status, eu.execution_timezone) == (dg.DefaultScheduleStatus.STOPPED, "UTC")
    (op,) = defs.resolve_job_def("maintain_eu").nodes
    assert isinstance(op.definition, dg.OpDefinition)
    assert op.definition.pool == "maintenance/eu"


def test_the_embedded_warehouse_has_none() -> None:
    assert assemble(state_of("acme")).schedules == []


def test_a_run_maintains_every_customer_of_the_destination(bench: Workbench, maintained: Maintained) -> None:
    result = execute(bench)
    assert result.success
    assert maintained.asked == [(slug, Thresholds(), False, False) for slug in ("acme", "tiny")]
    (event,) = _outputs(result)
    assert event["customers"].value == 2
    assert event["tables"].value == 6
    assert "- tiny: ANALYZE" in str(event["outcomes"].value)


def _outputs(result: dg.ExecuteInProcessResult) -> list[Any]:
    return [e.step_output_data.metadata for e in result.all_node_events if e.is_successful_output]


def test_the_run_config_says_whom_and_when(bench: Workbench, maintained: Maintained) -> None:
    assert execute(bench, customers=["tiny"], dry_run=True, include_managed=True, min_rows=5, max_seconds=60).success
    assert maintained.asked == [("tiny", Thresholds(min_rows=5, max_seconds=60), True, True)]


def test_a_threshold_that_is_no_share_is_refused(bench: Workbench, maintained: Maintained) -> None:
    assert "less than or equal to 100" in failure_of(execute(bench, unsorted_percent=101.0))
    assert maintained.asked == []


def test_a_refused_statement_fails_the_run_after_all_customers(bench: Workbench, maintained: Maintained) -> None:
    maintained.outcome = Outcome(ANALYZE, "failed", 1.0, "permission denied")
    text = failure_of(execute(bench))
    assert text.startswith("2 statements were refused.\nacme: ANALYZE")
    assert text.endswith("permission denied")
    assert len(maintained.asked) == 2


def test_a_view_that_may_not_be_read_fails_with_its_remedy(bench: Workbench, maintained: Maintained) -> None:
    maintained.error = LoadError("reading", cause="permission denied", remedy="Grant it.")
    assert failure_of(execute(bench)).endswith("permission denied. Grant it.")


def test_a_warehouse_that_is_away_is_tried_again(
    bench: Workbench, maintained: Maintained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream_platform.defs.failures.FIRST_WAIT_SECONDS", 0)
    maintained.error = WarehouseUnavailableError("connecting", cause="paused", remedy="Wait.")
    result = execute(bench)
    assert not result.success
    assert len([event for event in result.all_events if event.is_step_restarted]) > 0
