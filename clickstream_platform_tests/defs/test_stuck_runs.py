"""Stuck runs under the project's dagster.yaml: real code server, real run workers, the daemon's own iterations."""

import faulthandler
import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import dagster as dg
import pytest
from dagster._core.remote_representation.grpc_server_registry import GrpcServerRegistry
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon
from dagster._daemon.monitoring import execute_run_monitoring_iteration, run_monitoring
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._grpc.constants import GrpcServerCommand

from clickstream_platform.defs.run_workers import (
    FOLDER,
    GRACE_SECONDS,
    WatchedRunLauncher,
    is_worker_gone,
    watched_run,
    watched_worker,
)
from clickstream_platform_tests.defs.submitting import submit_job
from clickstream_platform_tests.e2e.stack import wait_until
from clickstream_platform_tests.shared_data import REPOSITORY

# Dagster's own: a method of its logger, and its word for python_logs in dagster.yaml.
pytestmark = [
    pytest.mark.e2e,  # workers that hang, and the daemon's patience with them
    pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Handling yaml-defined logging configuration"),
]

LOGGER = logging.getLogger("daemon")
JOBS = Path(__file__).with_name("hanging_jobs.py")


@dataclass
class Daemon:
    """The daemon's work, an iteration at a time, and the runs it works on."""

    instance: dg.DagsterInstance
    workspace: WorkspaceProcessContext
    home: Path

    def submit(self, **tags: str) -> str:
        """Put a run of the hanging job into the queue."""
        return submit_job(self.workspace, "hanging", "hanging", tags)

    def launch(self) -> None:
        """Let the queue launch what may start."""
        list(QueuedRunCoordinatorDaemon(interval_seconds=5).run_iteration(self.workspace))

    def monitor(self) -> None:
        """Look after runs once."""
        for error in execute_run_monitoring_iteration(self.workspace, LOGGER):
            assert error is None, error

    def retry(self) -> None:
        """Retry runs that failed since the last call."""
        list(EventLogConsumerDaemon().run_iteration(self.workspace))

    def status(self, run_id: str) -> str:
        """Return a run's status."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status.value

    def wait_for_worker(self, run_id: str) -> tuple[int, int]:
        """Wait until a run's worker holds its lock; return its process and that of its code server."""
        wait_until(self.lock(run_id).exists, 120, lambda: f"the worker does not begin: {self.status(run_id)}")
        worker, server = (self.home / f"{run_id}.pid").read_text().split()
        return int(worker), int(server)

    def lock(self, run_id: str) -> Path:
        """Return the lock of a run's worker."""
        return self.home / FOLDER / f"{run_id}.lock"

    def processes(self, run_id: str) -> list[int]:
        """Return the processes that worked on a run, but for this one, in the order of their first events."""
        events = [each.dagster_event for each in self.instance.all_logs(run_id)]
        pids = [int(event.pid) for event in events if event is not None and event.pid]
        return [pid for pid in dict.fromkeys(pids) if pid != os.getpid()]

    def clear(self) -> None:
        """End what still waits, so that the next test has the queue for itself."""
        for run in self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])):
            self.instance.report_run_canceled(run)


