"""A small Kubernetes API server for tests of the run launcher: takes Jobs, makes their pods, and lets them end.

Belongs here: the calls of dagster-k8s and answers in the form of the real server, refusals included; tests say what
becomes of a pod. Does not: running anything. The real thing is tested by `make test-kubernetes`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]
NAMESPACE = "runs"
STARTED, ENDED = "2026-11-22T10:00:00Z", "2026-11-22T10:01:00Z"
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?")
_JOBS = re.compile(rf"/apis/batch/v1/namespaces/{NAMESPACE}/jobs(?:/([^/]+))?(/status)?")
_PODS = re.compile(rf"/api/v1/namespaces/{NAMESPACE}/pods(?:/([^/]+))?(/log)?")
_EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"


@dataclass
class Cluster:
    """Jobs and pods by name, as a test sees and ends them."""

    jobs: dict[str, Object] = field(default_factory=dict)
    pods: dict[str, Object] = field(default_factory=dict)
    posted: list[Object] = field(default_factory=list)
    events: list[Object] = field(default_factory=list)

    def create(self, job: Object) -> tuple[int, Object]:
        """Take a Job and start its pod, or refuse it as the real server does."""
        self.posted.append(job)
        name = job["metadata"]["name"]
        if name in self.jobs:
            return 409, _status(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
        if faults := list(_faults(job)):
            return 422, _status(422, "Invalid", f'Job.batch "{name}" is invalid: {"; ".join(faults)}')
        self.jobs[name] = {**job, "status": {"active": 1, "startTime": STARTED}}
        template, pod = job["spec"]["template"], f"{name}-x7k2p"
        labels = {**template["metadata"].get("labels", {}), "job-name": name}
        self.pods[pod] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod, "namespace": NAMESPACE, "labels": labels},
            "spec": template["spec"],
            "status": {"phase": "Running", "containerStatuses": [_container({"running": {"startedAt": STARTED}})]},
        }
        return 201, self.jobs[name]

    def end(self, run_id: str, exit_code: int, reason: str, message: str | None = None) -> None:
        """End a run's pod; `message` is the pod's own, as the kubelet writes it when it evicts."""
        terminated = {"exitCode": exit_code, "reason": reason, "startedAt": STARTED, "finishedAt": ENDED}
        pod = self.pods[f"dagster-run-{run_id}-x7k2p"]
        pod["status"] = {"phase": "Failed" if exit_code else "Succeeded", "message": message}
        pod["status"]["containerStatuses"] = [_container({"terminated": terminated})]
        self._finish(run_id, is_failed=exit_code != 0)

    def warn(self, run_id: str, reason: str, message: str) -> None:
        """Record an event of a run's pod, as the kubelet does before it evicts."""
        pod = {"kind": "Pod", "namespace": NAMESPACE, "name": f"dagster-run-{run_id}-x7k2p"}
        metadata = {"name": f"{pod['name']}.{len(self.events)}", "namespace": NAMESPACE}
        event = {"type": "Warning", "reason": reason, "message": message}
        self.events.append({"metadata": metadata, "involvedObject": pod, **event})

    def lose(self, run_id: str) -> None:
        """Take a run's pod away, as when its node is gone."""
        del self.pods[f"dagster-run-{run_id}-x7k2p"]
        self._finish(run_id, is_failed=True)

    def _finish(self, run_id: str, *, is_failed: bool) -> None:
        outcome = {"failed": 1} if is_failed else {"succeeded": 1}
        self.jobs[f"dagster-run-{run_id}"]["status"] = {"startTime": STARTED, **outcome}

    def answer(self, method: str, url: str, body: Object | None) -> tuple[int, Any]:
        """Answer one request."""
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if found := _JOBS.fullmatch(parts.path):
            if method == "POST" and body is not None:
                return self.create(body)
            return _answer(method, "Job", self.jobs, found.group(1), query)
        if found := _PODS.fullmatch(parts.path):
            return (200, "") if found.group(2) else _answer(method, "Pod", self.pods, found.group(1), query)
        if parts.path == _EVENTS:
            name = query.get("fieldSelector", "").removeprefix("involvedObject.name=")
            found_events = [each for each in self.events if each["involvedObject"]["name"] == name]
            return 200, {"kind": "EventList", "items": found_events}
        return 404, _status(404, "NotFound", "the server could not find the requested resource")


def _answer(
    method: str, kind: str, objects: dict[str, Object], name: str | None, query: dict[str, str]
) -> tuple[int, Object]:
    if name is None:
        return 200, {"kind": f"{kind}List", "items": [each for each in objects.values() if _is_selected(each, query)]}
    if name not in objects:
        return 404, _status(404, "NotFound", f'{kind.lower()}s "{name}" not found')
    return 200, objects.pop(name) if method == "DELETE" else objects[name]


def _is_selected(each: Object, query: dict[str, str]) -> bool:
    labels = [pair.partition("=") for pair in query.get("labelSelector", "").split(",") if pair]
    name = query.get("fieldSelector", "").removeprefix("metadata.name=")
    metadata = each["metadata"]
    return name in ("", metadata["name"]) and all(metadata["labels"].get(key) == value for key, _, value in labels)


def _faults(job: Object) -> Iterator[str]:
    """Yield what the real server refuses and our tags could get wrong."""
    spec = job["spec"]["template"]["spec"]
    for where in (job["metadata"], job["spec"]["template"]["metadata"]):
        for key, value in where.get("labels", {}).items():
            if not _LABEL.fullmatch(value):
                yield f"metadata.labels: Invalid value: {value!r} of {key}"
    for container in spec["containers"]:
        for kind, amounts in container.get("resources", {}).items():
            for resource, amount in amounts.items():
                if not _QUANTITY.fullmatch(amount):
                    yield f"spec.template.spec.containers[0].resources.{kind}.{resource}: Invalid value: {amount!r}"
    for toleration in spec.get("tolerations", []):
        if toleration["operator"] == "Exists" and "value" in toleration:
            yield "spec.template.spec.tolerations[0].operator: value must be empty when `operator` is 'Exists'"


def _container(state: Object) -> Object:
    return {
        "name": "dagster",
        "image": "app:1",
        "imageID": "",
        "ready": "running" in state,
        "restartCount": 0,
        "state": state,
    }


def _status(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


@contextmanager
def kubernetes_api(folder: Path) -> Iterator[tuple[Cluster, Path]]:
    """Serve a cluster and write a kubeconfig for it; yield both."""
    cluster = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            code, answer = cluster.answer(self.command, self.path, body)
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 (the names that the base class looks for)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    place = {"name": "tests", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "clusters": [place],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
        "users": [{"name": "tests", "user": {}}],
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps(config))
    try:
        yield cluster, file
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
