"""Starts the platform as a user does: `clickstream demo`, then `clickstream dev`, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickstream_platform_tests.shared_data import REPOSITORY

COMMAND = Path(sys.executable).with_name("clickstream")
READY_SECONDS = 120


@dataclass(frozen=True)
class Stack:
    """A running stack: where its data is and where its web interface listens."""

    home: Path
    url: str

    def run(self, *arguments: str) -> str:
        """Run a command of the platform on this stack's data; return what it printed."""
        return run(self.home, *arguments)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask Dagster's GraphQL API."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            data: dict[str, Any] = json.load(answer)
        assert "errors" not in data, data
        return dict(data["data"])

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs, newest first."""
        query = "{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }"
        return list(self.ask(query)["runsOrError"]["results"])

    def wait_for_runs(self, count: int, seconds: float) -> list[dict[str, Any]]:
        """Wait until `count` runs have ended."""
        deadline = time.monotonic() + seconds
        while True:
            ended = [run for run in self.runs() if run["status"] in ("SUCCESS", "FAILURE", "CANCELED")]
            if len(ended) >= count:
                return ended
            assert time.monotonic() < deadline, f"only {len(ended)} of {count} runs ended: {self.runs()}"
            time.sleep(2)


def run(home: Path, *arguments: str) -> str:
    """Run a command of the platform; fail with its output when it fails."""
    environment = {**os.environ, "CLICKSTREAM_HOME": str(home)}
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def running_stack(home: Path) -> Iterator[Stack]:
    """Run the demonstration, then start webserver and daemon on its data; stop them at the end."""
    run(home, "demo")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CLICKSTREAM_HOME": str(home), "CLICKSTREAM_SENSOR_INTERVAL_SECONDS": "5"}
    log = (home / "dev.log").open("wb")
    process = subprocess.Popen(
        [COMMAND, "dev", "--port", str(port)],
        env=environment,
        cwd=REPOSITORY,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    stack = Stack(home, f"http://127.0.0.1:{port}")
    try:
        _wait_until_ready(stack, process, home / "dev.log")
        yield stack
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def _wait_until_ready(stack: Stack, process: subprocess.Popen[bytes], log: Path) -> None:
    query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            if stack.ask(query)["repositoriesOrError"]["nodes"]:
                return
        except OSError:
            time.sleep(0.5)
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
