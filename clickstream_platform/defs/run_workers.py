"""Run workers that hang or vanish: each ends itself after its time, and one that is gone is noticed at once.

Belongs here: what a worker does about itself, and the launcher that looks after workers on one machine. Does not:
ending and retrying runs, which Dagster's run monitoring does (dagster.yaml).

Run monitoring alone leaves two gaps where runs are processes of the code server and not pods. A worker that hangs in a
driver ignores the request to end: its run is marked failed and retried, while the process keeps the lock of the
warehouse's schema, for which the retry waits in vain. And when worker and code server go together (a reboot), nobody
reports it: the run counts as started, and keeps its customer's place, until its time is over.
"""

import faulthandler
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._serdes import ConfigurableClassData

from clickstream_platform.defs.configurable import WithoutOptions
from clickstream_platform.defs.tags import MAX_RUNTIME_TAG

FOLDER = "workers"
GRACE_SECONDS = 120
"""After its own limit: run monitoring asks first, and a worker that can ends in order."""


@contextmanager
def watched_worker(home: Path, run_id: str, max_seconds: float | None) -> Iterator[None]:
    """Hold this run's lock in a home (DAGSTER_HOME) and end this process, hard, when the block takes too long.

    What all threads were doing is then written to standard error. None: no limit.
    """
    path = _lock_path(home, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_suffix(".new")  # a file under its own name is always locked, or its worker is gone
    with mine.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        mine.rename(path)
        if max_seconds is not None:
            faulthandler.dump_traceback_later(max_seconds + GRACE_SECONDS, exit=True, file=sys.__stderr__ or 2)
        try:
            yield
        finally:
            if max_seconds is not None:
                faulthandler.cancel_dump_traceback_later()
            path.unlink(missing_ok=True)


@contextmanager
def watched_run(context: dg.InitResourceContext) -> Iterator[None]:
    """Watch this process while a resource of its run is open; does nothing for a tick, and without a home.

    The limit is the run's own, else that of dagster.yaml. One process for each run: ours use the in-process executor.
    """
    run, instance = context.run, context.instance
    if run is None or instance is None or instance.is_ephemeral:
        yield
        return
    own = run.tags.get(MAX_RUNTIME_TAG, "")
    limit = float(own) if own.isdecimal() else float(instance.run_monitoring_max_runtime_seconds or 0)
    with watched_worker(Path(instance.root_directory), run.run_id, limit or None):
        yield


def is_worker_gone(home: Path, run_id: str) -> bool:
    """Whether a run's worker began and its process is gone, however it went; False when nothing is known."""
    path = _lock_path(home, run_id)
    try:
        with path.open("rb") as found:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(found.fileno()).st_nlink == 0:  # it ended in order, meanwhile
                return False
            path.unlink(missing_ok=True)
            return True
    except OSError:  # there is none, or it is held
        return False


def _lock_path(home: Path, run_id: str) -> Path:
    return home / FOLDER / f"{run_id}.lock"


class WatchedRunLauncher(WithoutOptions, DefaultRunLauncher):
    """Launches runs as processes of the code server, and tells run monitoring when such a process is gone.

    For one machine, where daemon and workers share DAGSTER_HOME; in Kubernetes the pods are asked instead.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        """Begin as Dagster asks."""
        super().__init__(inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return NOT_FOUND for a worker that is gone; a run whose worker has not begun counts as running."""
        if is_worker_gone(Path(self._instance.root_directory), run.run_id):
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its process is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)
