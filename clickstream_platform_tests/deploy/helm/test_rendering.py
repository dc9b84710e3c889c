"""The chart lints, renders for every values file and version, and refuses what would go wrong later."""

from __future__ import annotations

import re

import pytest
import yaml

from clickstream_platform_tests.deploy.helm.charts import (
    CHART,
    KUBERNETES,
    STAND_IN,
    VALUES,
    chart_folder,
    is_hook,
    named,
    of_kind,
    pods,
    refusal,
    render,
    run_helm,
)
from clickstream_platform_tests.shared_data import REPOSITORY


@pytest.mark.parametrize("values", VALUES)
def test_helm_lints_the_chart(values: str) -> None:
    folder = chart_folder()
    done = run_helm("lint", str(folder), "--strict", "--values", str(folder / values))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("values", VALUES)
def test_objects_have_names_of_their_own(values: str, kubernetes: str) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in render(values, kubernetes)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_api_groups_are_those_of_the_cluster(kubernetes: str) -> None:
    versions = {each["kind"]: each["apiVersion"] for each in render(VALUES[1], kubernetes)}
    is_old = kubernetes == KUBERNETES[0]
    assert versions["PodDisruptionBudget"] == ("policy/v1beta1" if is_old else "policy/v1")
    assert versions["HorizontalPodAutoscaler"] == ("autoscaling/v2beta2" if is_old else "autoscaling/v2")
    probe = pods(render(VALUES[1], kubernetes))["Deployment/code-server"]["containers"][0]["livenessProbe"]
    assert set(probe) & {"exec", "grpc"} == ({"exec"} if is_old else {"grpc"})


def test_a_version_with_a_vendors_ending_is_understood() -> None:
    versions = {each["kind"]: each["apiVersion"] for each in render(VALUES[1], "v1.29.3-eks-adc7111")}
    assert versions["PodDisruptionBudget"] == "policy/v1"


def test_the_dependency_is_the_dagster_of_the_lock_file() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    locked = re.search(r"^dagster==([\d.]+)", lock, re.MULTILINE)
    assert locked is not None
    assert [(each["name"], each["version"]) for each in chart["dependencies"]] == [("dagster", locked[1])]
    assert yaml.safe_load((STAND_IN / "Chart.yaml").read_text(encoding="utf-8"))["version"] == locked[1]


def test_alerts_and_dashboards_are_those_of_deploy() -> None:
    for name in ("alerts", "dashboards"):
        assert (CHART / "files" / name).resolve() == REPOSITORY / "deploy" / name
    manifests = render(VALUES[1])
    groups = named(manifests, "PrometheusRule", "clickstream-platform")["spec"]["groups"]
    files = sorted((REPOSITORY / "deploy" / "alerts").glob("*.rules.yaml"))
    expected = [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    assert groups == expected
    for file in (REPOSITORY / "deploy" / "dashboards").glob("*.json"):
        found = named(manifests, "ConfigMap", f"clickstream-dashboard-{file.stem}")
        assert found["data"][f"clickstream-{file.name}"].strip() == file.read_text(encoding="utf-8").strip()


def test_metrics_are_scraped_under_the_names_that_alerts_ask_for() -> None:
    rules = "".join(
        file.read_text(encoding="utf-8") for file in (REPOSITORY / "deploy" / "alerts").glob("*.rules.yaml")
    )
    asked = set(re.findall(r'job="([\w-]+)"', rules))
    monitors = of_kind(render(VALUES[1]), "ServiceMonitor")
    jobs = {rule["replacement"] for each in monitors for rule in each["spec"]["endpoints"][0]["relabelings"]}
    assert asked <= jobs
    services = of_kind(render(VALUES[1]), "Service")
    for monitor in monitors:
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        found = [each for each in services if wanted <= (each["metadata"].get("labels") or {}).items()]
        assert len(found) == 1, monitor["metadata"]["name"]
        assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in found[0]["spec"]["ports"]}


def test_every_service_finds_its_pods_and_their_port() -> None:
    manifests = render(VALUES[1])
    makers = [each for each in manifests if each["kind"] in ("Deployment", "StatefulSet")]
    for service in of_kind(manifests, "Service"):
        wanted = service["spec"]["selector"].items()
        found = [each for each in makers if wanted <= each["spec"]["template"]["metadata"]["labels"].items()]
        assert len(found) == 1, service["metadata"]["name"]
        containers = found[0]["spec"]["template"]["spec"]["containers"]
        listened = [port for container in containers for port in container.get("ports", [])]
        ports = {port[name] for port in listened for name in ("name", "containerPort")}
        assert {port.get("targetPort", port["port"]) for port in service["spec"]["ports"]} <= ports


