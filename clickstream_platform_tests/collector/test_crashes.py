"""SIGKILL under load: whatever was answered with 200 is on the Kinesis stream in the end.

CLICKSTREAM_TEST_KILLS says how often. What the spool keeps when its writer is killed is tested by `test_spool`, between
any two of its writes; with a batcher and rows it is done by `chaos.test_kills`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from clickstream_platform.model.kinesis_records import decode_events
from clickstream_platform_tests.collector.running import KEY, track
from clickstream_platform_tests.kinesis_server import create_kinesis_stream, read_kinesis_stream, running_kinesis_server
from clickstream_platform_tests.servers import CREDENTIALS, free_port

KILLS = int(os.environ.get("CLICKSTREAM_TEST_KILLS", "4"))


@contextmanager
def collector(port: int, spool: Path, endpoint: str, stream_name: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "clickstream_platform_tests.collector.crashing"]
    process = subprocess.Popen(
        [*command, str(port), str(spool), endpoint, stream_name], env={**os.environ, **CREDENTIALS}
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


class Client:
    """An SDK: sends batches one after another, each again and again until it is answered with 200."""

    def __init__(self, port: int, number: int) -> None:
        self._url, self._number = f"http://127.0.0.1:{port}/v1/batch", number
        self.acknowledged: list[str] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        sent = 0
        with httpx.Client(auth=(KEY, ""), timeout=20, trust_env=False) as client:
            while not self._stopped.is_set():
                numbers = range(sent, sent + 5)
                batch = [{**track(0), "messageId": f"{self._number}-{number}"} for number in numbers]
                try:
                    is_safe = client.post(self._url, json={"batch": batch}).status_code == 200
                except httpx.TransportError:
                    is_safe = False
                if is_safe:
                    self.acknowledged += [event["messageId"] for event in batch]
                    sent += 5
                else:
                    time.sleep(0.05)


@pytest.mark.e2e
@pytest.mark.chaos
@pytest.mark.timeout(60 + 10 * KILLS)
def test_whatever_was_acknowledged_arrives(tmp_path: Path) -> None:
    """Every second time Kinesis is away, so that the process is killed while it fills the spool or empties it."""
    kinesis_port, port = free_port(), free_port()
    away = f"http://127.0.0.1:{free_port()}"
    with running_kinesis_server(port=kinesis_port) as endpoint:
        stream_name = create_kinesis_stream(endpoint, 2)
        clients = [Client(port, number) for number in range(3)]
        try:
            for kill in range(KILLS):
                with collector(port, tmp_path, endpoint if kill % 2 else away, stream_name) as process:
                    time.sleep(random.uniform(0.2, 1.0))
                    os.kill(process.pid, signal.SIGKILL)
        finally:
            for client in clients:
                client.stop()
        acknowledged = {each for client in clients for each in client.acknowledged}
        with collector(port, tmp_path, endpoint, stream_name):
            deadline = time.monotonic() + 30
            while missing := acknowledged - arrived(endpoint, stream_name):
                assert time.monotonic() < deadline, f"{len(missing)} of {len(acknowledged)} are missing"
                time.sleep(0.1)
    assert len(acknowledged) > 10 * KILLS


def arrived(endpoint: str, stream_name: str) -> set[str]:
    records = read_kinesis_stream(endpoint, stream_name)
    return {event.message_id for record in records for event in decode_events(record["Data"])}
