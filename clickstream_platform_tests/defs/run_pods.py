"""The daemon's work on runs that are pods, an iteration at a time, for `test_run_pods`.

Belongs here: queue, monitoring and retries of the real daemon, the launcher's configuration, what a test asks of runs
and their pods. Does not: the cluster (`kubernetes_api`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.execution.plan.resume_retry import ReexecutionStrategy
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon
from dagster._daemon.monitoring import execute_run_monitoring_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from clickstream_platform_tests.defs.submitting import submit_job
from clickstream_platform_tests.kubernetes_api import NAMESPACE, Cluster
from clickstream_platform_tests.shared_data import REPOSITORY

LOGGER = logging.getLogger("daemon")
PLACES = 3
LAUNCHER_RESOURCES = {"limits": {"memory": "1Gi", "cpu": "1"}, "requests": {"memory": "1Gi"}}


@dataclass
class Pods:
    """The daemon's work, an iteration at a time, and the cluster that runs are launched in."""

    instance: dg.DagsterInstance
    workspace: WorkspaceProcessContext
    cluster: Cluster

    def submit(self, **tags: str) -> str:
        """Put a run into the queue."""
        return submit_job(self.workspace, "jobs", "brief", tags)

    def launch(self) -> None:
        """Let the queue launch what may start."""
        list(QueuedRunCoordinatorDaemon(interval_seconds=5).run_iteration(self.workspace))

    def begin(self, run_id: str) -> None:
        """Say what a worker says when it begins."""
        event = dg.DagsterEvent(event_type_value="PIPELINE_START", job_name="brief")
        self.instance.report_dagster_event(event, run_id=run_id)

    def interrupt(self, run_id: str) -> None:
        """Say what a worker says when it is asked to go."""
        reason = JobFailureData(error=None, failure_reason=RunFailureReason.UNEXPECTED_TERMINATION)
        self.instance.report_run_failed(self.run(run_id), "Execution was interrupted unexpectedly.", reason)

    def monitor(self) -> None:
        """Look after runs once, and retry those that failed."""
        for error in execute_run_monitoring_iteration(self.workspace, LOGGER):
            assert error is None, error
        list(EventLogConsumerDaemon().run_iteration(self.workspace))

    def clear(self) -> None:
        """End what is not ended, and forget its pods."""
        for run in self.instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)):
            self.instance.report_run_canceled(run)
        self.cluster.posted.clear()

    def run(self, run_id: str) -> dg.DagsterRun:
        """Return a run as it is now."""
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def repeat_by_hand(self, run_id: str, **tags: str) -> str:
        """Re-execute a run as the web interface does, launch it and return it."""
        context = self.workspace.create_request_context()
        location = context.get_code_location("jobs")
        run = self.instance.create_reexecuted_run(
            request_context=context,
            parent_run=self.run(run_id),
            code_location=location,
            remote_job=location.get_repository("__repository__").get_full_job("brief"),
            strategy=ReexecutionStrategy.ALL_STEPS,
            extra_tags=tags,
            use_parent_run_tags=True,
        )
        self.instance.submit_run(run.run_id, context)
        self.launch()
        return run.run_id

    def retry_of(self, run_id: str) -> dg.DagsterRun | None:
        """Return the run that repeats a run."""
        return next((run for run in self.instance.get_runs() if run.parent_run_id == run_id), None)

    def repeat(self, run_id: str) -> dg.DagsterRun:
        """Launch, begin and return the retry of a run."""
        self.monitor()
        retry = self.retry_of(run_id)
        assert retry is not None, self.messages(run_id)
        self.launch()
        self.begin(retry.run_id)
        return self.run(retry.run_id)

    def messages(self, run_id: str) -> str:
        """Return how a run says that it failed."""
        records = self.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
        return "\n".join(str(record.event_log_entry.get_dagster_event().message) for record in records)

    def container(self, run_id: str) -> dict[str, Any]:
        """Return a run's container as the API server has it."""
        return dict(self.cluster.jobs[f"dagster-run-{run_id}"]["spec"]["template"]["spec"]["containers"][0])

    def memory(self, run_id: str) -> tuple[str, str]:
        """Return what a run's pod asks for and what it may use."""
        resources = self.container(run_id)["resources"]
        return resources["requests"]["memory"], resources["limits"]["memory"]


def config(kubeconfig: Path) -> str:
    """Return the project's dagster.yaml with the launcher of a cluster and more places."""
    settings = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    settings["run_launcher"] = {
        "module": "dagster_k8s",
        "class": "K8sRunLauncher",
        "config": {
            "load_incluster_config": False,
            "kubeconfig_file": str(kubeconfig),
            "job_namespace": NAMESPACE,
            "job_image": "app:1",
            "service_account_name": "runs",
            "instance_config_map": "dagster-instance",
            "dagster_home": "/srv/dagster",
            "resources": LAUNCHER_RESOURCES,
        },
    }
    settings["concurrency"]["runs"]["max_concurrent_runs"] = PLACES
    return yaml.safe_dump(settings)
