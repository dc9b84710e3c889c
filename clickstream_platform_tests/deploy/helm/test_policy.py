"""What no pod may be or have: PodSecurity `restricted`, limits, probes, secrets, an account for each role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from clickstream_platform_tests.deploy.helm.charts import (
    CHART,
    KUBERNETES,
    VALUES,
    Manifest,
    is_hook,
    named,
    of_kind,
    pods,
    render,
    run_context,
)
from clickstream_platform_tests.deploy.helm.test_manifests import run_job
from clickstream_platform_tests.shared_data import REPOSITORY

EVERYTHING = ("canary.enabled=true", "tests.doctor=true", "networkPolicies.enabled=true", "exporter.alertSecret=alerts")
# What `restricted` allows; no hostPath, above all.
VOLUMES = {"name", "configMap", "emptyDir", "persistentVolumeClaim", "secret"}
SECRET_WORDS = re.compile(r"password|secret|token|private_key|access_key", re.IGNORECASE)


def all_pods(values: str, kubernetes: str) -> dict[str, Manifest]:
    """Return every pod of the chart, hooks and a run among them."""
    manifests = render(values, kubernetes, EVERYTHING)
    return {**pods(manifests), "Job/run": run_job(manifests)["spec"]["template"]["spec"]}


def containers(spec: Manifest) -> list[Manifest]:
    return [*spec.get("initContainers", []), *spec["containers"]]


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("values", VALUES)
def test_every_pod_is_restricted(values: str, kubernetes: str) -> None:
    for name, spec in all_pods(values, kubernetes).items():
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True, name
        assert pod["runAsUser"] > 0, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert all(set(volume) <= VOLUMES for volume in spec["volumes"]), name
        for container in containers(spec):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["runAsNonRoot"] is True, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert not security.get("privileged"), name
            assert all("hostPort" not in port for port in container.get("ports", [])), name


@pytest.mark.parametrize("values", VALUES)
def test_every_container_has_requests_and_limits(values: str) -> None:
    for name, spec in all_pods(values, KUBERNETES[1]).items():
        for container in containers(spec):
            for kind in ("requests", "limits"):
                given = set(container["resources"][kind])
                assert given == {"cpu", "memory", "ephemeral-storage"}, f"{name}: {container['name']} {kind}"


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("values", VALUES)
def test_every_service_container_has_probes(values: str, kubernetes: str) -> None:
    manifests = render(values, kubernetes, EVERYTHING)
    for name, spec in pods([each for each in manifests if not is_hook(each)]).items():
        for container in spec["containers"]:
            assert {"livenessProbe", "readinessProbe"} <= set(container), f"{name}: {container['name']}"


def test_probes_are_those_of_the_health_page() -> None:
    page = (REPOSITORY / "docs" / "health.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert block is not None
    parts = [yaml.safe_load(part) for part in re.split(r"^# .*\n", block[1], flags=re.MULTILINE) if part.strip()]
    daemon, code_server, webserver, service = parts
    found = pods(render(VALUES[1]))
    for name, expected in {
        "Deployment/platform-dagster-daemon": daemon,
        "Deployment/code-server": code_server,
        "Deployment/platform-dagster-webserver": webserver,
    }.items():
        for probe, fields in expected.items():  # the dagster chart's own defaults may stand beside them
            assert fields.items() <= found[name]["containers"][0][probe].items(), f"{name}: {probe}"
    for name in ("StatefulSet/collector", "Deployment/batcher", "Deployment/exporter", "Deployment/registry"):
        for probe, expected in service.items():
            expected["httpGet"]["port"] = "http"
            assert found[name]["containers"][0][probe] == expected, name


def test_every_path_that_is_written_is_a_volume() -> None:
    for name, spec in all_pods(VALUES[1], KUBERNETES[1]).items():
        for container in containers(spec):
            mounted = {mount["mountPath"] for mount in container.get("volumeMounts", [])}
            assert {"/tmp", "/var/lib/clickstream"} <= mounted, f"{name}: {container['name']}"
            names = {volume["name"] for volume in spec["volumes"]}
            claimed = {"spool"} if name.startswith("StatefulSet/") else set()
            assert {mount["name"] for mount in container["volumeMounts"]} <= names | claimed, name


def test_each_role_has_its_account_and_no_other() -> None:
    accounts = {name.partition("/")[2]: spec["serviceAccountName"] for name, spec in pods(render(VALUES[1])).items()}
    expected = {role: f"clickstream-{role}" for role in ("collector", "batcher", "registry", "exporter", "code-server")}
    assert {role: accounts[role] for role in expected} == expected
    assert accounts["platform-dagster-daemon"] == accounts["platform-dagster-webserver"] == "clickstream-dagster"
    assert run_context(render(VALUES[1]))["k8s"]["service_account_name"] == "clickstream-runs"
    made = {each["metadata"]["name"] for each in of_kind(render(VALUES[1]), "ServiceAccount")}
    assert made == {*expected.values(), "clickstream-runs", "clickstream-dagster"}


def test_accounts_carry_their_roles_of_aws() -> None:
    for account in of_kind(render(VALUES[1]), "ServiceAccount"):
        name = account["metadata"]["name"]
        role = (account["metadata"].get("annotations") or {}).get("eks.amazonaws.com/role-arn", "")
        # Dagster's own processes ask only Kubernetes and PostgreSQL.
        assert role.endswith(f":role/{name}") == (name != "clickstream-dagster"), name


def test_only_dagster_has_rights_in_the_cluster() -> None:
    manifests = render(VALUES[1])
    bound = {each["name"] for binding in of_kind(manifests, "RoleBinding") for each in binding["subjects"]}
    assert bound == {"clickstream-dagster"}
    assert of_kind(manifests, "ClusterRole", "ClusterRoleBinding") == []
    for name, spec in pods(manifests).items():
        if spec["serviceAccountName"] != "clickstream-dagster":
            assert spec["automountServiceAccountToken"] is False, name


def test_kubernetes_makes_no_variables_of_services() -> None:
    # CLICKSTREAM_… variables that nobody knows stop every process.
    for name, spec in all_pods(VALUES[1], KUBERNETES[1]).items():
        if "dagster-webserver" not in name and "dagster-daemon" not in name:  # the dagster chart has no value for it
            assert spec["enableServiceLinks"] is False, name
    for service in of_kind(render(VALUES[1]), "Service"):
        assert not service["metadata"]["name"].startswith("clickstream"), service["metadata"]["name"]


@pytest.mark.parametrize("values", VALUES)
def test_no_secret_is_a_plain_value(values: str) -> None:
    given = yaml.safe_load((CHART / values).read_text(encoding="utf-8"))
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    for path, text in (*texts(given), *texts(defaults)):
        assert not re.search(r"://[^/@]*:[^/@]+@", text), path
    manifests = render(values)
    assert of_kind(manifests, "Secret") == []
    for name, spec in all_pods(values, KUBERNETES[1]).items():
        for container in containers(spec):
            for variable in container.get("env", []):
                if SECRET_WORDS.search(variable["name"]) and not variable["name"].endswith("_REFERENCE"):
                    assert "secretKeyRef" in variable["valueFrom"], f"{name}: {variable['name']}"
    settings = named(manifests, "ConfigMap", "clickstream-settings")["data"]
    plain = {name for name in settings if SECRET_WORDS.search(name) and not name.endswith("_REFERENCE")}
    assert plain == set()


def test_a_role_gets_only_its_own_secrets() -> None:
    found = pods(render(VALUES[1]))
    secrets = {
        name.partition("/")[2]: {each["name"] for each in spec["containers"][0]["env"] if "valueFrom" in each}
        for name, spec in found.items()
        if "env" in spec["containers"][0]
    }
    assert secrets["collector"] == {"COLLECTOR_REGISTRY_TOKEN"}
    assert secrets["batcher"] == {"CLICKSTREAM_BATCHER_LEASES_URL"}
    assert secrets["code-server"] == {"REGISTRY_TOKEN", "DAGSTER_PG_PASSWORD"}
    assert [role for role, has in secrets.items() if "CLICKSTREAM_REGISTRY_URL" in has] == [
        "registry",
        "registry-migrate",
    ]


def test_every_pod_is_behind_a_network_policy() -> None:
    manifests = render(VALUES[1])
    chosen: set[str] = set()
    for policy in of_kind(manifests, "NetworkPolicy"):
        if "Ingress" in policy["spec"]["policyTypes"]:
            selector = policy["spec"]["podSelector"]
            chosen |= {selector["matchLabels"]["clickstream/role"]} if "matchLabels" in selector else set()
            chosen |= {role for each in selector.get("matchExpressions", []) for role in each["values"]}
    roles = {run_context(manifests)["k8s"]["labels"]["clickstream/role"]}
    for each in manifests:
        metadata = each["spec"]["template"]["metadata"] if "template" in each.get("spec", {}) else each["metadata"]
        if each["kind"] in ("Deployment", "StatefulSet", "Job", "Pod"):
            roles.add(metadata["labels"]["clickstream/role"])
    assert roles == chosen


def texts(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text below a value with its path."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from texts(value, f"{path}.{name}")
    elif isinstance(tree, list):
        for value in tree:
            yield from texts(value, path)
    elif isinstance(tree, str):
        yield path, tree
