"""From the platform's figures to findings."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clickstream_platform.model.findings import FINDING_KINDS
from clickstream_platform.observe.exporter.failures import Failure
from clickstream_platform.observe.exporter.figures import (
    CheckState,
    DaemonState,
    FailedStream,
    InstanceFigures,
    LocationState,
    OpenRun,
    SensorState,
    WorkspaceFigures,
)
from clickstream_platform.pipeline.platform_findings import (
    judge_batcher,
    judge_instance,
    judge_registry,
    judge_workspace,
)
from clickstream_platform.pipeline.platform_terms import Pages, Thresholds
from clickstream_platform_tests.observe.exporter.runs import NOW

PAGES = Pages("http://dagster:3000/", "http://registry:8400", str.upper)
LIMITS = Thresholds()


def ago(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def instance(
    runs: tuple[OpenRun, ...] = (), daemons: tuple[DaemonState, ...] = (), sensors: tuple[SensorState, ...] = ()
) -> InstanceFigures:
    return InstanceFigures(NOW, {}, runs, daemons, sensors, 0)


def kinds_of(figures: InstanceFigures) -> set[str]:
    return {finding.kind for finding in judge_instance(figures, (), (), PAGES).findings}


def test_a_healthy_instance_has_no_findings_and_says_what_it_looked_for() -> None:
    run = OpenRun("r1", "acme", "started", NOW - ago(60), NOW - ago(30), NOW - ago(30), 3_600.0)
    daemon = DaemonState("SENSOR", NOW - ago(30), 0)
    sensor = SensorState("hours", True, 30.0, NOW - ago(60), 1.0)
    observation = judge_instance(instance((run,), (daemon,), (sensor,)), (), (), PAGES)
    assert observation.findings == []
    assert observation.kinds == {"daemon_unhealthy", "sensor_stale", "run_stuck", "run_failed", "check_failed"}
    assert observation.kinds <= FINDING_KINDS.keys()


@pytest.mark.parametrize(
    "daemon",
    [
        DaemonState("SENSOR", NOW - ago(181), 0),
        DaemonState("SENSOR", None, 0),
        DaemonState("SENSOR", NOW, 1, "no"),
    ],
)
def test_a_daemon_without_heartbeat_or_with_errors_is_unhealthy(daemon: DaemonState) -> None:
    (finding,) = judge_instance(instance(daemons=(daemon,)), (), (), PAGES).findings
    assert (finding.kind, finding.customer) == ("daemon_unhealthy", None)
    assert finding.detail["parts"] == "SENSOR", "the alerts' causes ask for it"
    assert "SENSOR" in finding.summary
    assert finding.links == {"page": "http://dagster:3000/deployment/daemons"}


@pytest.mark.parametrize(
    ("sensor", "is_stale"),
    [
        (SensorState("hours", True, 30.0, NOW - ago(301), 1.0), True),
        (SensorState("hours", True, 120.0, NOW - ago(301), 1.0), False),
        (SensorState("hours", True, 30.0, None, None), True),
        (SensorState("hours", False, 30.0, NOW - ago(9_999), 1.0), False),
        (SensorState("of_code_that_is_gone", True, 30.0, NOW - ago(9_999), 1.0), False),
        (SensorState("hours", True, 30.0, NOW, 1.0, "it raised"), True),
    ],
)
def test_a_sensor_that_does_no_work_is_stale_unless_a_person_switched_it_off(
    sensor: SensorState, is_stale: bool
) -> None:
    findings = judge_instance(instance(sensors=(sensor,)), (), (), PAGES).findings
    assert [(each.kind, each.detail["parts"]) for each in findings] == [("sensor_stale", sensor.name)] * is_stale


@pytest.mark.parametrize(
    ("run", "is_stuck"),
    [
        (OpenRun("r1", "acme", "started", NOW, NOW - ago(999), NOW - ago(999), 900.0), True),
        (OpenRun("r1", "acme", "started", NOW, NOW - ago(999), NOW - ago(999), None), False),
        (OpenRun("r1", "acme", "starting", NOW, NOW - ago(601), None, 900.0), True),
        (OpenRun("r1", "acme", "canceling", NOW, NOW - ago(601), NOW, 900.0), True),
        (OpenRun("r1", "acme", "not_started", NOW - ago(601), NOW - ago(601), None, 900.0), True),
        (OpenRun("r1", "acme", "queued", NOW - ago(9_999), NOW - ago(9_999), None, 900.0), False),
    ],
)
def test_a_run_that_should_have_ended_is_stuck(run: OpenRun, is_stuck: bool) -> None:
    findings = judge_instance(instance(runs=(run,)), (), (), PAGES).findings
    assert [(each.kind, each.customer, dict(each.links)) for each in findings] == (
        [("run_stuck", "acme", {"run": "http://dagster:3000/runs/r1"})] if is_stuck else []
    )


def test_failures_and_checks_are_told_once_for_each_customer() -> None:
    streams = (FailedStream("order", "2026-11-22T11", "LoadError"),)
    failures = [
        Failure("r1", "acme", ("2026-11-22T11",), NOW - ago(900), "", streams),
        Failure("r2", "acme", ("2026-11-22T10",), NOW, "OSError"),
    ]
    checks = [
        CheckState("acme", "reconciliation", True, NOW, "r2", "1 stream-hour does not add up"),
        CheckState("tiny", "reconciliation", False, NOW),
    ]
    failed, check = judge_instance(instance(), failures, checks, PAGES).findings
    assert (failed.key, failed.since) == ("run_failed|acme|", NOW - ago(900))
    assert failed.summary == "order of 2026-11-22T10, 2026-11-22T11 failed and is not tried again: LoadError, OSError"
    assert check.key == "check_failed|acme|"
    assert check.links["check"] == (
        "http://dagster:3000/assets/ACME/event_tables?view=checks&checkDetail=reconciliation"
    )


def test_a_webserver_that_is_away_says_nothing_of_code_locations() -> None:
    observation = judge_workspace(WorkspaceFigures(NOW, False), PAGES)
    assert not observation.findings
    assert not observation.kinds
    fine = judge_workspace(WorkspaceFigures(NOW, True, (LocationState("here", True),)), PAGES)
    assert not fine.findings
    assert fine.kinds == {"code_location_down"}
    (finding,) = judge_workspace(WorkspaceFigures(NOW, True, (LocationState("here", False, "boom"),)), PAGES).findings
    assert finding.detail == {"error": "boom"}


@pytest.mark.parametrize(
    ("trouble", "age", "count"), [("", 0.0, 0), ("no answer", 599.0, 0), ("no answer", 601.0, 1), ("no", None, 1)]
)
def test_a_registry_that_is_away_for_a_moment_is_not_told(trouble: str, age: float | None, count: int) -> None:
    observation = judge_registry(trouble, age, NOW, LIMITS)
    assert len(observation.findings) == count
    assert observation.kinds == {"registry_away"}


@pytest.mark.parametrize(("behind", "count"), [(None, 0), (899.0, 0), (901.0, 1)])
def test_a_batcher_that_is_far_behind_is_told_with_its_beginning(behind: float | None, count: int) -> None:
    findings = judge_batcher(behind, NOW, LIMITS).findings
    assert [each.since for each in findings] == [NOW - ago(behind or 0)] * count


def test_without_addresses_there_are_no_links() -> None:
    assert (Pages().run("r1"), Pages().page("acme", None), Pages().check("acme", "x")) == ("", "", "")
    assert PAGES.page("acme", "größe/x") == "http://registry:8400/admin/customers/acme/events/gr%C3%B6%C3%9Fe%2Fx"
    assert PAGES.run("") == ""
