"""A Kubernetes cluster that KUBECONFIG names, through kubectl.

Belongs here: asking and changing its objects, reaching its services, what its containers take. Does not: the platform.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import pytest
from kubernetes.utils.quantity import parse_quantity  # type: ignore[import-untyped, unused-ignore]

from clickstream_platform_tests.servers import free_port, stop_server

Object = dict[str, Any]
Answer = TypeVar("Answer")
QUICK_SECONDS = 120
PROXY_TRIES = 4
MIB = 2**20
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True)
class Cluster:
    """A namespace of a cluster; `api` is an address that answers as the API server does, without a login."""

    namespace: str
    api: str

    def kubectl(self, *arguments: str, text: str = "", seconds: float = QUICK_SECONDS) -> str:
        """Run kubectl in the namespace and return what it printed; fail with what it said when it fails."""
        done = self.try_kubectl(*arguments, text=text, seconds=seconds)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def try_kubectl(
        self, *arguments: str, text: str = "", seconds: float = QUICK_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl in the namespace, whatever becomes of it."""
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        return subprocess.run(command, input=text, check=False, capture_output=True, text=True, timeout=seconds)

    def apply(self, *objects: Object) -> None:
        """Make objects, or change them to what is given."""
        given = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("apply", "--filename", "-", text=json.dumps(given))

    def get(self, path: str, **parameters: str) -> Object:
        """Ask the API server for a path."""

        def ask() -> Object:
            answer = httpx.get(f"{self.api}{path}", params=parameters, timeout=30, trust_env=False)
            answer.raise_for_status()
            return dict(answer.json())

        return through_proxy(ask, httpx.HTTPError)

    def pods(self, selector: str = "") -> list[Object]:
        """Return the pods of the namespace with some labels."""
        found = self.get(f"/api/v1/namespaces/{self.namespace}/pods", labelSelector=selector)
        return list(found["items"])

    def jobs(self, selector: str = "") -> list[Object]:
        """Return the Jobs of the namespace with some labels."""
        found = self.get(f"/apis/batch/v1/namespaces/{self.namespace}/jobs", labelSelector=selector)
        return list(found["items"])

    def service_url(self, service: str, port: str = "http") -> str:
        """Return where a service answers, without a login: the API server passes requests on but no Authorization."""
        return f"{self.api}/api/v1/namespaces/{self.namespace}/services/{service}:{port}/proxy"

    def memory_mb(self) -> dict[str, float]:
        """Return the memory that each container of the namespace works with, as its kubelet counts it, in MB."""
        found = {}
        for node in self.get("/api/v1/nodes")["items"]:
            summary = self.get(f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary")
            for pod in summary["pods"]:
                if pod["podRef"]["namespace"] == self.namespace:
                    for container in pod["containers"]:
                        name = f"{pod['podRef']['name']}/{container['name']}"
                        found[name] = container["memory"].get("workingSetBytes", 0) / 1e6
        return found

    @contextmanager
    def forwarded(self, service: str, port: int) -> Iterator[str]:
        """Yield an address of this machine that leads to a service, started again whenever kubectl gives up."""
        local, is_over = free_port(), threading.Event()
        running: list[subprocess.Popen[bytes]] = []

        def keep() -> None:
            while not is_over.is_set():
                command = ["kubectl", "--namespace", self.namespace, "port-forward", f"service/{service}"]
                process = subprocess.Popen(
                    [*command, f"{local}:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                running[:] = [process]
                process.wait()
                is_over.wait(1)

        thread = threading.Thread(target=keep)
        thread.start()
        try:
            yield f"http://127.0.0.1:{local}"
        finally:
            is_over.set()
            for process in running:
                process.terminate()
            thread.join()


def through_proxy(ask: Callable[[], Answer], *errors: type[Exception]) -> Answer:
    """Ask what changes nothing, and again when it fails: `kubectl proxy` answers 500 whenever a connection breaks."""
    for _ in range(PROXY_TRIES - 1):
        with suppress(*errors):
            return ask()
        time.sleep(1)
    return ask()


@contextmanager
def given_cluster(namespace: str) -> Iterator[Cluster]:
    """Yield the cluster of KUBECONFIG with a new namespace, deleted afterwards; skip where there is no cluster."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    proxy = subprocess.Popen(
        ["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    )
    try:
        assert proxy.stdout is not None
        told = re.search(r"127\.0\.0\.1:\d+", proxy.stdout.readline().decode())
        assert told, "kubectl proxy does not start"
        cluster = Cluster(namespace, f"http://{told[0]}")
        cluster.kubectl("get", "nodes")
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": RESTRICTED}})
        try:
            yield cluster
        finally:
            if not os.environ.get("CLICKSTREAM_TEST_KEEP"):
                cluster.try_kubectl("delete", "namespace", namespace, "--wait=false")
    finally:
        stop_server(proxy)
        if proxy.stdout is not None:
            proxy.stdout.close()


def limit_of(pod: Object, resource: str) -> int:
    """Return a limit of a pod's only container, in MiB."""
    limit = pod["spec"]["containers"][0]["resources"]["limits"][resource]
    return int(parse_quantity(limit) // MIB)


def restarts(pods: list[Object]) -> Mapping[str, int]:
    """Return the pods by name with how often their containers were started again."""
    return {
        pod["metadata"]["name"]: sum(each["restartCount"] for each in pod["status"].get("containerStatuses", []))
        for pod in pods
    }
