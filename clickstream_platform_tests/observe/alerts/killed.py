"""A process that alerts and is killed at a chosen moment, for `test_killed`.

    python -m clickstream_platform_tests.observe.alerts.killed DATABASE PORT STEP

Belongs here: that process. Does not: tests.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from clickstream_platform.gateways.notifications import AppriseSender
from clickstream_platform.observe.alerts.engine import AlertEngine, EngineOptions
from clickstream_platform.observe.alerts.store import SqlAlertStore
from clickstream_platform_tests.observe.alerts.world import at, finding, routes, seen


def main(url: str, port: str, step: str) -> None:
    """Look at a late stream from the start on; be killed before or after the named method of the store or sender."""
    moment, _, method = step.partition(":")
    owner = AppriseSender if method == "send" else SqlAlertStore
    original = getattr(owner, method)

    def die(*given: Any) -> None:
        # The first look finds it, the third tells it: of `save`, the third is the one of the look that tells.
        die.calls += 1  # type: ignore[attr-defined]
        is_last = die.calls == (3 if method == "save" else 1)  # type: ignore[attr-defined]
        if moment == "before" and is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        original(*given)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)

    die.calls = 0  # type: ignore[attr-defined]
    setattr(owner, method, die)
    sender = AppriseSender(lambda _: f"json://127.0.0.1:{port}/hook")
    engine = AlertEngine(SqlAlertStore(url), sender, routes, EngineOptions("the killed one"))
    for minute in range(60):
        engine.evaluate([seen(finding())], at(minute))


if __name__ == "__main__":
    main(*sys.argv[1:])
