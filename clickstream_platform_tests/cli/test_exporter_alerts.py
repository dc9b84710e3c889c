"""`clickstream exporter` as a process: a stream that is late is told to a webhook, and told to be over once loaded."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream
from clickstream_platform.settings import child_environment, load_settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.gateways.notification_servers import HttpInbox, http_inbox
from clickstream_platform_tests.pipeline.freshness.parts import ledger_row, put, write_ledger

STREAM = Stream("acme", "page")
ROUTES = """
channels:
  hook: {url: "env:TEST_HOOK"}
timing: {fire_after_seconds: 0, resolve_after_seconds: 0}
routes:
  - {name: all, channels: [hook]}
"""


def wait_for(found: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.2)


def titles(inbox: HttpInbox, kind: str) -> list[str]:
    return [body["title"] for _, body in inbox.requests if kind in body["title"]]


@pytest.mark.timeout(400)
def test_a_late_stream_is_told_to_a_webhook_and_so_is_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings({"CLICKSTREAM_HOME": str(tmp_path)})
    wiring = Wiring(settings, SystemClock())
    hour = Hour.of(datetime.now(UTC)).plus(-5)
    registry = wiring.registry_service
    registry.add_customer("acme")
    registry.add_event("acme", "page", freshness_deadline_minutes=30)
    put(wiring, STREAM, hour)
    [path] = (tmp_path / "objects").rglob("*.ndjson.gz")
    old = (hour.end - timedelta(minutes=1)).timestamp()
    os.utime(path, (old, old))
    assert RawObjectKey.parse(str(path.relative_to(tmp_path / "objects"))).stream == STREAM
    (tmp_path / "alert-routes.yaml").write_text(ROUTES)
    with http_inbox() as inbox:
        environment = child_environment(settings, TEST_HOOK=f"json://127.0.0.1:{inbox.port}/hook")
        command = [sys.executable, "-c", "from clickstream_platform.cli import main; main()", "exporter", "--port", "0"]
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process:
            try:
                wait_for(lambda: bool(titles(inbox, "stream late")), process)
                write_ledger(Path(settings.duckdb), [ledger_row(STREAM, hour)])
                wait_for(lambda: len(titles(inbox, "stream late")) > 1, process)
            finally:
                process.terminate()
                process.wait(30)
    assert titles(inbox, "stream late") == ["CRITICAL: acme: stream late", "RESOLVED: acme: stream late"]
