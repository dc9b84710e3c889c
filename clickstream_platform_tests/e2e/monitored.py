"""The whole platform with a real Prometheus that scrapes it by the shipped configuration.

Belongs here: starting the processes, sending them something to count. Does not: what is asked of Prometheus.
"""

from __future__ import annotations

import json
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from clickstream_platform.cli.dev_tokens import prepare_tokens
from clickstream_platform_tests.collector.running import track
from clickstream_platform_tests.e2e.stack import COMMAND, Stack, running_process, running_stack, wait_until
from clickstream_platform_tests.e2e.test_following_the_registry import closed_hour
from clickstream_platform_tests.kinesis_server import create_kinesis_stream
from clickstream_platform_tests.servers import CREDENTIALS, free_port
from clickstream_platform_tests.shared_data import REPOSITORY

CONFIGURATION = REPOSITORY / "deploy" / "prometheus" / "prometheus.yml"
CUSTOMER, PAUSED, CANARY = "acme", "Newsletter Opened", "canary"
HOURS, EVENTS_PER_HOUR = 2, 400
RECORDS = HOURS * EVENTS_PER_HOUR
"""Records of the hours that are loaded, whatever becomes of them."""


@dataclass(frozen=True)
class Monitored:
    """A platform and the Prometheus that watches it."""

    stack: Stack
    prometheus: str
    collector: str
    write_key: str

    def ask(self, path: str, **parameters: str) -> Any:
        """Ask Prometheus's API; fail with what it says when it refuses."""
        url = f"{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            pytest.fail(f"{parameters}: {error.read().decode()}")

    def query(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Return the newest values of an expression."""
        found = self.ask("query", query=expr)
        assert found["resultType"] == "vector", expr
        return [(each["metric"], float(each["value"][1])) for each in found["result"]]

    def send(self, records: int = 5) -> None:
        """Send records to the collector, some that it takes, one that it rejects, and a request without a good key."""
        batch = [*(track() for _ in range(records)), {"type": "track", "userId": "u", "event": ""}]
        url = f"{self.collector}/v1/batch"
        for key, status in ((self.write_key, 200), ("nobody", 401)):
            answer = httpx.post(url, json={"batch": batch}, auth=(key, ""), trust_env=False)
            assert answer.status_code == status, answer.text


@contextmanager
def monitored_platform(home: Path, kinesis_endpoint: str) -> Iterator[Monitored]:
    """Start everything, load some hours through the daemon, and leave one event paused with records that wait."""
    with ExitStack() as stack:
        platform = stack.enter_context(running_stack(home, with_demo=False))
        platform.call("POST", "/customers", {"name": CUSTOMER})
        key = platform.call("POST", f"/customers/{CUSTOMER}/write-keys", {"name": "web"})
        ports = {name: str(free_port()) for name in ("exporter", "collector", "batcher", "prometheus")}
        environment = _environment(platform, kinesis_endpoint)
        for name in ("exporter", "collector", "batcher"):
            command = [str(COMMAND), name, "--port", ports[name]]
            # A collector's token for the API would need a scope of its own; this one asks the database.
            own = {} if name == "collector" else _registry(platform)
            stack.enter_context(running_process(command, environment | own, home / f"{name}.log"))
        _start_prometheus(stack, platform, ports)
        monitored = Monitored(
            platform, f"http://127.0.0.1:{ports['prometheus']}", f"http://127.0.0.1:{ports['collector']}", key["secret"]
        )
        wait_until(lambda: _are_up(monitored), 120, lambda: str(monitored.ask("targets")["activeTargets"]))
        _load(platform)
        _beat(stack, platform, environment)
        yield monitored


def _registry(platform: Stack) -> dict[str, str]:
    tokens = prepare_tokens(f"sqlite:///{platform.home}/registry.db", platform.home / "registry")
    return {
        "CLICKSTREAM_REGISTRY_API_URL": platform.registry_url,
        "CLICKSTREAM_REGISTRY_TOKEN_REFERENCE": f"file:{tokens.loader}",
    }


def _environment(platform: Stack, kinesis_endpoint: str) -> dict[str, str]:
    return {
        **CREDENTIALS,
        "CLICKSTREAM_HOME": str(platform.home),
        "CLICKSTREAM_DAGSTER_WEBSERVER_URL": platform.url,
        "CLICKSTREAM_KINESIS_ENDPOINT_URL": kinesis_endpoint,
        "CLICKSTREAM_KINESIS_REGION": "us-east-1",
        "CLICKSTREAM_KINESIS_STREAM": create_kinesis_stream(kinesis_endpoint),
        "CLICKSTREAM_BATCHER_BATCH_SECONDS": "2",
    }


def _start_prometheus(stack: ExitStack, platform: Stack, ports: dict[str, str]) -> None:
    """Start Prometheus on the shipped configuration with this test's addresses, asking every second."""
    document = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    document["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    document["rule_files"] = [str((CONFIGURATION.parent / name).resolve()) for name in document["rule_files"]]
    ports = ports | {"registry": platform.registry_url.rpartition(":")[2]}
    for job in document["scrape_configs"]:
        port = ports[job["job_name"].removeprefix("clickstream-")]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
        if "authorization" in job:
            job["authorization"] = {"credentials_file": str(platform.home / "registry" / "loader-token")}
    path = platform.home / "prometheus.yml"
    path.write_text(yaml.safe_dump(document))
    command = [
        "prometheus",
        f"--config.file={path}",
        f"--storage.tsdb.path={platform.home / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
    ]
    stack.enter_context(running_process(command, {}, platform.home / "prometheus.log"))


def _are_up(monitored: Monitored) -> bool:
    try:
        up = monitored.query("up")
    except OSError:
        return False
    return len(up) == 4 and all(value == 1 for _, value in up)


def _load(platform: Stack) -> None:
    """Ingest two hours with duplicates, damage and conflicts, and records of a paused event; wait for the runs."""
    hour = closed_hour(3)
    file = platform.home / "events.ndjson"
    options = ["--duplicates", "0.05", "--malformed", "0.02", "--conflicts", "0.05", "--seed", "7"]
    size = ["--hour", str(hour), "--hours", str(HOURS), "--events", str(EVENTS_PER_HOUR), "--streams", "5"]
    platform.run("generate", "--out", str(file), "--customer", CUSTOMER, *size, *options)
    event = platform.call("POST", f"/customers/{CUSTOMER}/events", {"name": PAUSED})
    platform.call("POST", f"/customers/{CUSTOMER}/events/{event['slug']}/pause")
    record = {"type": "track", "event": PAUSED, "messageId": "n1", "receivedAt": f"{hour}:10:00Z"}
    with file.open("a") as lines:
        lines.write(json.dumps(record) + "\n")
    platform.run("ingest", str(file), "--customer", CUSTOMER)
    platform.wait_for_runs(2, 300)


def _beat(stack: ExitStack, platform: Stack, environment: dict[str, str]) -> None:
    """Let the canary send an event to a collector of its own, whose hours are over at once, until it sees the row."""
    platform.call("POST", "/customers", {"name": CANARY})
    key = platform.home / "canary-key"
    key.write_text(platform.call("POST", f"/customers/{CANARY}/write-keys", {"name": "canary"})["secret"])
    port = str(free_port())
    command = [sys.executable, "-m", "clickstream_platform_tests.e2e.past_collector", port]
    own = {"CLICKSTREAM_COLLECTOR_SPOOL_DIR": str(platform.home / "canary-spool")}
    stack.enter_context(running_process(command, environment | own, platform.home / "canary.log"))
    options = ["--customer", CANARY, "--write-key", f"file:{key}", "--url", f"http://127.0.0.1:{port}"]

    def beat() -> dict[str, Any]:
        return dict(json.loads(platform.run("canary", *options, "--once", "--json")))

    told: dict[str, Any] = {}
    wait_until(lambda: beat()["sent"] == 1, 60, (platform.home / "canary.log").read_text)

    def is_seen() -> bool:
        # Looked for only after a run, as each look sends an event, whose load is one more run.
        platform.wait_for_runs(HOURS + 1, 120)
        told.update(beat())
        return bool(told["seen"])

    wait_until(is_seen, 180, lambda: f"{told}: {platform.runs()}")


def installed() -> bool:
    """Whether there is a Prometheus to start."""
    return shutil.which("prometheus") is not None
