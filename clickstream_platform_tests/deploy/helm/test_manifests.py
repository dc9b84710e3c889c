"""Every object that the chart makes, and every run pod, is one that Kubernetes takes: judged by its OpenAPI schemas."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job
from kubernetes.client import ApiClient  # type: ignore[import-untyped, unused-ignore]

from clickstream_platform_tests.deploy.helm.charts import (
    KUBERNETES,
    VALUES,
    Manifest,
    named,
    of_kind,
    render,
    run_context,
)
from clickstream_platform_tests.deploy.helm.kubernetes_schemas import faults

# Objects of operators; Kubernetes' own schemas don't know them.
OPERATORS = ("monitoring.coreos.com/v1", "external-secrets.io/v1")


def run_job(manifests: list[Manifest]) -> Manifest:
    """Return the Job that dagster-k8s would make of a run, as the API gets it."""
    context = K8sContainerContext.create_from_config(run_context(manifests))
    job_config = DagsterK8sJobConfig(
        job_image="clickstream-platform:0.1.0",
        dagster_home="/var/lib/dagster",
        instance_config_map="platform-dagster-instance",
        postgres_password_secret="clickstream-dagster-postgresql",
        image_pull_policy="IfNotPresent",
    )
    job = construct_dagster_k8s_job(
        job_config, ["dagster", "api", "execute_run"], "dagster-run-1", user_defined_k8s_config=context.run_k8s_config
    )
    return dict(json.loads(json.dumps(ApiClient().sanitize_for_serialization(job))))


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("values", VALUES)
def test_kubernetes_takes_every_object(values: str, kubernetes: str) -> None:
    manifests = [each for each in render(values, kubernetes) if each["apiVersion"] not in OPERATORS]
    assert [fault for each in manifests for fault in faults(each, kubernetes)] == []


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize(
    "sets",
    [
        ("collector.spool.persistent=true", "exporter.persistence.enabled=true", "codeServer.persistence.enabled=true"),
        ("networkPolicies.enabled=true", "networkPolicies.ingressFrom[0].podSelector.matchLabels.app=ingress"),
        ("runs.priorityClasses.fresh=1000", "runs.quota.requests\\.memory=100Gi", "runs.nodeSelector.pool=spot"),
        ("exporter.alertRoutes=channels: {}", "exporter.alertSecret=alerts", "exporter.thresholds=x: 1"),
        ("canary.enabled=true", "tests.doctor=true", "pods.priorityClassName=high", "image.pullSecrets[0].name=login"),
    ],
)
def test_kubernetes_takes_the_optional_parts(sets: tuple[str, ...], kubernetes: str) -> None:
    manifests = render(VALUES[0], kubernetes, sets)
    assert [fault for each in manifests for fault in faults(each, kubernetes)] == []


def test_a_wrong_field_would_be_seen() -> None:
    broken = json.loads(json.dumps(named(render(), "Deployment", "batcher")))
    broken["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    assert any("livenesProbe" in fault for fault in faults(broken, KUBERNETES[1]))


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("values", VALUES)
def test_kubernetes_takes_run_pods(values: str, kubernetes: str) -> None:
    assert faults(run_job(render(values, kubernetes)), kubernetes) == []


def test_run_pods_are_those_of_their_role() -> None:
    job = run_job(render(VALUES[1]))
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "clickstream-runs"
    assert pod["enableServiceLinks"] is False
    assert job["spec"]["template"]["metadata"]["labels"]["clickstream/role"] == "runs"
    assert job["spec"]["ttlSecondsAfterFinished"] == 600
    container = pod["containers"][0]
    assert {"configMapRef": {"name": "clickstream-settings"}} in container["envFrom"]
    secrets = {each["name"] for each in container["env"] if "valueFrom" in each}
    assert secrets == {"DAGSTER_PG_PASSWORD", "REGISTRY_TOKEN"}
    assert {each["mountPath"] for each in container["volumeMounts"]} >= {
        "/tmp",
        "/var/lib/clickstream",
        "/var/lib/dagster",
    }


def test_run_pods_go_where_the_values_say() -> None:
    sets = ("runs.nodeSelector.pool=spot", "runs.tolerations[0].key=spot", "runs.priorityClassName=low")
    pod = run_job(render(sets=sets))["spec"]["template"]["spec"]
    assert (pod["nodeSelector"], pod["tolerations"]) == ({"pool": "spot"}, [{"key": "spot"}])
    assert pod["priorityClassName"] == "low"


def test_objects_of_operators_have_what_these_need() -> None:
    manifests = render(VALUES[1])
    for secret in of_kind(manifests, "ExternalSecret"):
        assert secret["spec"]["secretStoreRef"]["name"]
        assert all(each["secretKey"] and each["remoteRef"]["key"] for each in secret["spec"]["data"])
    for monitor in of_kind(manifests, "ServiceMonitor"):
        assert monitor["spec"]["endpoints"][0]["path"] == "/metrics"


def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
    command = shutil.which("promtool")
    if command is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    rules = tmp_path / "rules.yaml"
    groups = named(render(VALUES[1]), "PrometheusRule", "clickstream-platform")["spec"]
    rules.write_text(yaml.safe_dump(groups), encoding="utf-8")
    done = subprocess.run(
        [command, "check", "rules", str(rules)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
