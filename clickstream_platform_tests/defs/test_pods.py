"""Pods as tags: coerced by the models of dagster-k8s, and only where the launcher reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_k8s.job import get_user_defined_k8s_config
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes import client  # type: ignore[import-untyped, unused-ignore]

from clickstream_platform.defs.pods import (
    are_runs_pods,
    backfill_pod_tags,
    describe_outsize,
    label_value,
    node_selector,
    pod_tags,
    tolerations,
)
from clickstream_platform.defs.tags import OUTSIZE_TAG, POD_TAG, SIZE_TAG
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.pod_size import Work
from clickstream_platform.pipeline.backfills import Chunk
from clickstream_platform.pipeline.registry_sync import LEAVING
from clickstream_platform.settings import Settings
from clickstream_platform_tests.defs.stand_ins import Workbench
from clickstream_platform_tests.pipeline.stand_ins import NINE, TEN

MODELS = {
    "container_config": client.V1Container,
    "pod_spec_config": client.V1PodSpec,
    "pod_template_spec_metadata": client.V1ObjectMeta,
    "job_metadata": client.V1ObjectMeta,
    "job_spec_config": client.V1JobSpec,
}
SMALL = Work(size_bytes=1_000_000, objects=3, events=2)
HUGE = Work(size_bytes=60_000_000_000, objects=50_000, events=100)
K8S_LAUNCHER = """
run_launcher:
  module: dagster_k8s
  class: K8sRunLauncher
  config:
    service_account_name: runs
    instance_config_map: dagster-instance
    dagster_home: /srv/dagster
