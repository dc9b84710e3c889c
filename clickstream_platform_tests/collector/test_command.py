"""`clickstream collector` as it is run: a process with the registry's write keys, stopped by SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from clickstream_platform.cli.collector import NoCopies, RegistryKeys
from clickstream_platform.errors import ObjectNotFoundError, RegistryError
from clickstream_platform.gateways.clock import FixedClock, SystemClock
from clickstream_platform.model.kinesis_records import decode_events
from clickstream_platform.registry import RegistryService, open_registry
from clickstream_platform.registry.entities import Snapshot
from clickstream_platform.registry.secret_texts import hash_of
from clickstream_platform_tests.collector.running import NOW, track
from clickstream_platform_tests.kinesis_server import read_kinesis_stream
from clickstream_platform_tests.s3_server import CREDENTIALS

COMMAND = "import typer; from clickstream_platform.cli.collector import collector_command as c; typer.run(c)"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryService]:
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}", FixedClock(NOW)) as service:
        service.add_customer("acme")
        yield service


def test_keys_of_the_registry(registry: RegistryService) -> None:
    keys = RegistryKeys(registry.snapshot)
    assert not keys.is_ready()
    keys.refresh()
    assert not keys.is_ready()  # nobody could send anything
    key, secret = registry.add_write_key("acme", "web", expires_at=NOW + timedelta(hours=1))
    keys.refresh()
    holder = keys.find(hash_of(secret), NOW)
    assert holder is not None
    assert (holder.customer, holder.key_id, keys.is_ready()) == ("acme", key.id, True)
    assert keys.find(hash_of(secret), NOW + timedelta(hours=2)) is None
    assert keys.find(hash_of("other"), NOW) is None
    registry.add_write_key("acme", "app")
    registry.revoke_write_key("acme", key.id)
    keys.refresh()
    assert keys.find(hash_of(secret), NOW) is None


def test_keys_stay_while_the_registry_is_away(registry: RegistryService) -> None:
    _, secret = registry.add_write_key("acme", "web")
    is_away = False

    def read() -> Snapshot:
        if is_away:
            raise RegistryError("asking the registry", cause="it is away", remedy="Wait.")
        return replace(registry.snapshot())

    keys = RegistryKeys(read, refresh_seconds=0.01)
    keys.start()
    deadline = time.monotonic() + 5
    while not keys.is_ready() and time.monotonic() < deadline:
        time.sleep(0.01)
    is_away = True
    time.sleep(0.05)
    assert keys.find(hash_of(secret), NOW) is not None
    keys.stop()


def test_write_keys_never_reach_the_object_store() -> None:
    copies = NoCopies()
    copies.put("registry", b"hashes")
    with pytest.raises(ObjectNotFoundError):
        copies.get_range("registry", 0, 1)


def test_the_command(tmp_path: Path, kinesis_endpoint: str, kinesis_stream: str) -> None:
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}", SystemClock()) as registry:
        registry.add_customer("acme")
        _, secret = registry.add_write_key("acme", "web")
    options = ["--kinesis-stream", kinesis_stream, "--kinesis-endpoint-url", kinesis_endpoint, "--port", "0"]
    environment = {**os.environ, **CREDENTIALS, "CLICKSTREAM_HOME": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *options, "--region", "us-east-1"],
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
        assert process.wait(timeout=20) == -signal.SIGTERM
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
