"""Drives the real sensors and real runs in this process, as fast as possible: for the demo, tests and one-off loads.

The sensors are evaluated by Dagster's own daemon code, and what they request become runs of the same instance; only the
launching differs: runs are executed here, one after the other, instead of in processes of their own. So the UI shows
the same ticks, runs and partitions, and a daemon that is started later goes on where this stopped. Belongs here:
everything that needs Dagster's internals for that (its version is pinned, and a test holds it). Does not: showing
progress.
"""

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Self

import dagster as dg
from dagster._config.config_schema import UserConfigSchema
from dagster._core.execution.api import execute_run
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorType, SensorInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster._utils.hosted_user_process import recon_job_from_origin
from sqlalchemy import Engine, event

from clickstream_platform.defs.hours_sensor import CUSTOMER_TAG, HOUR_TAG, HOURS_SENSOR
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.hour_memory import HourMemory

PROJECT = Path(__file__).parents[2]
DEFINITIONS = "clickstream_platform.definitions"
MAX_TICKS = 1_000
QUIET_LOGGERS = ("dagster", "dagster.daemon")


@dataclass(frozen=True, slots=True)
class DrivenRun:
    """One run: its position among those requested so far, what it loads, and how it ended (None: it starts now)."""

    number: int
    of: int
    run_id: str
    customer: str
    hour: str
    is_success: bool | None = None


@dataclass(slots=True)
class DriveReport:
    """What a drive did."""

    ticks: int = 0
    runs: list[DrivenRun] = field(default_factory=list)

    @property
    def failed(self) -> list[DrivenRun]:
        """The runs that failed."""
        return [run for run in self.runs if not run.is_success]


class WaitingRunLauncher(RunLauncher, ConfigurableClass):
    """Keeps the runs that it is told to launch, for `drive` to execute."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        """Start with none."""
        self._inst_data = inst_data
        self.waiting: list[str] = []
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What Dagster rebuilds it from."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """It has no options."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Build it as Dagster asks."""
        del config_value
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Keep the run."""
        self.waiting.append(context.dagster_run.run_id)

    def terminate(self, run_id: str) -> bool:
        """Forget a run that has not begun."""
        found = run_id in self.waiting
        self.waiting = [each for each in self.waiting if each != run_id]
        return found


def prepare_home(home: Path) -> Path:
    """Make the folder of Dagster's data (DAGSTER_HOME) with the project's dagster.yaml in it, and return it."""
    source = PROJECT / "dagster.yaml"
    if not source.is_file():
        raise ConfigurationError(
            "preparing the folder of Dagster's data",
            where=str(home),
            cause=f"there is no {source}",
            remedy="Run from a checkout of the project, or from its image.",
        )
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, home / "dagster.yaml")
    return home


def drive(
    home: Path,
    location: str,
    hours: Sequence[Hour] = (),
    on_run: Callable[[DrivenRun], None] = lambda _: None,
    max_ticks: int = MAX_TICKS,
) -> DriveReport:
    """Evaluate the sensors and execute what they request, until a tick requests nothing; return what was done.

    `home` is DAGSTER_HOME, `location` the code location's name in workspace.yaml. `hours` are looked at even if they
    are older than the sensor's look-back. `on_run` is called before and after each run. Customers that were registered
    before the call have their assets. Raises what loading the definitions raises.
    """
    report = DriveReport()
    with _quiet_loggers(), _open_instance(home) as instance, _open_workspace(instance, location) as workspace:
        launcher = _launcher_of(instance)
        memory = None
        for tick in range(max_ticks):
            _forget_last_tick(instance, hours if tick == 0 else ())
            _tick(workspace)
            report.ticks += 1
            _execute_waiting(instance, launcher, report, on_run)
            if memory == (memory := _cursors(instance)):
                break  # the sensors have nothing left to look at
    return report


def _tick(workspace: WorkspaceProcessContext) -> None:
    """Let every sensor tick once; an error of a sensor is kept in its tick, as the daemon does."""
    with redirect_stderr(StringIO()):
        for _ in execute_sensor_iteration(workspace, logging.getLogger(QUIET_LOGGERS[1]), None, None):
            continue


def _execute_waiting(
    instance: dg.DagsterInstance,
    launcher: WaitingRunLauncher,
    report: DriveReport,
    on_run: Callable[[DrivenRun], None],
) -> None:
    total = len(report.runs) + len(launcher.waiting)
    while launcher.waiting:
        run_id = launcher.waiting.pop(0)
        run = instance.get_run_by_id(run_id)
        if run is None or run.job_code_origin is None:
            continue  # deleted by somebody between its tick and now
        facts = (len(report.runs) + 1, total, run_id, run.tags.get(CUSTOMER_TAG, ""), run.tags.get(HOUR_TAG, ""))
        on_run(DrivenRun(*facts))
        # What a run writes to stderr are its events, which the instance has.
        with redirect_stderr(StringIO()):
            result = execute_run(recon_job_from_origin(run.job_code_origin), run, instance, raise_on_error=False)
        report.runs.append(DrivenRun(*facts, is_success=result.success))
        on_run(report.runs[-1])


@contextmanager
def _open_instance(home: Path) -> Iterator[dg.DagsterInstance]:
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


def _launcher_of(instance: dg.DagsterInstance) -> WaitingRunLauncher:
    launcher = instance.run_launcher
    if not isinstance(launcher, WaitingRunLauncher):
        raise ConfigurationError(
            "driving runs", cause=f"the launcher is {type(launcher).__name__}", remedy="Report it."
        )
    return launcher


@contextmanager
def _open_workspace(instance: dg.DagsterInstance, location: str) -> Iterator[WorkspaceProcessContext]:
    """Load the definitions into this process, under the name that the webserver and the daemon know them by."""
    origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name=DEFINITIONS), location_name=location)
    with WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as workspace:
        workspace.create_request_context().get_code_location(location)  # raises what loading raised
        yield workspace


def _forget_last_tick(instance: dg.DagsterInstance, hours: Sequence[Hour]) -> None:
    """Let the sensors tick at once, and the `hours` sensor look at some hours whatever it remembers of them."""
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        data = state.instigator_data
        if not isinstance(data, SensorInstigatorData):
            continue
        cursor = data.cursor
        if hours and state.instigator_name == HOURS_SENSOR:
            memory = HourMemory.from_cursor(cursor)
            memory.asked.hours |= set(hours)
            cursor = memory.to_cursor()
        instance.update_instigator_state(_without_last_tick(state, data, cursor))


def _cursors(instance: dg.DagsterInstance) -> dict[str, str | None]:
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    return {
        state.instigator_name: state.instigator_data.cursor
        for state in states
        if isinstance(state.instigator_data, SensorInstigatorData)
    }


def _without_last_tick(state: InstigatorState, data: SensorInstigatorData, cursor: str | None) -> InstigatorState:
    return state.with_data(
        SensorInstigatorData(
            min_interval=data.min_interval,
            cursor=cursor,
            last_sensor_start_timestamp=data.last_sensor_start_timestamp,
            sensor_type=data.sensor_type,
        )
    )


@contextmanager
def _quiet_loggers() -> Iterator[None]:
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
