"""Drives the real sensors and real runs in this process, as fast as possible: for the demo, tests and one-off loads.

The sensors are evaluated by Dagster's own daemon code, and what they request become runs of the same instance; only the
launching differs: runs are executed here, one after the other, instead of in processes of their own. So the UI shows
the same ticks, runs and partitions, and a daemon that is started later goes on where this stopped. Belongs here: when
to tick and to run. Does not: standing in for Dagster's processes (`in_process`), showing progress.
"""

import logging
import shutil
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import dagster as dg
from dagster._core.execution.api import execute_run
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorTick,
    InstigatorType,
    SensorInstigatorData,
    TickStatus,
)
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._utils.hosted_user_process import recon_job_from_origin

from clickstream_platform.defs.hours_sensor import HOURS_SENSOR
from clickstream_platform.defs.in_process import (
    DAEMON_LOGGER,
    innermost_message,
    launcher_of,
    open_instance,
    open_workspace,
    quiet_loggers,
)
from clickstream_platform.defs.registry_sensor import REGISTRY_SENSOR
from clickstream_platform.defs.tags import CUSTOMER_TAG, HOUR_TAG
from clickstream_platform.errors import ConfigurationError, TerminalError
from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.hour_memory import HourMemory
from clickstream_platform.pipeline.registry_memory import RegistryMemory

PROJECT = Path(__file__).parents[2]
MAX_TICKS = 1_000


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
    before the call have their assets. Raises TerminalError when a sensor fails, and what loading the definitions
    raises.
    """
    report = DriveReport()
    with quiet_loggers(), open_instance(home) as instance, open_workspace(instance, location) as workspace:
        backlog = None
        for tick in range(max_ticks):
            _forget_last_tick(instance, hours if tick == 0 else ())
            requested = _tick(instance, workspace)
            report.ticks += 1
            _execute(instance, requested, report, on_run)
            if not requested and backlog == (backlog := _backlog(instance)):
                break
    return report


def _tick(instance: dg.DagsterInstance, workspace: WorkspaceProcessContext) -> list[str]:
    """Let every sensor that is switched on tick once; return the runs that were requested."""
    before = {tick.tick_id for tick in _last_ticks(instance)}
    with redirect_stderr(StringIO()):
        for _ in execute_sensor_iteration(workspace, logging.getLogger(DAEMON_LOGGER), None, None):
            continue
    ticks = [tick for tick in _last_ticks(instance) if tick.tick_id not in before]
    for tick in ticks:
        if tick.status == TickStatus.FAILURE:
            raise TerminalError(
                f"evaluating the sensor {tick.instigator_name!r}",
                cause=innermost_message(tick.error),
                remedy="Mend the cause and start again: what was loaded is loaded.",
            )
    return [run_id for tick in ticks for run_id in tick.run_ids]


def _last_ticks(instance: dg.DagsterInstance) -> list[InstigatorTick]:
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    return [
        tick for state in states for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    ]


def _execute(
    instance: dg.DagsterInstance, requested: Sequence[str], report: DriveReport, on_run: Callable[[DrivenRun], None]
) -> None:
    waiting, total = launcher_of(instance).take(), len(report.runs) + len(requested)
    for run_id in requested:
        run = instance.get_run_by_id(run_id)
        tags = run.tags if run else {}
        facts = (len(report.runs) + 1, total, run_id, tags.get(CUSTOMER_TAG, ""), tags.get(HOUR_TAG, ""))
        on_run(DrivenRun(*facts))
        is_success = False  # unless it was launched; if not, its events say why
        if run is not None and run_id in waiting and run.job_code_origin is not None:
            # What a run writes to stderr are its events, which the instance has.
            with redirect_stderr(StringIO()):
                job = recon_job_from_origin(run.job_code_origin)
                is_success = execute_run(job, run, instance, raise_on_error=False).success
        report.runs.append(DrivenRun(*facts, is_success=is_success))
        on_run(report.runs[-1])


def _backlog(instance: dg.DagsterInstance) -> list[object]:
    """Return what changes from tick to tick while the sensors work off old hours and changes of the registry."""
    backlog: list[object] = []
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        if not isinstance(state.instigator_data, SensorInstigatorData):
            continue
        cursor = state.instigator_data.cursor
        if state.instigator_name == HOURS_SENSOR:
            hours = HourMemory.from_cursor(cursor)
            backlog += [hours.settled.written(), hours.asked.written(), hours.resume]
        elif state.instigator_name == REGISTRY_SENSOR:
            registry = RegistryMemory.from_cursor(cursor)
            backlog += [registry.followed, sorted(registry.waiting), registry.backfills]
    return backlog


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


def _without_last_tick(state: InstigatorState, data: SensorInstigatorData, cursor: str | None) -> InstigatorState:
    return state.with_data(
        SensorInstigatorData(
            min_interval=data.min_interval,
            cursor=cursor,
            last_sensor_start_timestamp=data.last_sensor_start_timestamp,
            sensor_type=data.sensor_type,
        )
    )
