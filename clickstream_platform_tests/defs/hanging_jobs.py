"""A code location of its own for `test_stuck_runs`: a run whose worker holds its lock and listens to nobody."""

import os
import signal
import time
from pathlib import Path

import dagster as dg

from clickstream_platform.defs.run_workers import watched_worker

HANG_SECONDS = 90  # its process ends by itself, should a test leave it behind


@dg.op
def hang(context: dg.OpExecutionContext) -> None:
    """Hang like a driver that waits for an answer in C: no signal and no exception gets through."""
    home = Path(context.instance.root_directory)
    limit = context.run.tags.get("worker_seconds")
    (home / f"{context.run_id}.pid").write_text(f"{os.getpid()} {os.getppid()}")
    with watched_worker(home, context.run_id, float(limit) if limit else None):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        end = time.monotonic() + HANG_SECONDS
        while time.monotonic() < end:
            try:
                time.sleep(0.5)
            except BaseException as error:  # noqa: BLE001 (what interrupts it must not end it)
                context.log.warning("ignored %s", type(error).__name__)


@dg.job(executor_def=dg.in_process_executor)
def hanging() -> None:
    """Only hang."""
    hang()


defs = dg.Definitions(jobs=[hanging])
