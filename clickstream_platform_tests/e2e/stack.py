"""Starts the platform as a user does: `clickstream dev` in a folder of its own, after `clickstream demo` if wanted."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickstream_platform_tests.servers import free_port
from clickstream_platform_tests.shared_data import REPOSITORY

COMMAND = Path(sys.executable).with_name("clickstream")
READY_SECONDS = 240


@dataclass(frozen=True)
class Stack:
    """A running stack: where its data is, and where Dagster's web interface and the registry listen.

    `processes` are those that the test started: `clickstream dev`, or the parts one by one.
    """

    home: Path
    url: str
    registry_url: str
    processes: tuple[subprocess.Popen[bytes], ...] = ()

    def run(self, *arguments: str) -> str:
        """Run a command of the platform on this stack's data; return what it printed."""
        return run(self.home, *arguments)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask Dagster's GraphQL API."""
        data = send(f"{self.url}/graphql", {"query": query, "variables": variables})
        assert "errors" not in data, data
        return dict(data["data"])

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call the registry's API as an administrator."""
        token = (self.home / "registry" / "admin-token").read_text().strip()
        return send(f"{self.registry_url}/v1{path}", body, method, {"Authorization": f"Bearer {token}"})

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs, newest first."""
        query = "{ runsOrError { ... on Runs { results { runId status startTime endTime tags { key value } } } } }"
        return list(self.ask(query)["runsOrError"]["results"])

    def wait_for_runs(self, count: int, seconds: float) -> list[dict[str, Any]]:
        """Wait until `count` runs have ended."""
        ended: list[dict[str, Any]] = []

        def have_ended() -> bool:
            ended[:] = [run for run in self.runs() if run["status"] in ("SUCCESS", "FAILURE", "CANCELED")]
            return len(ended) >= count

        wait_until(have_ended, seconds, lambda: f"only {len(ended)} of {count} runs ended: {self.runs()}")
        return ended

    def assets(self) -> set[tuple[str, ...]]:
        """Return the keys of all assets that the web interface shows."""
        nodes = self.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]
        return {tuple(node["assetKey"]["path"]) for node in nodes}

    def partitions(self, customer: str) -> list[str]:
        """Return the events that the web interface shows as partitions of a customer's tables."""
        query = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
            partitionKeysByDimension { name partitionKeys } } } }"""
        node = self.ask(query, key={"path": [customer, "event_tables"]})["assetNodeOrError"]
        found = {each["name"]: each["partitionKeys"] for each in node["partitionKeysByDimension"]}
        return list(found["event"])

    def rows(self, customer: str, event: str) -> dict[str, int]:
        """Return the rows that the ledger has of an event, by hour."""
        rows = json.loads(self.run("loads", "--customer", customer, "--event", event, "--json"))
        return {str(row["hour"])[:13]: row["loaded"] for row in rows}


def send(
    url: str, body: Mapping[str, Any] | None = None, method: str = "POST", headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Send a JSON request and return the answer's body; an error status raises HTTPError."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **(headers or {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
            return dict(json.loads(answer.read() or b"{}"))
    except urllib.error.HTTPError as error:
        error.add_note(error.read(2000).decode(errors="replace"))
        raise


def wait_until(is_done: Callable[[], bool], seconds: float, explain: Callable[[], str]) -> float:
    """Wait until something is so; return how many seconds it took, fail with the explanation when it takes too long."""
    started = time.monotonic()
    while not is_done():
        assert time.monotonic() - started < seconds, explain()
        time.sleep(1)
    return time.monotonic() - started


def run(home: Path, *arguments: str) -> str:
    """Run a command of the platform; fail with its output when it fails."""
    environment = {**os.environ, "CLICKSTREAM_HOME": str(home)}
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def running_stack(home: Path, *, with_demo: bool = True, interval_seconds: int | None = 5) -> Iterator[Stack]:
    """Start `clickstream dev` and stop it at the end; `interval_seconds` is between ticks, None for the default."""
    if with_demo:
        run(home, "demo")
    port, registry_port = free_port(), free_port()
    environment = {"CLICKSTREAM_HOME": str(home)}
    if interval_seconds is not None:
        environment["CLICKSTREAM_SENSOR_INTERVAL_SECONDS"] = str(interval_seconds)
    # Without its exporter, whose port two stacks would share: tests that want one start it themselves.
    command = [str(COMMAND), "dev", "--port", str(port), "--registry-port", str(registry_port), "--no-exporter"]
    with nothing_left(home), running_process(command, environment, home / "dev.log") as process:
        stack = Stack(home, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{registry_port}", (process,))
        wait_for_code_location(stack, process, home / "dev.log")
        yield stack


@contextmanager
def running_process(
    command: list[str], environment: Mapping[str, str], log: Path, ending: signal.Signals = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process and end it, and nothing else, with a signal, also when a test has failed."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            cwd=REPOSITORY,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with ExitStack() as cleanup:
            cleanup.callback(process.wait)
            cleanup.callback(_kill_group, process.pid)
            try:
                yield process
            finally:
                process.send_signal(ending)
                process.wait(60)


@contextmanager
def nothing_left(home: Path) -> Iterator[None]:
    """Kill at the end whatever works on a home's data, of whatever group and parent, also when a test has failed."""
    try:
        yield
    finally:
        while left := processes_of(home):
            for process_id in left:
                with suppress(ProcessLookupError):
                    os.kill(process_id, signal.SIGKILL)
            time.sleep(0.1)


def processes_of(home: Path) -> set[int]:
    """Return the processes that were started for a home, and their children; none where there is no /proc."""
    variable = f"CLICKSTREAM_HOME={home}".encode()
    return {int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if _has(path, variable)}


def _has(environment: Path, variable: bytes) -> bool:
    """Whether a process has a variable; one that has ended has none."""
    try:
        return variable in environment.read_bytes().split(b"\0")
    except OSError:
        return False


def wait_for_code_location(stack: Stack, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the web interface has the definitions."""
    query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"

    def is_ready() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return bool(stack.ask(query)["repositoriesOrError"].get("nodes"))
        except OSError:
            return False

    wait_until(is_ready, READY_SECONDS, log.read_text)


def wait_for_port(port: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process listens on its port."""

    def is_listening() -> bool:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(port))) == 0

    wait_until(is_listening, READY_SECONDS, log.read_text)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
