"""A process that alerts is killed at every step of telling; the next goes on. Told at least once, known by its id."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clickstream_platform.gateways.notifications import AppriseSender
from clickstream_platform.observe.alerts.engine import AlertEngine, EngineOptions
from clickstream_platform.observe.alerts.store import SqlAlertStore
from clickstream_platform_tests.gateways.notification_servers import http_inbox
from clickstream_platform_tests.observe.alerts.world import at, finding, routes, seen

STEPS = {
    "before:save": 1,
    "after:save": 1,
    "before:send": 1,
    "after:send": 2,
    "before:record_sent": 2,
    "after:record_sent": 1,
}
"""When it is killed, and how often the message arrives."""


@pytest.mark.parametrize(("step", "times"), STEPS.items())
def test_a_process_is_killed_while_it_tells(tmp_path: Path, step: str, times: int) -> None:
    url = f"sqlite:///{tmp_path / 'alerts.db'}"
    with http_inbox() as inbox:
        command = [sys.executable, "-m", "clickstream_platform_tests.observe.alerts.killed", url, str(inbox.port), step]
        killed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        sender = AppriseSender(lambda _: f"json://127.0.0.1:{inbox.port}/hook")
        engine = AlertEngine(SqlAlertStore(url), sender, routes, EngineOptions("the next"))
        for minute in range(2, 30):
            engine.evaluate([seen(finding())], at(minute))
        for minute in range(30, 60):
            engine.evaluate([seen()], at(minute))
        engine.close()
        firing = [body["id"] for _, body in inbox.requests if body["status"] == "firing"]
        over = [body["id"] for _, body in inbox.requests if body["status"] == "resolved"]
    assert (len(firing), len(set(firing)), len(over)) == (times, 1, 1)
