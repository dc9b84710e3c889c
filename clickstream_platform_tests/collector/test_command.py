"""`clickstream collector` as it is run: a process with the registry's write keys, stopped by SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
from typer.testing import CliRunner

from clickstream_platform.cli import app
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.model.kinesis_records import decode_events
from clickstream_platform.registry import open_registry
from clickstream_platform_tests.collector.running import track
from clickstream_platform_tests.kinesis_server import read_kinesis_stream
from clickstream_platform_tests.servers import CREDENTIALS


def test_without_a_kinesis_stream_the_command_tells_how_to_name_one(tmp_path: Path) -> None:
    for command in ("collector", "batcher", "shards"):
        result = CliRunner().invoke(app, [command], env={"CLICKSTREAM_HOME": str(tmp_path)})
        assert result.exit_code == 1
        assert "CLICKSTREAM_KINESIS_STREAM" in result.output


def test_the_command(tmp_path: Path, kinesis_endpoint: str, kinesis_stream: str) -> None:
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}", SystemClock()) as registry:
        registry.add_customer("acme")
        _, secret = registry.add_write_key("acme", "web")
    environment = {
        **os.environ,
        **CREDENTIALS,
        "CLICKSTREAM_HOME": str(tmp_path),
        "CLICKSTREAM_KINESIS_ENDPOINT_URL": kinesis_endpoint,
        "CLICKSTREAM_KINESIS_REGION": "us-east-1",
    }
    process = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "clickstream"),
            "collector",
            "--kinesis-stream",
            kinesis_stream,
            "--port",
            "0",
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        url = next(match[1] for line in lines if (match := re.search(r"events at (http\S+)/v1 ", line)))
        deadline = time.monotonic() + 20
        while httpx.get(f"{url}/readyz", trust_env=False).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        answer = httpx.post(f"{url}/v1/batch", json={"batch": [track()]}, auth=(secret, ""), trust_env=False)
        assert answer.status_code == 200
        assert (
            httpx.post(f"{url}/v1/batch", json={"batch": [track()]}, auth=("x", ""), trust_env=False).status_code == 401
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 128 + signal.SIGTERM, "it ended itself, with its last lines sent"
        assert secret not in process.stderr.read()
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()
    (record,) = read_kinesis_stream(kinesis_endpoint, kinesis_stream)
    (event,) = decode_events(record["Data"])
    assert (event.customer, event.event) == ("acme", "order_completed")
    assert abs(event.received_ms / 1000 - datetime.now(UTC).timestamp()) < 60
