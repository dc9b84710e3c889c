"""The doctor's look at Dagster: one screen of what runs, waits, lives, ticks and is stuck."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat

from clickstream_platform.defs.doctor import age, check_dagster, check_names, read_failures
from clickstream_platform.defs.driver import prepare_home
from clickstream_platform.doctor.findings import Finding, Status
from clickstream_platform.registry.entities import Customer, Policy, Snapshot
from clickstream_platform.registry.refusals import RegistryUnavailableError
from clickstream_platform_tests.defs.stand_ins import CLASHING

NOW = datetime.now(UTC)


def screen(home: Path, now: datetime = NOW, url: str = "") -> dict[str, list[Finding]]:
    """Return what the doctor says of a home, by check."""
    found: dict[str, list[Finding]] = {}
    for each in check_dagster(home, ["acme"], url, now):
        assert each.part == "dagster"
        found.setdefault(each.check, []).append(each)
    return found


def open_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, event: str, **tags: str) -> str:
    """Make a run that stands in a state."""

    @dg.job
    def nothing() -> None:
        """Do nothing."""

    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="none"), location_name="here")
    run = instance.create_run_for_job(
        nothing,
        tags=tags,
        status=dg.DagsterRunStatus.NOT_STARTED,
        remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), "nothing"),
        job_code_origin=JobPythonOrigin("nothing", RepositoryPythonOrigin("python", ModuleCodePointer("none", "none"))),
    )
    instance.report_dagster_event(dg.DagsterEvent(event_type_value=event, job_name="nothing"), run_id=run.run_id)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is status
    return run.run_id


def snapshot_of(*slugs: str) -> Snapshot:
    """Return a registry with these customers, the first one the youngest."""
    customers = tuple(
        Customer(slug, slug, Policy(), "default", False, NOW - timedelta(days=number))
        for number, slug in enumerate(slugs)
    )
    return Snapshot(customers, (), (), "", NOW)


def test_a_home_that_is_not_there_is_nothing_to_check(tmp_path: Path) -> None:
    for home in (None, tmp_path):
        (found,) = check_dagster(home)
        assert (found.check, found.status) == ("instance", Status.SKIPPED)
        assert read_failures(home, [], NOW) == []


def test_an_instance_without_a_daemon_is_worth_a_warning(tmp_path: Path) -> None:
    found = screen(prepare_home(tmp_path / "dagster"))
    ((instance,), (daemon,), (runs,)) = (found["instance"], found["daemon"], found["runs"])
    assert (instance.status, daemon.status, runs.status) == (Status.OK, Status.WARN, Status.OK)
    assert "0 runs" in instance.detail
    assert "clickstream dev" in daemon.remedy
    assert runs.detail == "none open; in 24 h: none ended"
    assert [(each.status, each.detail) for each in found["sensors"]] == [(Status.OK, "none ticked yet")]


def test_the_screen_tells_runs_by_state_how_long_they_wait_and_which_are_stuck(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "dagster")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for name in instance.get_required_daemon_types():
            instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() + 1_190, name, "this", []))
        open_run(instance, dg.DagsterRunStatus.QUEUED, "PIPELINE_ENQUEUED")
        open_run(instance, dg.DagsterRunStatus.STARTED, "PIPELINE_START", **{"dagster/max_runtime": "60"})
        stuck = open_run(
            instance, dg.DagsterRunStatus.STARTING, "PIPELINE_STARTING", **{"clickstream/customer": "acme"}
        )
        open_run(instance, dg.DagsterRunStatus.FAILURE, "PIPELINE_FAILURE")
    found = screen(home, datetime.now(UTC) + timedelta(minutes=20))
    (runs,), (daemon,) = found["runs"], found["daemon"]
    assert runs.detail == "1 queued, 1 started, 1 starting, the oldest waits 20 min; in 24 h: 1 failure"
    assert daemon.status is Status.OK
    assert daemon.detail.startswith("alive, ")
    details = sorted(each.detail for each in found["stuck runs"])
    assert [each.status for each in found["stuck runs"]] == [Status.WARN, Status.WARN]
    assert details[1] == f"acme: Run {stuck[:8]} is starting for 20 min and should have ended"
    assert found["stuck runs"][0].remedy == "See docs/runbooks/run-stuck.md."


def test_a_webserver_that_is_away_is_worth_a_warning(tmp_path: Path) -> None:
    found = screen(prepare_home(tmp_path / "dagster"), url="http://127.0.0.1:1")
    (webserver,) = found["webserver"]
    assert webserver.status is Status.WARN
    assert "CLICKSTREAM_DAGSTER_WEBSERVER_URL" in webserver.remedy


def test_an_instance_that_does_not_open_fails(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("storage: {postgres: 5}\n")
    (found,) = check_dagster(tmp_path)
    assert found.status is Status.FAIL
    assert "dagster.yaml" in found.remedy
    assert read_failures(tmp_path, [], NOW) == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 days")]
)
def test_ages_are_told_as_people_say_them(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_customers_with_names_of_their_own_are_fine() -> None:
    found = check_names(lambda: snapshot_of("acme", "café", "注文"))
    assert (found.check, found.status) == ("names", Status.OK)


def test_a_customer_without_a_name_of_its_own_is_named_with_the_one_who_has_it() -> None:
    older, younger = CLASHING
    found = check_names(lambda: snapshot_of(younger, "acme", older))
    assert found.status is Status.FAIL
    assert found.detail.startswith(f"{younger}: has no assets and is not loaded, because the older customer {older!r}")
    assert "acme" not in found.detail
    assert "another slug" in found.remedy


def test_a_registry_that_is_away_is_a_finding_too() -> None:
    def away() -> Snapshot:
        raise RegistryUnavailableError("asking the registry", cause="it is away", remedy="Start it.")

    found = check_names(away)
    assert (found.check, found.status, found.remedy) == ("names", Status.FAIL, "Start it.")