@pytest.mark.parametrize(("shards", "per_pod", "expected"), [(1, 8, 1), (8, 8, 1), (9, 8, 2), (32, 8, 4), (33, 4, 9)])
def test_batchers_follow_the_shards(shards: int, per_pod: int, expected: int) -> None:
    manifests = render(sets=(f"batcher.shards={shards}", f"batcher.shardsPerPod={per_pod}"))
    assert named(manifests, "Deployment", "batcher")["spec"]["replicas"] == expected


def test_a_number_of_batchers_goes_before_the_shards() -> None:
    manifests = render(sets=("batcher.shards=32", "batcher.replicas=0"))
    assert named(manifests, "Deployment", "batcher")["spec"]["replicas"] == 0


def test_a_collectors_spool_outlives_its_pod_in_production() -> None:
    collector = named(render(VALUES[1]), "StatefulSet", "collector")
    assert collector["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "spool"
    target = named(render(VALUES[1]), "HorizontalPodAutoscaler", "collector")["spec"]
    assert target["scaleTargetRef"]["kind"] == "StatefulSet"
    assert {each["type"] for each in target["metrics"]} == {"Resource", "Pods"}
    assert "replicas" not in collector["spec"], "the autoscaler's number is not overwritten by an upgrade"


def test_parts_can_be_off() -> None:
    off = ("collector", "batcher", "registry", "exporter", "codeServer", "dagster")
    left = render(sets=tuple(f"{part}.enabled=false" for part in off))
    assert of_kind(left, "Deployment", "StatefulSet", "Job", "Service") == []


def test_migrations_run_before_an_upgrade_only() -> None:
    hooks = {each["metadata"]["name"]: each for each in render() if is_hook(each) and each["kind"] == "Job"}
    assert set(hooks) == {"registry-migrate", "dagster-migrate"}
    for job in hooks.values():
        # Installing, there is no ConfigMap and no account yet that a hook could use; whoever opens a database makes it.
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"


def test_helm_test_asks_every_service() -> None:
    (container,) = pods(render())["Pod/clickstream-test-services"]["containers"]  # helm shows the logs of one only
    asked = re.findall(r"clickstream_platform.health (\S+) --ready", container["command"][2])
    assert set(asked) == {"collector", "batcher", "registry", "exporter", "code-server", "webserver", "daemon"}
    assert "Pod/clickstream-test-doctor" in pods(render(sets=("tests.doctor=true",)))


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (("settings.CLICKSTREAM_OBJECT_STORE_URL=/data",), "pods share no folder"),
        (("settings.CLICKSTREAM_KINESIS_STREAM=",), "collector and batcher need the Kinesis stream's name"),
        (("settings.CLICKSTREAM_OBJECT_STORE=x",), "settings"),
        (("settings.CLICKSTREAM_ALERTS_URL=postgresql://me:secret@db/x",), "a URL with a password is a secret"),
        (("settings.CLICKSTREAM_REGISTRY_URL=postgresql://db/x",), "secrets.env sets it, too"),
        (("dagster.postgresql.postgresqlHost=",), "Dagster needs a PostgreSQL"),
        (("image.tag=2.0.0",), "dagster.dagsterWebserver.image: it must be the platform's"),
        (("canary.enabled=true", "exporter.enabled=false"), "the canary lives in the exporter's pod"),
        (("collector.autoscaling.enabled=true", "collector.autoscaling.maxReplicas=1"), "less than minReplicas"),
        (("colector.enabled=true",), "colector"),
        (("collector.terminationGraceSeconds=10",), "terminationGraceSeconds"),
        (("batcher.shards=0",), "shards"),
        (("runs.resources.limits.memory=lots",), "memory"),
        (("serviceAccounts.runs.rights=all",), "rights"),
        (("secrets.env.X.key=x", "secrets.env.X.roles={everybody}"), "roles"),
        (("collector.ingress.enabled=true",), "an Ingress needs a host name"),
        (("dagster.dagsterDaemon.replicas=2",), "replicas"),
    ],
)
def test_what_would_go_wrong_later_is_refused_with_its_name(sets: tuple[str, ...], expected: str) -> None:
    assert expected in refusal(*sets)


def test_defaults_alone_name_what_is_missing() -> None:
    assert "settings.CLICKSTREAM_OBJECT_STORE_URL" in refusal(values="")
