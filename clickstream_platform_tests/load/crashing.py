"""Runs loads in processes that die on the way: before every SQL statement, and at moments in between.

A script, so that the dying processes are forked from one that has no threads and no database open.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clickstream_platform.model.staging import StagedBatch
from clickstream_platform_tests.targets import duckdb_target

BATCH_FILE, START = "batch.json", "start"


def die_in_every_way(folder: Path, delays: Sequence[float]) -> None:
    """Load the batch in copies of `start`, one copy per way to die, until one load has met no more statements."""
    batch = StagedBatch.from_json((folder / BATCH_FILE).read_bytes())
    number, died = 0, True
    while died:
        number += 1
        died = _fork(folder, f"statement-{number:03d}", batch, dies_at=number)
    for number, delay in enumerate(delays):
        _fork(folder, f"moment-{number:03d}", batch, dies_after=delay)


def _fork(folder: Path, name: str, batch: StagedBatch, *, dies_at: int = 0, dies_after: float = 0) -> bool:
    """Load in a forked process; return whether it died."""
    shutil.copytree(folder / START, folder / name)
    child = os.fork()
    if not child:
        duckdb_target(folder / name, staged=folder / "staged", log=_killer(dies_at)).load(batch)
        os._exit(0)
    if dies_after:
        time.sleep(dies_after)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] != 0


def _killer(dies_at: int) -> Callable[[str, Sequence[Any]], None]:
    """Return a log that kills the process when it sees the statement of this number, 1 being the first."""
    seen = 0

    def log(_text: str, _params: Sequence[Any]) -> None:
        nonlocal seen
        seen += 1
        if seen == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return log


if __name__ == "__main__":
    die_in_every_way(Path(sys.argv[1]), [float(delay) for delay in sys.argv[2:]])
