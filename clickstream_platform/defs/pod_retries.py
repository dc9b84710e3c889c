"""A run whose pod was killed for lack of memory or disk: tried once more with twice as much, then reported.

Dagster retries a run whose pod is gone with the very tags that it had, so it would be killed again. What became of the
pod is in the message with which run monitoring marked the run as failed; reading it there needs no access to the
cluster, and works after the pod was deleted. Belongs here: reading that message, the larger pod, what to tell a person.
Does not: retrying (Dagster's run retries), the moment at which the pod grows (`run_queue`).
"""

import copy
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

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
# As dagster-k8s words the pod's status. 137 without a reason: killed, and the kubelet did not notice why; a pod that
# was evicted or lost its node says so beside `Failed`, or is gone.
_KILLED = (
    (MEMORY, re.compile(r"Terminated with exit code \d+: OOMKilled")),
    (MEMORY, re.compile(r"^Pod status: Failed\n(?:.*\n)*?.*Terminated with exit code 137: Error", re.MULTILINE)),
    (STORAGE, re.compile(r"(?i)ephemeral (?:local )?storage (?:usage exceeds|limit)|EmptyDir volume .* exceeds")),
)


class PodTooSmallError(TerminalError):
    """A run's pod was killed for lack of something, and there is no larger one to try."""


@dataclass(frozen=True, slots=True)
class SecondTry:
    """What to do with a run that repeats a killed one: tags that make its pod larger, or an error to end it with."""

    tags: dict[str, str]
    error: PodTooSmallError | None = None


def what_ran_out(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """Return what a run's pod was killed for, as a resource of Kubernetes; None if it ended for another reason."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_FAILURE, limit=1, ascending=False)
    for record in records.records:
        event = record.event_log_entry.dagster_event
        text = (event.message if event else None) or ""
        return next((resource for resource, pattern in _KILLED if pattern.search(text)), None)
    return None


def second_try(
    instance: dg.DagsterInstance, launcher: "K8sRunLauncher", run: dg.DagsterRun, settings: Settings
) -> SecondTry | None:
    """Return what to do with a run that is to be launched; None when it repeats no killed one."""
    resource = what_ran_out(instance, run.parent_run_id) if run.parent_run_id else None
    if resource is None:
        return None
    had = _megabytes_of(launcher, run, resource)
    if had is None:  # a pod without limits: the node was too small
        return None
    limits = limits_of(settings)
    larger = doubled(had, limits.max_memory_mb if resource == MEMORY else limits.max_storage_mb)
    grown: dict[str, int] = json.loads(run.tags.get(GROWN_TAG, "{}"))
    if larger is None or resource in grown:
        return SecondTry({}, _too_small(run, resource, [*filter(None, [grown.get(resource)]), had]))
    config = _with_resource(json.loads(run.tags.get(POD_TAG, "{}")), resource, larger)
    return SecondTry({POD_TAG: json.dumps(config, sort_keys=True), GROWN_TAG: json.dumps({**grown, resource: had})})


def _megabytes_of(launcher: "K8sRunLauncher", run: dg.DagsterRun, resource: str) -> int | None:
    """Return the limit that this run's pod would have, from its tags or dagster.yaml, in MiB."""
    # Imported only here: where runs are pods, the launcher has it anyway.
    from kubernetes.utils.quantity import parse_quantity  # type: ignore[import-untyped, unused-ignore]

    container = launcher.get_container_context_for_run(run).run_k8s_config.container_config
    limit = (container.get("resources") or {}).get("limits", {}).get(resource)
    return None if limit is None else int(parse_quantity(limit) // MIB)


def _with_resource(config: dict[str, Any], resource: str, megabytes: int) -> dict[str, Any]:
    larger = copy.deepcopy(config)
    resources = larger.setdefault("container_config", {}).setdefault("resources", {})
    for kind in ("requests", "limits"):
        resources.setdefault(kind, {})[resource] = f"{megabytes}Mi"
    return larger


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
