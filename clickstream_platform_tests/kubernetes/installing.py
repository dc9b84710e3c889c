"""Installing the platform on the cluster: the chart's values for it, the first steps, and taking it away.

Belongs here: what docs/deploy.md tells a person to do. Does not: asking the installed platform (`release`).
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from clickstream_platform_tests.deploy.helm.charts import RELEASE, chart_folder
from clickstream_platform_tests.e2e.stack import wait_until
from clickstream_platform_tests.kubernetes.backing import PASSWORD, Backing
from clickstream_platform_tests.kubernetes.cluster import Cluster, Object
from clickstream_platform_tests.kubernetes.release import (
    MAX_RUNS,
    MIN_MEMORY_MB,
    TTL_SECONDS,
    ProxiedStack,
    Release,
    helm_command,
    helm_words,
)
from clickstream_platform_tests.servers import CREDENTIALS

IMAGE = "CLICKSTREAM_TEST_IMAGE"
LOGS = "CLICKSTREAM_TEST_LOGS"
INSTALL_SECONDS = 900
SECRET_ROLES = ["collector", "batcher", "registry", "exporter", "code_server", "runs"]
# Two cores have to do for everything. Services ask for what keeps their probes answered while runs take the rest.
CPU = {"collector": "50m", "batcher": "50m", "registry": "50m", "exporter": "50m", "codeServer": "200m"}


def image_parts() -> tuple[str, str]:
    """Return repository and tag of the image to install; skip where none is named."""
    image = os.environ.get(IMAGE, "")
    repository, _, tag = image.rpartition(":")
    if not repository:
        pytest.skip(f"{IMAGE} names no image with its tag, such as clickstream-platform:test, that the cluster has")
    return repository, tag


def values(backing: Backing) -> dict[str, Any]:
    """Return the chart's values for the servers of the tests, beside those of values-minimal.yaml."""
    repository, tag = image_parts()
    image = {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}
    env: dict[str, Any] = {name: {"key": name, "roles": SECRET_ROLES} for name in CREDENTIALS if "AWS" in name}
    env[PASSWORD] = {"key": PASSWORD, "roles": ["registry", "exporter", "code_server", "runs"]}
    services: dict[str, Any] = {name: {"resources": {"requests": {"cpu": cpu}}} for name, cpu in CPU.items()}
    return {
        **services,
        "image": image,
        "pods": {"authoritiesConfigMap": "authorities"},
        "secrets": {"env": env},
        "settings": {
            "CLICKSTREAM_OBJECT_STORE_URL": f"s3://{backing.bucket}/lake",
            "CLICKSTREAM_S3_ENDPOINT_URL": backing.for_pods(backing.s3_endpoint),
            "CLICKSTREAM_S3_REGION": CREDENTIALS["AWS_DEFAULT_REGION"],
            "CLICKSTREAM_KINESIS_STREAM": backing.kinesis_stream,
            "CLICKSTREAM_KINESIS_ENDPOINT_URL": backing.for_pods(backing.kinesis_endpoint),
            "CLICKSTREAM_KINESIS_REGION": CREDENTIALS["AWS_DEFAULT_REGION"],
            "CLICKSTREAM_BATCHER_BATCH_SECONDS": 5,
            "CLICKSTREAM_SENSOR_INTERVAL_SECONDS": 10,
            "CLICKSTREAM_POD_MIN_MEMORY_MB": MIN_MEMORY_MB,
            "CLICKSTREAM_POD_MAX_MEMORY_MB": 4 * MIN_MEMORY_MB,
            "CLICKSTREAM_POD_MAX_CPU_MILLIS": 1000,
        },
        "runs": {"ttlSecondsAfterFinished": TTL_SECONDS},
        "dagster": {
            "postgresql": {"postgresqlHost": backing.address, "service": {"port": backing.postgres_port}},
            "dagsterWebserver": {"image": image, "resources": {"requests": {"cpu": "100m"}}},
            "dagsterDaemon": {"image": image, "resources": {"requests": {"cpu": "300m"}}},
            "additionalInstanceConfig": {
                "concurrency": {"runs": {"max_concurrent_runs": MAX_RUNS}},
                "run_monitoring": {"poll_interval_seconds": 10},
            },
        },
    }


