"""The front of a running platform: a collector and a batcher as processes of their own, to be killed and started again.

What belongs here: starting, killing, stopping, waiting for what they have done. What does not: who sends to them, and
what is expected in the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import httpx

from clickstream_platform.model.hours import Hour
from clickstream_platform_tests.e2e.stack import COMMAND, run, wait_until
from clickstream_platform_tests.servers import CREDENTIALS, free_port

READY_SECONDS = 60.0
WRITTEN_AGAIN_SECONDS = 20.0  # a batcher that holds no record has passed the present moment long before


class Service:
    """One process that is started with the same command again and again."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: IO[bytes]) -> None:
        self._command, self._environment, self._log = command, environment, log
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start it; it needs a moment until it works."""
        self._process = subprocess.Popen(
            self._command, env={**os.environ, **self._environment}, stdout=self._log, stderr=self._log
        )

    def kill(self) -> None:
        """End it with SIGKILL; fail when it had ended by itself."""
        assert self._process is not None
        self._process.kill()
        assert self._process.wait() == -signal.SIGKILL, f"{self._command} ended by itself"
        self._process = None

    def kill_and_start(self) -> None:
        """Kill it, and start it as an orchestrator does."""
        with self._lock:
            self.kill()
            self.start()

    def stop(self) -> None:
        """End it with SIGTERM, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(timeout=READY_SECONDS)
            finally:
                process.kill()
                process.wait()


@dataclass
class Front:
    """A collector and a batcher on one Kinesis stream, for the platform in a home folder."""

    home: Path
    kinesis_endpoint: str
    kinesis_stream: str
    collector_environment: Mapping[str, str] = field(default_factory=dict)
    collector_module: str = "clickstream_platform_tests.e2e.past_collector"
    batch_seconds: float = 1.0
    collector_port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.log = self.home / "front.log"
        output = self._output = self.log.open("ab")
        environment = {
            "CLICKSTREAM_HOME": str(self.home),
            "CLICKSTREAM_KINESIS_STREAM": self.kinesis_stream,
            "CLICKSTREAM_KINESIS_ENDPOINT_URL": self.kinesis_endpoint,
            "CLICKSTREAM_KINESIS_REGION": CREDENTIALS["AWS_DEFAULT_REGION"],
            "CLICKSTREAM_BATCHER_BATCH_SECONDS": str(self.batch_seconds),
            "CLICKSTREAM_BATCHER_FAILOVER_SECONDS": "1.5",
        }
        command = [sys.executable, "-m", self.collector_module, str(self.collector_port)]
        self.collector = Service(command, {**environment, **self.collector_environment}, output)
        self.batcher = Service([str(COMMAND), "batcher", "--port", str(self.metrics_port)], environment, output)

    def wait_for_collector(self) -> None:
        """Wait until requests would be taken."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                url = f"http://127.0.0.1:{self.collector_port}/readyz"
                if httpx.get(url, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, self.log.read_text()[-3_000:]
            time.sleep(0.05)

    def shards(self) -> list[dict[str, Any]]:
        """Return the leases of all shards, as `clickstream shards` shows them."""
        return list(json.loads(run(self.home, "shards", "--kinesis-stream", self.kinesis_stream, "--json")))

    def wait_until_written(self, moment: datetime, seconds: float = 90.0) -> None:
        """Wait until all shards are written up to a moment and every hour that is over is sealed."""
        wait_until(
            lambda: self._is_written(moment), seconds, lambda: f"{self.shards()}\n{self.log.read_text()[-3_000:]}"
        )

    def write_everything(self, seconds: float = 90.0) -> None:
        """Start the batcher again until all that is on the stream is written, however long its batches may get.

        It writes what it has read when it is told to stop. What reached the stream too late for it to read before that
        is read, and held, by the next one.
        """
        moment, deadline = now(), time.monotonic() + seconds

        def is_written_or_held() -> bool:
            return self._is_written(moment) or time.monotonic() > patience

        while True:
            self.batcher.stop()
            self.batcher.start()
            patience = time.monotonic() + WRITTEN_AGAIN_SECONDS
            wait_until(is_written_or_held, seconds, lambda: self.log.read_text()[-3_000:])
            if self._is_written(moment):
                return
            assert time.monotonic() < deadline, f"{self.shards()}\n{self.log.read_text()[-3_000:]}"

    def _is_written(self, moment: datetime) -> bool:
        shards = self.shards()
        reached = [shard["written_until"] for shard in shards if not shard["is_finished"]]
        return (
            bool(shards)
            and all(time and datetime.fromisoformat(time) > moment for time in reached)
            and not any(hour < str(Hour.of(now())) for shard in shards for hour in shard["unsealed_hours"])
        )

    def is_spool_empty(self) -> bool:
        """Whether the collector has put everything on Kinesis that it had on disk."""
        return _metric(self.collector_port, "clickstream_collector_spool_bytes") == 0

    def duplicates(self) -> float:
        """Return how many duplicates the batcher's present process removed."""
        return _metric(self.metrics_port, 'clickstream_batcher_records_total{outcome="duplicate"}')

    def stop(self) -> None:
        """End both, the collector first."""
        self.collector.stop()
        self.batcher.stop()
        self._output.close()


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def _metric(port: int, name: str) -> float:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    lines = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0
