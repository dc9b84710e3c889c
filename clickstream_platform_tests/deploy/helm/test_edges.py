"""What the outside reaches and gives: paths and addresses, images by digest, secrets, texts that would break YAML."""

from __future__ import annotations

import pytest

from clickstream_platform.collector.app import TRACKING_PATHS
from clickstream_platform_tests.deploy.helm.charts import (
    VALUES,
    Manifest,
    named,
    of_kind,
    pods,
    refusal,
    render,
    run_context,
)

INGRESS = ("collector.ingress.enabled=true", "collector.ingress.host=collect.example.com")
DIGEST = "sha256:" + "ab" * 32
DIGESTS = (
    f"image.digest={DIGEST}",
    *(
        f"dagster.{part}.image.{name}"
        for part in ("dagsterWebserver", "dagsterDaemon")
        for name in ("repository=clickstream-platform@sha256", f"tag={'ab' * 32}")
    ),
)


def paths(ingress: Manifest) -> list[str]:
    """Return the path prefixes that an Ingress lets in."""
    return [path["path"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]


def is_let_in(path: str, prefixes: list[str]) -> bool:
    """Whether a path is below a prefix, as Kubernetes judges it: by whole elements."""
    return any(path == each or path.startswith(each.rstrip("/") + "/") for each in prefixes)


def test_the_internet_reaches_what_sdks_ask_and_no_metrics() -> None:
    prefixes = paths(named(render(sets=INGRESS), "Ingress", "collector"))
    for path in (*TRACKING_PATHS, "/v1/m", "/sourceConfig", "/v1/projects/key/settings"):
        assert is_let_in(path, prefixes), path
    for path in ("/metrics", "/healthz", "/readyz"):
        assert not is_let_in(path, prefixes), path


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (INGRESS, "http://collect.example.com"),
        ((*INGRESS, "collector.ingress.tlsSecretName=tls"), "https://collect.example.com"),
        # TLS ends before the Ingress: only the person knows.
        (
            (*INGRESS, "settings.CLICKSTREAM_COLLECTOR_PUBLIC_URL=https://collect.example.com"),
            "https://collect.example.com",
        ),
    ],
)
def test_the_registry_shows_the_address_that_sdks_send_to(sets: tuple[str, ...], expected: str) -> None:
    settings = named(render(sets=sets), "ConfigMap", "clickstream-settings")["data"]
    assert settings["CLICKSTREAM_REGISTRY_COLLECTOR_URL"] == expected


def test_an_image_by_digest_is_everybodys() -> None:
    images = {c["image"] for spec in pods(render(sets=DIGESTS)).values() for c in spec["containers"]}
    assert images == {f"clickstream-platform@{DIGEST}"}


@pytest.mark.parametrize("part", ["dagsterWebserver", "dagsterDaemon"])
def test_an_image_by_digest_is_not_mixed_with_tags(part: str) -> None:
    left = tuple(each for each in DIGESTS if part not in each)
    assert f"dagster.{part}.image: it must be the platform's" in refusal(*left)


@pytest.mark.parametrize("text", ["it's", 'a "quoted" word', "back\\slash", "<&>", "ünïcode"])
def test_values_reach_run_pods_as_they_were_written(text: str) -> None:
    escaped = text.replace("\\", "\\\\")
    context = run_context(render(sets=(f"runs.annotations.note={escaped}",)))
    assert context["k8s"]["run_k8s_config"]["pod_template_spec_metadata"]["annotations"] == {"note": text}


def test_a_quota_without_priority_classes_is_refused() -> None:
    assert "runs.quota" in refusal("runs.quota.pods=10")


@pytest.mark.parametrize("part", ["collector", "batcher", "registry", "exporter", "codeServer"])
def test_a_password_in_a_further_variable_is_refused(part: str) -> None:
    given = (
        f"{part}.extraEnv[0].name=CLICKSTREAM_REGISTRY_URL",
        f"{part}.extraEnv[0].value=postgresql://me:secret@db/x",
    )
    assert f"{part}.extraEnv: a URL with a password is a secret" in refusal(*given)


def test_load_balancers_of_aws_reach_pods_in_production() -> None:
    for ingress in of_kind(render(VALUES[1]), "Ingress"):
        annotations = ingress["metadata"]["annotations"]
        # The default, `instance`, wants Services with a port on every node.
        assert annotations["alb.ingress.kubernetes.io/target-type"] == "ip"
        assert annotations["alb.ingress.kubernetes.io/healthcheck-path"] == "/readyz"
        assert "HTTPS" in annotations["alb.ingress.kubernetes.io/listen-ports"]


def test_what_is_made_later_keeps_nobody_from_starting() -> None:
    # The canary's key is made in the registry, once that runs; alerts must go out before.
    (exporter, canary) = pods(render(VALUES[1]))["Deployment/exporter"]["containers"]
    for container in (exporter, canary):
        (key,) = [each for each in container["env"] if each["name"] == "CANARY_WRITE_KEY"]
        assert key["valueFrom"]["secretKeyRef"]["optional"] is True


def test_the_autoscaler_leaves_runs_alone_in_production() -> None:
    annotations = run_context(render(VALUES[1]))["k8s"]["run_k8s_config"]["pod_template_spec_metadata"]["annotations"]
    assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ((), "platform-dagster-instance"),
        (("global.nameOverride=orchestra",), "platform-orchestra-instance"),
        (("global.fullnameOverride=one",), "one-instance"),
    ],
)
def test_the_instance_has_the_dagster_charts_name(sets: tuple[str, ...], expected: str) -> None:
    manifests = render(sets=sets)
    named(manifests, "ConfigMap", expected)
    volumes = pods(manifests)["Deployment/code-server"]["volumes"]
    assert expected in [volume["configMap"]["name"] for volume in volumes if "configMap" in volume]