"""


def coerced(tags: dict[str, str]) -> dict[str, Any]:
    """Return the parts of a pod's configuration as Kubernetes' models; unknown names and wrong types raise."""
    config = get_user_defined_k8s_config(tags).to_dict()
    required: dict[str, Any] = {"container_config": {"name": "dagster"}, "pod_spec_config": {"containers": []}}
    required["job_spec_config"] = {"template": {}}
    return {
        part: k8s_model_from_dict(model, k8s_snake_case_dict(model, {**required.get(part, {}), **config[part]}))
        for part, model in MODELS.items()
    }


def hour_tags(work: Work = SMALL, **given: Any) -> dict[str, str]:
    return pod_tags(work, "acme", "2026-11-22T09", Settings(**given))


def test_the_models_of_dagster_k8s_take_every_part() -> None:
    tags = hour_tags(
        pod_node_selector="pool=runs, kubernetes.io/arch=arm64",
        pod_tolerations="spot=true:NoSchedule,dedicated:NoExecute",
        pod_priority_class="fresh-hours",
    )
    found = coerced(tags)
    assert set(json.loads(tags[POD_TAG])) == set(MODELS)
    assert found["container_config"].resources.to_dict() == {
        "claims": None,
        "requests": {"cpu": "500m", "memory": "768Mi", "ephemeral-storage": "1024Mi"},
        "limits": {"cpu": "2000m", "memory": "768Mi", "ephemeral-storage": "1024Mi"},
    }
    spec = found["pod_spec_config"]
    assert spec.node_selector == {"pool": "runs", "kubernetes.io/arch": "arm64"}
    assert [(each.key, each.operator, each.value, each.effect) for each in spec.tolerations] == [
        ("spot", "Equal", "true", "NoSchedule"),
        ("dedicated", "Exists", None, "NoExecute"),
    ]
    assert spec.priority_class_name == "fresh-hours"
    assert found["job_spec_config"].ttl_seconds_after_finished == 600
    labels = {
        "clickstream/customer": "acme",
        "clickstream/hour": "2026-11-22T09",
        "clickstream/size": "small",
        "clickstream/work": "hour",
    }
    assert found["job_metadata"].labels == found["pod_template_spec_metadata"].labels == labels


@settings(max_examples=30)
@given(st.integers(0, 10**12), st.integers(0, 10**5), st.integers(0, 5000), st.text(min_size=1, max_size=90))
def test_any_work_of_any_customer_is_a_pod(size_bytes: int, objects: int, events: int, slug: str) -> None:
    tags = pod_tags(Work(size_bytes, objects, events, 1024), slug, "2026-11-22T09", Settings(), is_backfill=True)
    coerced(tags)
    assert (OUTSIZE_TAG in tags) == (tags[SIZE_TAG] == "outsize")


@given(st.text())
def test_a_label_s_value_is_one_that_kubernetes_takes(text: str) -> None:
    value = label_value(text)
    assert len(value) <= 63
    assert all(each.isascii() and (each.isalnum() or each in "-_.") for each in value)
    assert value == "" or (value[0].isalnum() and value[-1].isalnum())


def test_a_backfill_has_its_own_priority_class() -> None:
    classes = Settings(pod_priority_class="fresh", pod_backfill_priority_class="old")
    spec = [
        coerced(pod_tags(SMALL, "acme", "2026-11-22T09", classes, is_backfill=is_backfill))["pod_spec_config"]
        for is_backfill in (False, True)
    ]
    assert [each.priority_class_name for each in spec] == ["fresh", "old"]


def test_outsize_work_gets_the_largest_pod_a_tag_and_words() -> None:
    tags = hour_tags(HUGE, pod_max_memory_mb=8192, pod_max_storage_mb=20_000)
    assert (tags[OUTSIZE_TAG], tags[SIZE_TAG]) == ("true", "outsize")
    limits = coerced(tags)["container_config"].resources.limits
    assert limits["ephemeral-storage"] == "20000Mi"
    where = {"clickstream/customer": "acme", "clickstream/hour": "2026-11-22T09"}
    (told,) = describe_outsize(dg.RunRequest(tags=each | where) for each in (tags, hour_tags()))
    assert told.startswith("acme 2026-11-22T09: more work than the limits of a pod are made for")


@pytest.mark.parametrize("text", ["pool", "=runs", "pool=runs,x"])
def test_a_node_selector_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CLICKSTREAM_POD_NODE_SELECTOR is .*Its form is key=value"):
        node_selector(text)


@pytest.mark.parametrize("text", ["spot=true", "spot=true:Never", ":NoSchedule"])
def test_tolerations_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CLICKSTREAM_POD_TOLERATIONS is .*Its form is key=value:effect"):
        tolerations(text)


def test_whether_runs_are_pods_is_read_from_dagster_yaml_without_a_cluster(tmp_path: Path) -> None:
    assert not are_runs_pods(dg.DagsterInstance.ephemeral())
    for name, text, expected in (("one", "", False), ("k8s", K8S_LAUNCHER, True)):
        home = tmp_path / name
        home.mkdir()
        (home / "dagster.yaml").write_text(text + "telemetry: {enabled: false}\n")
        with dg.DagsterInstance.from_config(str(home)) as instance:
            assert are_runs_pods(instance) is expected


@pytest.mark.parametrize("is_kubernetes", [False, True])
def test_the_hours_sensor_sizes_its_runs_only_where_they_are_pods(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, is_kubernetes: bool
) -> None:
    monkeypatch.setattr("clickstream_platform.defs.pods.are_runs_pods", lambda _: is_kubernetes)
    bench.wiring.put("acme", "order", NINE)
    (request,) = bench.tick("hours").run_requests
    assert (POD_TAG in request.tags) is is_kubernetes
    if is_kubernetes:
        labels = coerced(request.tags)["job_metadata"].labels
        assert (labels["clickstream/customer"], labels["clickstream/hour"]) == ("acme", str(NINE))
        # The bench's warehouse is DuckDB, whose memory the pod has on top.
        memory = coerced(request.tags)["container_config"].resources.limits["memory"]
        assert int(memory.removesuffix("Mi")) > bench.wiring.settings.duckdb_memory_mb


def test_a_limit_of_the_transform_above_its_default_is_memory_of_the_pod(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream_platform.defs.pods.are_runs_pods", lambda _: True)
    bench.wiring.put("acme", "order", NINE)
    found = []
    changes: list[dict[str, Any]] = [{}, {"transform_memory_mb": 96 + 2048}, {"block_bytes": 12_582_912 + 64 * 2**20}]
    for changed in changes:
        bench.wiring.settings = Settings(**changed)
        (request,) = bench.tick("hours").run_requests
        memory = coerced(request.tags)["container_config"].resources.limits["memory"]
        found.append(int(memory.removesuffix("Mi")))
    assert [each - found[0] for each in found] == [0, 2048, 512]


def test_a_backfill_of_some_hours_is_one_pod_named_after_the_first(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream_platform.defs.pods.are_runs_pods", lambda _: True)
    chunk = Chunk("acme", "order", 2, (NINE, TEN), "0" * 40, size_bytes=900_000_000, objects=40)
    customer = next(each for each in bench.state.customers if each.slug == "acme")
    tags = backfill_pod_tags(bench.instance, customer, chunk, Settings())
    labels = coerced(tags)["job_metadata"].labels
    assert (labels["clickstream/hour"], labels["clickstream/work"]) == (str(NINE), "backfill")
    one_hour = pod_tags(Work(900_000_000, 40, 1, Settings().duckdb_memory_mb), "acme", str(NINE), Settings())
    sizes = [coerced(each)["container_config"].resources.to_dict() for each in (tags, one_hour)]
    assert sizes[0] == sizes[1]


def test_outsize_work_of_both_sensors_is_marked_has_its_run_and_is_told(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("clickstream_platform.defs.pods.are_runs_pods", lambda _: True)
    monkeypatch.setattr("clickstream_platform.model.pod_size.START_SECONDS", 10_000.0)
    bench.wiring.settings = bench.wiring.settings.model_copy(update={"dagster_webserver_url": ""})
    bench.wiring.put("acme", "order", NINE)
    (hour,) = bench.tick("hours").run_requests
    cursor = bench.tick("registry").cursor
    bench.wiring.registry.pause_event("acme", "order")
    bench.wiring.clock.advance(LEAVING)
    cursor = bench.tick("registry", cursor).cursor
    bench.wiring.registry.resume_event("acme", "order")
    bench.wiring.clock.advance(LEAVING)
    (backfill,) = bench.tick("registry", cursor).run_requests
    assert (hour.tags[OUTSIZE_TAG], backfill.tags[OUTSIZE_TAG]) == ("true", "true")
    assert capfd.readouterr().err.count("acme 2026-11-22T09: more work than the limits of a pod are made for") == 2
