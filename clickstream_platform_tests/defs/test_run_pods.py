"""Runs as pods: the unmodified K8sRunLauncher, queue, run monitoring and retries against a Kubernetes API server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import retry_run
from dagster._daemon.monitoring import run_monitoring

from clickstream_platform.defs.pods import are_runs_pods, pod_tags
from clickstream_platform.defs.run_queue import PlatformRunCoordinator
from clickstream_platform.model.pod_size import Work
from clickstream_platform.settings import Settings
from clickstream_platform_tests.defs.run_pods import Pods, config
from clickstream_platform_tests.kubernetes_api import kubernetes_api
from clickstream_platform_tests.shared_data import REPOSITORY

# Dagster's own: a method of its logger, and its word for python_logs in dagster.yaml.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Handling yaml-defined logging configuration"),
]

JOBS = "clickstream_platform_tests.defs.pod_jobs"
HOUR = {"clickstream/customer": "acme", "clickstream/hour": "2026-11-22T09"}
SMALL = Work(size_bytes=1_000_000, objects=3, events=2)
OUT_OF_DISK = '{"ephemeral-storage": 1024}'


@pytest.fixture(scope="module")
def one_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    folder = tmp_path_factory.mktemp("dagster")
    origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name=JOBS), location_name="jobs")
    with pytest.MonkeyPatch.context() as patched, kubernetes_api(folder) as (cluster, kubeconfig):
        patched.setenv("NO_PROXY", "127.0.0.1")
        (folder / "dagster.yaml").write_text(config(kubeconfig))
        with (
            dg.DagsterInstance.from_config(str(folder)) as instance,
            WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as workspace,
        ):
            opened = Pods(instance, workspace, cluster)
            opened.monitor()  # from here on it sees failures
            yield opened


@pytest.fixture
def pods(one_for_all: Pods) -> Iterator[Pods]:
    """Give the cluster without the runs of the test before."""
    yield one_for_all
    one_for_all.clear()


def started(pods: Pods, **tags: str) -> str:
    """Launch a run of an hour and let its worker begin."""
    run_id = pods.submit(**HOUR, **tags)
    pods.launch()
    pods.begin(run_id)
    return run_id


def hour_tags(**settings: Any) -> dict[str, str]:
    return pod_tags(SMALL, "acme", "2026-11-22T09", Settings(**settings))


def test_the_launcher_makes_the_job_that_the_tags_say(pods: Pods) -> None:
    tags = hour_tags(
        pod_node_selector="pool=runs", pod_tolerations="spot=true:NoSchedule", pod_priority_class="fresh-hours"
    )
    run_id = started(pods, **tags)
    job = pods.cluster.jobs[f"dagster-run-{run_id}"]
    spec, template = job["spec"], job["spec"]["template"]
    assert spec["ttlSecondsAfterFinished"] == 600
    assert spec["backoffLimit"] == 0
    labels = {"clickstream/customer": "acme", "clickstream/hour": "2026-11-22T09", "clickstream/size": "small"}
    assert labels.items() <= template["metadata"]["labels"].items()
    assert labels.items() <= job["metadata"]["labels"].items()
    assert template["spec"]["nodeSelector"] == {"pool": "runs"}
    assert template["spec"]["tolerations"] == [
        {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
    ]
    assert template["spec"]["priorityClassName"] == "fresh-hours"
    expected = json.loads(tags["dagster-k8s/config"])["container_config"]["resources"]
    assert pods.container(run_id)["resources"] == expected
    assert are_runs_pods(pods.instance)
    assert isinstance(pods.instance.run_coordinator, PlatformRunCoordinator)


@pytest.mark.e2e  # processes that start
def test_the_command_of_the_job_executes_the_run_and_monitoring_leaves_it_alone(pods: Pods) -> None:
    run_id = pods.submit(**HOUR, **hour_tags())
    pods.launch()
    pods.monitor()
    assert pods.run(run_id).status == dg.DagsterRunStatus.STARTING
    program, *arguments = pods.container(run_id)["args"]
    assert program == "dagster"
    command = [sys.executable, "-m", "dagster", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    pods.cluster.end(run_id, 0, "Completed")
    pods.monitor()
    assert pods.run(run_id).status == dg.DagsterRunStatus.SUCCESS
    assert pods.retry_of(run_id) is None


def test_a_pod_killed_for_its_memory_is_tried_once_with_twice_as_much_then_reported(pods: Pods) -> None:
    first = started(pods, **hour_tags())
    assert pods.memory(first) == ("768Mi", "768Mi")
    pods.cluster.end(first, 137, "OOMKilled")
    second = pods.repeat(first)
    assert pods.memory(second.run_id) == ("1536Mi", "1536Mi")
    assert second.tags["clickstream/pod_grown"] == '{"memory": 768}'
    limits = pods.container(second.run_id)["resources"]["limits"]
    assert limits["cpu"] == "2000m", "the rest of the pod stays"
    pods.cluster.end(second.run_id, 137, "OOMKilled")
    pods.monitor()
    third = pods.retry_of(second.run_id)
    assert third is not None
    assert pods.run(third.run_id).status == dg.DagsterRunStatus.FAILURE
    assert pods.messages(third.run_id).startswith(
        "the run for acme 2026-11-22T09: its pod was killed for lack of memory with 768 MB, then with 1536 MB. "
        "Raise CLICKSTREAM_POD_MAX_MEMORY_MB"
    )
    assert len(pods.cluster.posted) == 2, "no third pod"
    pods.monitor()
    assert pods.retry_of(third.run_id) is None


def test_a_pod_that_was_never_begun_by_its_worker_counts_too(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pods.submit(**HOUR, **hour_tags())
    pods.launch()
    pods.cluster.end(first, 137, "OOMKilled")
    monkeypatch.setattr(run_monitoring, "get_current_timestamp", lambda: time.time() + 301)
    second = pods.repeat(first)
    assert pods.memory(second.run_id) == ("1536Mi", "1536Mi")


def test_a_lost_or_evicted_pod_is_only_a_rerun_of_the_same_size(pods: Pods) -> None:
    first = started(pods, **hour_tags())
    pods.cluster.lose(first)
    second = pods.repeat(first)
    assert pods.memory(second.run_id) == ("768Mi", "768Mi")
    pods.cluster.end(second.run_id, 137, "Error", "The node was low on resource: memory.")
    third = pods.repeat(second.run_id)
    assert pods.memory(third.run_id) == ("768Mi", "768Mi")


@pytest.mark.parametrize(
    ("reason", "message", "grown"),
    [
        ("Error", None, '{"memory": 768}'),
        ("Error", 'Container dagster exceeded its local ephemeral storage limit "1024Mi". ', OUT_OF_DISK),
        ("Error", "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ", OUT_OF_DISK),
        ("Error", 'Usage of EmptyDir volume "work" exceeds the limit "1Gi". ', OUT_OF_DISK),
    ],
    ids=["killed, reason unknown", "container's disk", "pod's disk", "volume"],
)
def test_what_ran_out_is_read_from_the_pod(pods: Pods, reason: str, message: str | None, grown: str) -> None:
    first = started(pods, **hour_tags())
    pods.cluster.end(first, 137, reason, message)
    assert pods.repeat(first).tags["clickstream/pod_grown"] == grown


def test_a_person_s_run_grows_from_the_launcher_s_own_resources(pods: Pods) -> None:
    first = started(pods)
    assert pods.memory(first) == ("1Gi", "1Gi")
    pods.cluster.end(first, 137, "OOMKilled")
    second = pods.repeat(first)
    assert pods.memory(second.run_id) == ("2048Mi", "2048Mi")
    assert pods.container(second.run_id)["resources"]["limits"]["cpu"] == "1"


def test_at_the_limit_there_is_no_second_try(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_POD_MAX_MEMORY_MB", "768")
    first = started(pods, **hour_tags())
    pods.cluster.end(first, 137, "OOMKilled")
    pods.monitor()
    retry = pods.retry_of(first)
    assert retry is not None
    assert retry.status == dg.DagsterRunStatus.FAILURE
    assert "lack of memory with 768 MB. Raise CLICKSTREAM_POD_MAX_MEMORY_MB" in pods.messages(retry.run_id)


def test_a_person_may_repeat_what_the_platform_gave_up(pods: Pods) -> None:
    first = started(pods, **hour_tags())
    pods.cluster.end(first, 137, "OOMKilled")
    second = pods.repeat(first)
    pods.cluster.end(second.run_id, 137, "OOMKilled")
    pods.monitor()
    by_hand = pods.repeat_by_hand(second.run_id)
    assert pods.memory(by_hand) == ("1536Mi", "1536Mi")


def test_what_a_person_repeats_is_retried_like_any_other(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_POD_MAX_MEMORY_MB", "768")
    first = started(pods, **hour_tags())
    pods.cluster.end(first, 137, "OOMKilled")
    pods.monitor()
    refused = pods.retry_of(first)
    assert refused is not None
    by_hand = pods.run(pods.repeat_by_hand(refused.run_id))
    assert by_hand.tags["dagster/max_retries"] == str(pods.instance.run_retries_max_retries)


def test_the_memory_that_a_person_gave_stays(pods: Pods) -> None:
    first = started(pods, **hour_tags())
    pods.cluster.end(first, 137, "OOMKilled")
    pods.monitor()
    retry = pods.retry_of(first)
    assert retry is not None
    pods.instance.report_run_canceled(retry)
    larger = hour_tags(pod_min_memory_mb=4096)["dagster-k8s/config"]
    by_hand = pods.repeat_by_hand(first, **{"dagster-k8s/config": larger})
    assert pods.memory(by_hand) == ("4096Mi", "4096Mi")


def test_a_retry_that_a_daemon_did_not_finish_queueing_is_neither_refused_nor_grown_twice(
    pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = started(pods, **hour_tags())
    pods.cluster.end(first, 137, "OOMKilled")

    with monkeypatch.context() as daemon:  # it comes no further than this
        daemon.setattr(QueuedRunCoordinator, "submit_run", lambda _, context: context.dagster_run)
        pods.monitor()
    retry = pods.retry_of(first)
    assert retry is not None
    assert retry.status == dg.DagsterRunStatus.NOT_STARTED
    retry_run(pods.run(first), pods.workspace)
    pods.launch()
    assert pods.retry_of(first) == pods.run(retry.run_id)
    assert pods.memory(retry.run_id) == ("1536Mi", "1536Mi")


@pytest.mark.parametrize("is_reachable", [True, False])
def test_disk_is_asked_for_where_the_worker_said_only_that_it_was_interrupted(
    pods: Pods, monkeypatch: pytest.MonkeyPatch, is_reachable: bool
) -> None:
    """An evicted container has two seconds before it is killed, time enough for its worker to report the run."""
    first = started(pods, **hour_tags())
    pods.interrupt(first)
    pods.cluster.warn(first, "Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ")
    if not is_reachable:
        monkeypatch.setattr(pods.cluster, "answer", lambda *_: (500, {"kind": "Status", "code": 500}))
    pods.monitor()
    monkeypatch.undo()
    second = pods.repeat(first)
    assert second.tags.get("clickstream/pod_grown") == (OUT_OF_DISK if is_reachable else None)


def test_an_interrupted_worker_that_was_killed_in_the_end_did_not_lack_memory(pods: Pods) -> None:
    first = started(pods, **hour_tags())
    pods.interrupt(first)
    pods.cluster.end(first, 137, "Error")
    assert pods.memory(pods.repeat(first).run_id) == ("768Mi", "768Mi")


@pytest.mark.e2e  # processes that start
def test_a_worker_that_is_asked_to_go_reports_it_as_dagster_s_interruption(pods: Pods) -> None:
    run_id = pods.submit(**HOUR, **hour_tags(), long="true")
    pods.launch()
    command = [sys.executable, "-m", "dagster", *pods.container(run_id)["args"][1:]]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        ends = time.monotonic() + 60
        while not pods.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_START).records:
            assert time.monotonic() < ends
            time.sleep(0.1)
        worker.send_signal(signal.SIGTERM)
    assert pods.run(run_id).tags["dagster/failure_reason"] == "UNEXPECTED_TERMINATION"


def test_a_pod_that_no_node_takes_does_not_wait_for_ever(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run monitoring gives up its run and leaves the Job behind."""
    first = pods.submit(**HOUR, **hour_tags())
    pods.launch()
    monkeypatch.setattr(run_monitoring, "get_current_timestamp", lambda: time.time() + 301)
    pods.monitor()
    assert pods.run(first).status == dg.DagsterRunStatus.FAILURE
    left = pods.cluster.jobs[f"dagster-run-{first}"]
    assert left["status"]["active"] == 1
    assert left["spec"]["activeDeadlineSeconds"] == 7200 + 3600