def config() -> str:
    """Return the project's dagster.yaml."""
    return (REPOSITORY / "dagster.yaml").read_text()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Give the daemon of an instance whose launcher watches workers; one for all, for its code server takes seconds."""
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text(config())
    target = PythonFileTarget(str(JOBS), None, str(REPOSITORY), "hanging")
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        GrpcServerRegistry(
            instance.get_ref(),
            server_command=GrpcServerCommand.API_GRPC,
            heartbeat_ttl=60,
            startup_timeout=120,
            wait_for_processes_on_shutdown=True,
        ) as servers,
        WorkspaceProcessContext(instance, target, grpc_server_registry=servers) as workspace,
    ):
        opened = Daemon(instance, workspace, home)
        try:
            yield opened
        finally:
            for run in instance.get_runs():
                for pid in opened.processes(run.run_id):
                    _kill(pid)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # gone, or going while this reads
        return False


def is_held(lock: Path) -> bool:
    """Whether a process holds a lock; unlike `is_worker_gone` it leaves the lock where it is."""
    with lock.open("rb") as found:
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_run_beyond_its_time_is_ended_and_retried_although_its_worker_does_not_listen(daemon: Daemon) -> None:
    daemon.retry()  # from here on it sees failures
    run_id = daemon.submit(**{"dagster/max_runtime": "1", "a": "b"})
    daemon.launch()
    pid, _ = daemon.wait_for_worker(run_id)
    time.sleep(1.5)
    daemon.monitor()
    daemon.retry()
    assert daemon.status(run_id) == "FAILURE"
    assert is_alive(pid), "which is why the worker ends itself, too"
    (retry,) = [run for run in daemon.instance.get_runs() if run.parent_run_id == run_id]
    assert (retry.status.value, retry.tags["a"], retry.tags["dagster/max_runtime"]) == ("QUEUED", "b", "1")
    _kill(pid)
    daemon.clear()


def test_a_run_that_does_not_start_is_ended_and_retried(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = daemon.submit()
    event = dg.DagsterEvent(event_type_value="PIPELINE_STARTING", job_name="hanging")
    daemon.instance.report_dagster_event(event, run_id=run_id)  # and nobody launches it
    daemon.monitor()
    assert daemon.status(run_id) == "STARTING", "it has its time"
    monkeypatch.setattr(run_monitoring, "get_current_timestamp", lambda: time.time() + 301)
    daemon.monitor()
    daemon.retry()
    assert daemon.status(run_id) == "FAILURE"
    assert [each.status.value for each in daemon.instance.get_runs() if each.parent_run_id == run_id] == ["QUEUED"]
    daemon.clear()


def test_a_worker_that_vanished_with_its_code_server_is_noticed_and_its_run_retried(daemon: Daemon) -> None:
    run_id = daemon.submit()
    daemon.launch()
    worker, server = daemon.wait_for_worker(run_id)
    daemon.monitor()
    assert daemon.status(run_id) == "STARTED", "as long as it works it is left alone"
    for pid in (server, worker):
        _kill(pid)
    # Its threads end one after the other, and the last of them gives the lock up: only then it is gone.
    wait_until(lambda: not is_held(daemon.lock(run_id)), 60, lambda: f"it holds its lock, alive: {is_alive(worker)}")
    daemon.monitor()
    assert daemon.status(run_id) == "FAILURE"
    run = daemon.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.tags["dagster/will_retry"] == "true"


def test_a_worker_beyond_its_time_ends_itself_and_says_where_it_was(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from clickstream_platform.defs import run_workers
run_workers.GRACE_SECONDS = 0.2
def waits_for_an_answer(): time.sleep(60)
with run_workers.watched_worker(Path(sys.argv[1]), "r", 0.3): waits_for_an_answer()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "in waits_for_an_answer" in done.stderr
    assert is_worker_gone(tmp_path, "r")


def test_a_worker_in_time_leaves_nothing_behind(tmp_path: Path) -> None:
    with watched_worker(tmp_path, "r", 60):
        assert not is_worker_gone(tmp_path, "r"), "its process holds the lock"
    assert [*(tmp_path / FOLDER).iterdir()] == []
    assert not is_worker_gone(tmp_path, "r"), "nothing is known of it"
    assert not is_worker_gone(tmp_path, "of another machine")
    faulthandler.cancel_dump_traceback_later()


def test_a_worker_that_ends_in_order_while_it_is_looked_at_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def end_meanwhile(file: IO[bytes], how: int) -> None:
        worker.close()
        flock(file, how)

    worker = ExitStack()
    worker.enter_context(watched_worker(tmp_path, "r", None))
    monkeypatch.setattr(fcntl, "flock", end_meanwhile)
    assert not is_worker_gone(tmp_path, "r")


class Watched(dg.ConfigurableResource["Watched"]):
    """Opens as the platform does."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Watched"]:
        """Watch the run."""
        with watched_run(context):
            yield self


def test_a_run_is_watched_from_its_first_step_to_its_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda seconds, **_: limits.append(seconds))
    locks: list[str] = []

    @dg.asset
    def one(context: dg.AssetExecutionContext, watched: Watched) -> None:
        """Look for the lock of this run."""
        assert isinstance(watched, Watched)
        locks.extend(each.name for each in (tmp_path / FOLDER).iterdir())
        assert not is_worker_gone(tmp_path, context.run.run_id)

    (tmp_path / "dagster.yaml").write_text(config())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        tags = {"dagster/max_runtime": "900"}
        done = [
            dg.materialize([one], instance=instance, resources={"watched": Watched()}, tags=each) for each in (tags, {})
        ]
    assert locks == [f"{each.run_id}.lock" for each in done]
    assert limits == [900 + GRACE_SECONDS, 14_400 + GRACE_SECONDS]
    assert [*(tmp_path / FOLDER).iterdir()] == []


def test_the_projects_dagster_yaml_looks_after_runs(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(config())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.run_launcher, WatchedRunLauncher)
        assert instance.run_launcher.supports_check_run_worker_health
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert (queue.max_user_code_failure_retries, queue.user_code_failure_retry_delay) == (10, 60)
        assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] == 300
        assert instance.run_retries_max_retries == 2
