"""The pods of runs in Kubernetes: how large, on which nodes, how important, named after whose hour.

Belongs here: the size of the work as `dagster-k8s/config` tags, which the unmodified `K8sRunLauncher` follows. Does
not: the model (`model.pod_size`), what follows from a pod that was killed (`pod_retries`).

Only the launcher of dagster-k8s reads these tags, so runs get them only where the instance names it; that is looked up
in dagster.yaml, not tried: a code server may not be allowed to reach the cluster.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from clickstream_platform.defs.state import CustomerState, dagster_name
from clickstream_platform.defs.tags import CUSTOMER_TAG, HOUR_TAG, OUTSIZE_TAG, POD_TAG, SIZE_TAG
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.pod_size import MIB, PodLimits, PodSize, Work, pod_size
from clickstream_platform.pipeline.backfills import Chunk
from clickstream_platform.pipeline.discovery import CustomerHour
from clickstream_platform.settings import Settings

LAUNCHER_PACKAGE = "dagster_k8s"
CUSTOMER_LABEL, HOUR_LABEL, SIZE_LABEL = "clickstream/customer", "clickstream/hour", "clickstream/size"
WORK_LABEL = "clickstream/work"
MAX_LABEL_CHARACTERS = 63
CHUNK_COPIES = 8  # what is decompressed at once is in memory as lines, texts, columns and Arrow, for a moment together
# Run monitoring gives up a run whose pod does not start, but leaves the Job; it may wait for a node this long.
NODE_SECONDS = 3600
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
Config = dict[str, Any]


def are_runs_pods(instance: dg.DagsterInstance) -> bool:
    """Whether runs of this instance become pods: dagster.yaml names a launcher of dagster-k8s."""
    if instance.is_ephemeral:
        return False
    launcher = instance.get_ref().run_launcher_data
    return launcher is not None and launcher.module_name.partition(".")[0] == LAUNCHER_PACKAGE


def hour_pod_tags(
    instance: dg.DagsterInstance, customer: CustomerState, each: CustomerHour, settings: Settings
) -> dict[str, str]:
    """Return the tags for the pod that loads a customer-hour; none where runs are no pods."""
    if not are_runs_pods(instance):
        return {}
    objects = sum(len(refs) for refs in each.streams.values())
    work = Work(each.size_bytes, objects, len(each.streams), _extra_mb(customer, settings))
    return pod_tags(work, customer.slug, str(each.hour), settings)


def backfill_pod_tags(
    instance: dg.DagsterInstance, customer: CustomerState, chunk: Chunk, settings: Settings
) -> dict[str, str]:
    """Return the tags for the pod of a back-fill, sized as if its hours were one; none where runs are no pods."""
    if not are_runs_pods(instance):
        return {}
    work = Work(chunk.size_bytes, chunk.objects, 1, _extra_mb(customer, settings))
    return pod_tags(work, customer.slug, str(chunk.hours[0]), settings, is_backfill=True)


def pod_tags(work: Work, customer: str, hour: str, settings: Settings, *, is_backfill: bool = False) -> dict[str, str]:
    """Return the tags of a run with this work; raises ConfigurationError for node settings that can't be read."""
    size = pod_size(work, limits_of(settings))
    labels = {
        CUSTOMER_LABEL: label_value(dagster_name(customer)),
        HOUR_LABEL: label_value(hour),
        SIZE_LABEL: str(size.size_class),
        WORK_LABEL: "backfill" if is_backfill else "hour",
    }
    config = {
        "container_config": {"resources": _resources(size, settings)},
        "pod_spec_config": _pod_spec(settings, is_backfill=is_backfill),
        "pod_template_spec_metadata": {"labels": labels},
        "job_metadata": {"labels": labels},
        "job_spec_config": {
            "active_deadline_seconds": NODE_SECONDS + settings.run_max_seconds,
            "ttl_seconds_after_finished": settings.pod_ttl_seconds,
        },
    }
    tags = {POD_TAG: json.dumps(config, sort_keys=True), SIZE_TAG: str(size.size_class)}
    return tags | {OUTSIZE_TAG: "true"} if size.is_outsize else tags


