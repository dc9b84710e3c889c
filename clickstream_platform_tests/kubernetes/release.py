"""The platform as it is installed on the cluster: asking what it did.

Belongs here: one release, its registry, its runs and their pods. Does not: installing it
(`installing`), what is expected of it.
"""

from __future__ import annotations

import subprocess
import tempfile
import urllib.error
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import orjson

from clickstream_platform.ingest.ingest import IngestOptions, ingest
from clickstream_platform.ingest.sources import Source
from clickstream_platform.model.hours import Hour
from clickstream_platform_tests.deploy.helm.charts import helm_binary
from clickstream_platform_tests.e2e.stack import Stack, wait_until
from clickstream_platform_tests.kubernetes.backing import Backing
from clickstream_platform_tests.kubernetes.cluster import Cluster, Object, through_proxy

RUN_PODS = "clickstream/role=runs"
MAX_RUNS = 3
MIN_MEMORY_MB = 384
TTL_SECONDS = 120


class ProxiedStack(Stack):
    """Dagster behind the API server's proxy, and the registry."""

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask Dagster's GraphQL API."""
        return through_proxy(lambda: super(ProxiedStack, self).ask(query, **variables), urllib.error.URLError)


@dataclass(frozen=True)
class Release:
    """The installed platform; `dagster` asks its webserver and its registry."""

    cluster: Cluster
    backing: Backing
    dagster: Stack
    write_key: str
    installed_seconds: float

    def add_customer(self, name: str) -> str:
        """Add a customer through the registry's API and return its slug."""
        # After an upgrade the forwarded port leads to the pod that went until somebody asks it.
        through_proxy(lambda: httpx.get(f"{self.dagster.registry_url}/healthz", trust_env=False), httpx.HTTPError)
        return str(self.dagster.call("POST", "/customers", {"name": name, "destination": "redshift"})["slug"])

    def wait_for_assets(self, *customers: str, seconds: float = 180) -> float:
        """Wait until Dagster has assets of customers; return how long that took."""
        wanted = {(customer, "event_tables") for customer in customers}
        return wait_until(lambda: wanted <= self.dagster.assets(), seconds, lambda: f"{self.dagster.assets()}")

    def ingest(self, customer: str, events: Sequence[str], hour: Hour, count: int, **properties: Any) -> None:
        """Write so many records of each event as raw objects of an hour that has closed by time, all at one moment."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "records.ndjson"
            with path.open("wb") as lines:
                for event, number in product(events, range(count)):
                    lines.write(orjson.dumps(record(event, hour, number, properties)) + b"\n")
            ingest(self.backing.objects, Source.of_file(path), IngestOptions(customer, hour))

    def runs(self, customer: str, hour: Hour | None = None) -> list[dict[str, Any]]:
        """Return a customer's runs of an hour, oldest first, with their tags as a dictionary."""
        found = [{**run, "tags": tags_of(run)} for run in reversed(self.dagster.runs())]
        wanted = {"clickstream/customer": customer} | ({"clickstream/hour": str(hour)} if hour else {})
        return [run for run in found if wanted.items() <= run["tags"].items()]

    def wait_for_rows(self, customer: str, hour: Hour, seconds: float) -> list[dict[str, Any]]:
        """Wait until a run of a customer-hour has succeeded; return all its runs."""

        def has_succeeded() -> bool:
            return any(run["status"] == "SUCCESS" for run in self.runs(customer, hour))

        wait_until(has_succeeded, seconds, lambda: f"{self.runs(customer, hour)}\n{self.explain()}")
        return self.runs(customer, hour)

    def run_pods(self) -> list[Object]:
        """Return the pods of runs, also those that have ended."""
        return self.cluster.pods(RUN_PODS)

    def service_pods(self) -> list[Object]:
        """Return all other pods but those of helm's hooks."""
        return self.cluster.pods("clickstream/role notin (runs,test,registry-migrate,dagster-migrate)")

    def explain(self) -> str:
        """Return what people would look at first."""
        pods = self.cluster.try_kubectl("get", "pods", "--output", "wide").stdout
        events = self.cluster.try_kubectl("get", "events", "--sort-by", ".lastTimestamp").stdout[-3000:]
        return f"{pods}\n{events}"


def record(event: str, hour: Hour, number: int, properties: dict[str, Any]) -> dict[str, Any]:
    """Return one record; its id says which it is."""
    return {
        "type": "track",
        "event": event,
        "messageId": f"{event}-{hour}-{number}",
        "receivedAt": f"{hour}:10:00Z",
        "userId": f"u-{number % 100}",
        "properties": {"total": number, **properties},
    }


def tags_of(run: dict[str, Any]) -> dict[str, str]:
    """Return the tags of a run as GraphQL gives them."""
    return {tag["key"]: tag["value"] for tag in run["tags"]}


def helm_words(cluster: Cluster, *arguments: str) -> list[str]:
    """Return the command line of helm for the namespace."""
    return [helm_binary(), "--namespace", cluster.namespace, *arguments]


def helm_command(cluster: Cluster, *arguments: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
    """Run helm in the namespace and return what it said."""
    words = helm_words(cluster, *arguments)
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=seconds)