def hour_of(pods: Pods, customer: str, age_hours: int) -> str:
    """Put the run of a customer's hour into the queue, as the sensor does."""
    tags = {
        "clickstream/customer": customer,
        "clickstream/hour": f"{age_hours} old",
        "dagster/priority": f"-{age_hours}",
    }
    return pods.submit(**tags, **hour_tags())


def launched(pods: Pods) -> list[str]:
    """Launch what may start; return the runs that have a pod."""
    pods.launch()
    return [job["metadata"]["name"].removeprefix("dagster-run-") for job in pods.cluster.posted]


def test_fresh_hours_go_before_a_backlog_and_that_before_backfills_whoever_came_first(pods: Pods) -> None:
    backfill = pods.submit(**{"dagster/backfill": "by-hand"})
    old, older = hour_of(pods, "tiny", 30), hour_of(pods, "late", 50)
    fresh, now = hour_of(pods, "acme", 2), hour_of(pods, "big", 1)
    assert set(launched(pods)) == {now, fresh, old}
    pods.cluster.end(now, 0, "Completed")
    pods.instance.report_run_canceled(pods.run(now))
    assert launched(pods)[-1] == older
    pods.instance.report_run_canceled(pods.run(older))
    assert launched(pods)[-1] == backfill


def test_backfills_of_however_many_customers_leave_places_to_hours(pods: Pods) -> None:
    for customer in ("one", "two", "three", "four"):
        pods.submit(**{"clickstream/customer": customer, "clickstream/backfill": "true", "dagster/priority": "-10001"})
    pods.submit(**{"dagster/backfill": "by-hand"})
    assert len(launched(pods)) == 1
    hours = {hour_of(pods, "acme", 1), hour_of(pods, "big", 1)}
    assert set(launched(pods)[1:]) == hours


def test_a_customer_has_one_place(pods: Pods) -> None:
    hours = [hour_of(pods, "acme", age) for age in (3, 2, 1)]
    other = hour_of(pods, "tiny", 9)
    assert set(launched(pods)) == {hours[-1], other}


def test_a_person_s_backfill_comes_last_unless_the_person_says_otherwise(pods: Pods) -> None:
    plain = pods.run(pods.submit(**{"dagster/backfill": "a"}))
    assert (plain.tags["dagster/priority"], plain.tags["clickstream/backfill"]) == ("-10001", "true")
    urgent = pods.run(pods.submit(**{"dagster/backfill": "a", "dagster/priority": "5"}))
    assert urgent.tags["dagster/priority"] == "5"
    single = pods.run(pods.submit())
    assert "dagster/priority" not in single.tags, "somebody waits for it"
