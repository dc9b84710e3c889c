"""An instance and a workspace in which this process does what webserver, daemon and run workers do elsewhere.

Belongs here: Dagster's internals that stand for its processes (its version is pinned, and the driver's tests hold
them). Does not: what is done with them (`driver`).
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._serdes import ConfigurableClassData
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy import Engine, event

from clickstream_platform.defs.configurable import WithoutOptions
from clickstream_platform.errors import ConfigurationError

DEFINITIONS = "clickstream_platform.definitions"
DAEMON_LOGGER = "dagster.daemon"
QUIET_LOGGERS = ("dagster", DAEMON_LOGGER)


class WaitingRunLauncher(WithoutOptions, RunLauncher):
    """Keeps the runs that it is told to launch, for `drive` to execute."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        """Start with none."""
        self._inst_data = inst_data
        self._waiting: list[str] = []
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What Dagster rebuilds it from."""
        return self._inst_data

    def launch_run(self, context: LaunchRunContext) -> None:
        """Keep the run."""
        self._waiting.append(context.dagster_run.run_id)

    def take(self) -> list[str]:
        """Return the runs that wait, and keep none."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def terminate(self, run_id: str) -> bool:
        """Forget a run that has not begun."""
        is_waiting = run_id in self._waiting
        self._waiting = [each for each in self._waiting if each != run_id]
        return is_waiting


@contextmanager
def open_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Open the instance of a home with the launcher that waits and no queue, which is emptied by a daemon only."""
    overrides = {
        "run_launcher": {"module": __name__, "class": WaitingRunLauncher.__name__},
        "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"},
        "run_monitoring": {"enabled": False},
        # Capturing the output of a run starts two processes; this process's own output is nobody's log.
        "compute_logs": {
            "module": "dagster._core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
    }
    folder = home.absolute()
    with (
        _unsynchronised_below(folder),
        dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides)) as instance,
    ):
        yield instance


@contextmanager
def _unsynchronised_below(folder: Path) -> Iterator[None]:
    """Don't wait for the disk on each of Dagster's events in SQLite, which is most of a small run's time.

    A crash of the machine (not of the process) may then damage Dagster's history; what is loaded is in the ledger.
    """

    def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - drivers' connections have no common type
        if isinstance(connection, sqlite3.Connection):
            files = [row[2] for row in connection.execute("PRAGMA database_list") if row[2]]
            if all(Path(file).is_relative_to(folder) for file in files):
                connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", prepare)
    try:
        yield
    finally:
        event.remove(Engine, "connect", prepare)


def launcher_of(instance: dg.DagsterInstance) -> WaitingRunLauncher:
    """Return the launcher of an instance from `open_instance`."""
    launcher = instance.run_launcher
    if not isinstance(launcher, WaitingRunLauncher):
        raise ConfigurationError(
            "driving runs", cause=f"the launcher is {type(launcher).__name__}", remedy="Report it."
        )
    return launcher


@contextmanager
def open_workspace(instance: dg.DagsterInstance, location: str) -> Iterator[WorkspaceProcessContext]:
    """Load the definitions into this process, under the name that the webserver and the daemon know them by."""
    origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name=DEFINITIONS), location_name=location)
    with WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as workspace:
        workspace.create_request_context().get_code_location(location)  # raises what loading raised
        yield workspace


@contextmanager
def quiet_loggers() -> Iterator[None]:
    """Keep Dagster's own log lines off the terminal; they are in the instance."""
    loggers = [logging.getLogger(name) for name in QUIET_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def innermost_message(error: SerializableErrorInfo | None) -> str:
    """Return the message of the error that caused the others."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "unknown"
