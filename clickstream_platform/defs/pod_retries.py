"""A run whose pod was killed for lack of memory or disk: tried once more with twice as much, then reported.

Dagster retries a run whose pod is gone with the very tags that it had, so it would be killed again. What became of the
pod is in the message with which run monitoring marked the run as failed, and stays there; only about a pod whose worker
reported the failure itself is the cluster asked. Belongs here: reading that, the larger pod, what to tell a person.
Does not: retrying (Dagster's run retries), the moment at which the pod grows (`run_queue`).
"""

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG

from clickstream_platform.defs.pods import limits_of
from clickstream_platform.defs.tags import CUSTOMER_TAG, GROWN_TAG, HOUR_TAG, POD_TAG
from clickstream_platform.errors import TerminalError
from clickstream_platform.model.pod_size import MIB, doubled
from clickstream_platform.settings import Settings

if TYPE_CHECKING:
    from dagster_k8s import K8sRunLauncher

MEMORY, STORAGE = "memory", "ephemeral-storage"
WORDS = {MEMORY: "memory", STORAGE: "temporary disk"}
LIMIT_SETTINGS = {MEMORY: "CLICKSTREAM_POD_MAX_MEMORY_MB", STORAGE: "CLICKSTREAM_POD_MAX_STORAGE_MB"}
# As the kubelet words it, in the pod's status and in the event that it writes before it evicts.
_DISK = re.compile(r"(?i)ephemeral (?:local )?storage (?:usage exceeds|limit)|EmptyDir volume .* exceeds")
# As dagster-k8s words the pod's status. 137 without a reason: killed, and the kubelet did not notice why; a pod that
# was evicted or lost its node says so beside `Failed`, or is gone.
_KILLED = (
    (MEMORY, re.compile(r"Terminated with exit code \d+: OOMKilled")),
    (MEMORY, re.compile(r"^Pod status: Failed\n(?:.*\n)*?.*Terminated with exit code 137: Error", re.MULTILINE)),
    (STORAGE, _DISK),
)


class PodTooSmallError(TerminalError):
    """A run's pod was killed for lack of something, and there is no larger one to try."""


@dataclass(frozen=True, slots=True)
class SecondTry:
    """What to do with a run that repeats a killed one: tags that make its pod larger, or an error to end it with."""

    tags: dict[str, str]
    error: PodTooSmallError | None = None


def what_ran_out(instance: dg.DagsterInstance, launcher: "K8sRunLauncher", run: dg.DagsterRun) -> str | None:
    """Return what a failed run's pod was killed for, as a resource of Kubernetes; None if it ended for another reason.

    Out of memory a worker is killed on the spot. Evicted for its disk it has two seconds, in which it reports that it
    was interrupted, and run monitoring never looks at the pod.
    """
    if run.tags.get(RUN_FAILURE_REASON_TAG) == RunFailureReason.UNEXPECTED_TERMINATION.value:
        return STORAGE if _DISK.search(_pod_now(launcher, run)) else None
    records = instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE, limit=1, ascending=False
    ).records
    text = records[0].event_log_entry.get_dagster_event().message or "" if records else ""
    return next((resource for resource, pattern in _KILLED if pattern.search(text)), None)


def second_try(
    instance: dg.DagsterInstance, launcher: "K8sRunLauncher", run: dg.DagsterRun, settings: Settings
) -> SecondTry | None:
    """Return what to do with a run that is to be queued; None when it repeats no killed one, or is larger already.

    Sizes are those of the run before, so a run that a daemon queues again after a restart is not taken for a third try.
    """
    killed = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    resource = what_ran_out(instance, launcher, killed) if killed else None
    if killed is None or resource is None:
        return None
    had, has = _megabytes_of(launcher, killed, resource), _megabytes_of(launcher, run, resource)
    if had is None or has is None or has > had:  # without a limit the node was too small
        return None
    limits = limits_of(settings)
    larger = doubled(had, limits.max_memory_mb if resource == MEMORY else limits.max_storage_mb)
    grown: dict[str, int] = json.loads(killed.tags.get(GROWN_TAG, "{}"))
    if larger is None or resource in grown:
        return SecondTry({}, _too_small(run, resource, [*filter(None, [grown.get(resource)]), had]))
    config = _with_resource(json.loads(run.tags.get(POD_TAG, "{}")), resource, larger)
    return SecondTry({POD_TAG: json.dumps(config, sort_keys=True), GROWN_TAG: json.dumps({**grown, resource: had})})


def _pod_now(launcher: "K8sRunLauncher", run: dg.DagsterRun) -> str:
    """Return what the cluster says of a run's pod; nothing when it does not answer: then the pod stays as it is."""
    from kubernetes.client import ApiException  # type: ignore[import-untyped, unused-ignore]
    from urllib3.exceptions import HTTPError

    try:
        return launcher.get_run_worker_debug_info(run, include_container_logs=False) or ""
    except (ApiException, HTTPError):
        return ""


def _megabytes_of(launcher: "K8sRunLauncher", run: dg.DagsterRun, resource: str) -> int | None:
    """Return the limit that a run's pod has by its tags, the code location or dagster.yaml, in MiB."""
    # Imported only here: where runs are pods, the launcher has it anyway.
    from kubernetes.utils.quantity import parse_quantity  # type: ignore[import-untyped, unused-ignore]

    container = launcher.get_container_context_for_run(run).run_k8s_config.container_config
    limit = ((container.get("resources") or {}).get("limits") or {}).get(resource)
    return None if limit is None else int(parse_quantity(limit) // MIB)


def _with_resource(config: dict[str, Any], resource: str, megabytes: int) -> dict[str, Any]:
    """Return a pod's configuration with another request and limit."""
    container = config.get("container_config") or {}
    resources = container.get("resources") or {}
    changed = {kind: {**(resources.get(kind) or {}), resource: f"{megabytes}Mi"} for kind in ("requests", "limits")}
    return {**config, "container_config": {**container, "resources": {**resources, **changed}}}


def _too_small(run: dg.DagsterRun, resource: str, tried: list[int]) -> PodTooSmallError:
    sizes = ", then with ".join(f"{megabytes} MB" for megabytes in tried)
    where = " ".join(filter(None, (run.tags.get(CUSTOMER_TAG), run.tags.get(HOUR_TAG)))) or run.job_name
    return PodTooSmallError(
        "the run",
        where=where,
        cause=f"its pod was killed for lack of {WORDS[resource]} with {sizes}",
        remedy=f"Raise {LIMIT_SETTINGS[resource]}, re-execute the run with a larger {resource} in its tag {POD_TAG}, "
        "or find out which records are so large; what is loaded stays.",
    )