def limits_of(settings: Settings) -> PodLimits:
    """Return what a pod gets at most."""
    return PodLimits(
        min_memory_mb=settings.pod_min_memory_mb,
        max_memory_mb=max(settings.pod_min_memory_mb, settings.pod_max_memory_mb),
        max_cpu_millis=settings.pod_max_cpu_millis,
        max_storage_mb=settings.pod_max_storage_mb,
        max_seconds=settings.run_max_seconds,
    )


def describe_outsize(requests: Iterable[dg.RunRequest]) -> Iterator[str]:
    """Yield what a person should know of the runs that are too large for their pods."""
    for tags in (request.tags for request in requests if OUTSIZE_TAG in request.tags):
        yield (
            f"{tags[CUSTOMER_TAG]} {tags[HOUR_TAG]}: more work than the limits of a pod are made for; it runs in the "
            f"largest one, tagged {OUTSIZE_TAG}. There is no distributed engine to hand it to. If it fails, raise "
            "CLICKSTREAM_POD_MAX_MEMORY_MB, CLICKSTREAM_POD_MAX_STORAGE_MB or CLICKSTREAM_RUN_MAX_SECONDS"
        )


def label_value(text: str) -> str:
    """Return a text as the value of a label: at most 63 characters, a letter or digit at both ends."""
    cleaned = "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "-" for each in text)
    return cleaned[:MAX_LABEL_CHARACTERS].strip("-_.")


def node_selector(text: str) -> dict[str, str]:
    """Read `key=value,key=value`."""
    pairs = [each.strip().partition("=") for each in text.split(",") if each.strip()]
    if any(not key or not sign for key, sign, _ in pairs):
        raise _unreadable("CLICKSTREAM_POD_NODE_SELECTOR", text, "key=value, several separated by commas")
    return {key.strip(): value.strip() for key, _, value in pairs}


def tolerations(text: str) -> list[dict[str, str]]:
    """Read `key=value:effect` and `key:effect`, separated by commas."""
    found = []
    for each in filter(None, (part.strip() for part in text.split(","))):
        taint, _, effect = each.rpartition(":")
        key, sign, value = taint.partition("=")
        if not key or effect not in EFFECTS:
            form = f"key=value:effect or key:effect with an effect of {', '.join(EFFECTS)}"
            raise _unreadable("CLICKSTREAM_POD_TOLERATIONS", text, form)
        matched = {"operator": "Equal", "value": value} if sign else {"operator": "Exists"}
        found.append({"key": key, "effect": effect, **matched})
    return found


def _extra_mb(customer: CustomerState, settings: Settings) -> int:
    """Return what settings allow beside what the model was measured with: its defaults, and no warehouse in the pod."""
    shreds = settings.transform_memory_mb - int(Settings.model_fields["transform_memory_mb"].default)
    chunk = (settings.block_bytes - int(Settings.model_fields["block_bytes"].default)) * CHUNK_COPIES // MIB
    return (settings.duckdb_memory_mb if customer.kind == "duckdb" else 0) + max(shreds, 0) + max(chunk, 0)


def _resources(size: PodSize, settings: Settings) -> Config:
    """Return requests and limits: what can't be taken back (memory, disk) is asked for in full."""
    fixed = {"memory": f"{size.memory_mb}Mi", "ephemeral-storage": f"{size.storage_mb}Mi"}
    return {
        "requests": {"cpu": f"{size.cpu_millis}m", **fixed},
        "limits": {"cpu": f"{settings.pod_max_cpu_millis}m", **fixed},
    }


def _pod_spec(settings: Settings, *, is_backfill: bool) -> Config:
    spec: Config = {}
    if selector := node_selector(settings.pod_node_selector):
        spec["node_selector"] = selector
    if tolerated := tolerations(settings.pod_tolerations):
        spec["tolerations"] = tolerated
    if name := settings.pod_backfill_priority_class if is_backfill else settings.pod_priority_class:
        spec["priority_class_name"] = name
    return spec


def _unreadable(setting: str, text: str, form: str) -> ConfigurationError:
    return ConfigurationError("reading the settings", cause=f"{setting} is {text!r}", remedy=f"Its form is {form}.")