def prepare(cluster: Cluster, backing: Backing) -> None:
    """Make the Secrets and the ConfigMap that the release takes as given."""
    url = f"postgresql+psycopg2://clickstream:{backing.postgres_password}@{backing.address}:{backing.postgres_port}"
    aws = {name: value for name, value in CREDENTIALS.items() if "AWS" in name}
    password = {"postgresql-password": backing.postgres_password}
    cluster.apply(
        _secret("clickstream", {"registry-url": f"{url}/clickstream", PASSWORD: backing.stand_in.password, **aws}),
        _secret("clickstream-dagster-postgresql", password),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "authorities"},
            "data": {"ca.pem": backing.stand_in.ca_file.read_text(encoding="utf-8")},
        },
    )


def _secret(name: str, content: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}


@contextmanager
def installed(cluster: Cluster, backing: Backing, folder: Path) -> Iterator[Release]:
    """Install the release as docs/deploy.md says and wait until all of it is ready; take it away afterwards."""
    prepare(cluster, backing)
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values(backing)), encoding="utf-8")
    chart = chart_folder()
    command = ["install", RELEASE, str(chart), "--values", str(chart / "values-minimal.yaml"), "--values", str(file)]
    started = time.monotonic()
    with (folder / "helm.log").open("w+") as log:
        words = helm_words(cluster, *command, "--wait", "--timeout", f"{INSTALL_SECONDS}s")
        helm = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            write_key, token = _first_steps(cluster, backing, helm, folder / "helm.log")
            assert helm.wait(INSTALL_SECONDS) == 0, (folder / "helm.log").read_text() + Release.explain(
                Release(cluster, backing, ProxiedStack(folder, "", ""), "", 0)
            )
        finally:
            helm.kill()
            helm.wait()
    seconds = time.monotonic() - started
    (folder / "registry").mkdir()
    (folder / "registry" / "admin-token").write_text(token, encoding="utf-8")
    with cluster.forwarded("registry", 8400) as registry_url:
        stack = ProxiedStack(folder, cluster.service_url(f"{RELEASE}-dagster-webserver"), registry_url)
        wait_until(lambda: _answers(f"{registry_url}/healthz"), 60, lambda: "the registry can't be reached")
        try:
            yield Release(cluster, backing, stack, write_key, seconds)
        finally:
            if os.environ.get(LOGS):
                _keep_logs(cluster, Path(os.environ[LOGS]))
            if not os.environ.get("CLICKSTREAM_TEST_KEEP"):
                helm_command(cluster, "uninstall", RELEASE)


def _keep_logs(cluster: Cluster, folder: Path) -> None:
    """Write what each container of the namespace printed, and what happened there."""
    folder.mkdir(parents=True, exist_ok=True)
    for pod in cluster.pods():
        name = pod["metadata"]["name"]
        (folder / f"{name}.log").write_text(cluster.try_kubectl("logs", name, "--all-containers").stdout)
    (folder / "events").write_text(cluster.try_kubectl("get", "events", "--sort-by", ".lastTimestamp").stdout)


def _first_steps(cluster: Cluster, backing: Backing, helm: subprocess.Popen[Any], log: Path) -> tuple[str, str]:
    """Do what nothing gets ready without: a token, a destination, a customer, a write key; return key and token."""
    token = _once_possible(
        lambda: cluster.try_kubectl(
            *("exec", "deployment/registry", "--container", "wait-for-token", "--"),
            *("clickstream", "registry", "tokens", "add", "--scope", "admin", "--quiet", "me"),
        ),
        helm,
        log,
    )
    cluster.kubectl(
        "rollout", "status", "deployment/registry", f"--timeout={INSTALL_SECONDS}s", seconds=INSTALL_SECONDS
    )
    inside = ("exec", "deployment/registry", "--container", "registry", "--", "clickstream", "registry")
    settings = [f"--setting={name}={value}" for name, value in backing.destination_settings.items()]
    secret = f"--secret-reference=env:{PASSWORD}"
    cluster.kubectl(*inside, "destinations", "add", "redshift", "--kind", "redshift", secret, *settings)
    cluster.kubectl(*inside, "customers", "add", "Acme", "--destination", "redshift")
    return cluster.kubectl(*inside, "write-keys", "add", "acme", "web", "--quiet").strip(), token


def _once_possible(
    attempt: Callable[[], subprocess.CompletedProcess[str]], helm: subprocess.Popen[Any], log: Path
) -> str:
    """Try something until it works, as long as helm has not given up; return what it printed."""
    deadline = time.monotonic() + INSTALL_SECONDS
    while True:
        done = attempt()
        if done.returncode == 0:
            return done.stdout.strip()
        assert helm.poll() is None, log.read_text()
        assert time.monotonic() < deadline, done.stderr
        time.sleep(2)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False
