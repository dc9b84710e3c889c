"""The queue of runs: Dagster's own, with what is settled for each run at the moment it enters.

That is the one place where every run passes, whoever asked for it: a sensor, a person's backfill, Dagster's retry.
Belongs here: priorities and the pod of a second try. Does not: what limits the queue (dagster.yaml), which run comes
next (Dagster).
"""

from typing import TYPE_CHECKING, cast

import dagster as dg
from dagster._core.events import JobFailureData
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.storage.tags import BACKFILL_ID_TAG, MAX_RETRIES_TAG, RETRY_NUMBER_TAG
from dagster_shared.error import SerializableErrorInfo

from clickstream_platform.defs.pod_retries import PodTooSmallError, second_try
from clickstream_platform.defs.pods import are_runs_pods
from clickstream_platform.defs.tags import BACKFILL_PRIORITY, BACKFILL_TAG, IS_BACKFILL, PRIORITY_TAG
from clickstream_platform.settings import load_settings

if TYPE_CHECKING:
    from dagster_k8s import K8sRunLauncher


def backfill_tags(run: dg.DagsterRun) -> dict[str, str]:
    """Return what a run of a person's backfill lacks: a place after all hours, and the mark that limits how many run.

    A priority that the person gave stays. A single run that a person launches is no backfill: somebody waits for it.
    """
    if BACKFILL_ID_TAG not in run.tags:
        return {}
    given = {BACKFILL_TAG: IS_BACKFILL, PRIORITY_TAG: str(BACKFILL_PRIORITY)}
    return {tag: value for tag, value in given.items() if tag not in run.tags}


class PlatformRunCoordinator(QueuedRunCoordinator):
    """Puts backfills after hours, and gives a run whose pod ran out of memory or disk a larger one, once."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Put a run into the queue; one that would only be killed again is failed, with the reason."""
        run, instance = context.dagster_run, self._instance
        if run.status == dg.DagsterRunStatus.NOT_STARTED:
            tags = backfill_tags(run)
            if run.parent_run_id and are_runs_pods(instance):
                launcher = cast("K8sRunLauncher", instance.run_launcher)
                again = second_try(instance, launcher, run, load_settings())
                if again is not None and again.error is not None and RETRY_NUMBER_TAG in run.tags:
                    return self._refuse(run, again.error)
                tags |= again.tags if again is not None else {}
            if tags:
                instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)

    def _refuse(self, run: dg.DagsterRun, error: PodTooSmallError) -> dg.DagsterRun:
        """Fail a retry instead of launching it, so that the reason stands where people and alerts look."""
        max_retries = run.tags.get(MAX_RETRIES_TAG, str(self._instance.run_retries_max_retries))
        self._instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
        told = SerializableErrorInfo(message=str(error), stack=[], cls_name=type(error).__name__)
        self._instance.report_run_failed(run, str(error), JobFailureData(error=told))
        # Who repeats it by hand copies its tags, and that run may lose its pod like any other.
        self._instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: max_retries})
        return self._instance.get_run_by_id(run.run_id) or run
