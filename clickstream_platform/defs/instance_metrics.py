"""Reads from Dagster's instance what the exporter tells: open runs, daemons, sensors, and runs that ended.

Belongs here: translating Dagster's records into `observe.exporter.figures`. Does not: counting, judging, and the
webserver's view (`workspace_metrics`). Reading only: the instance is never changed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorTick,
    InstigatorType,
    SensorInstigatorData,
    TickStatus,
)
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES, RunRecord

from clickstream_platform.defs.run_records import customer_of, ended_run, first_line, is_backfill, moment
from clickstream_platform.defs.state import dagster_name
from clickstream_platform.defs.tags import HOUR_TAG, MAX_RUNTIME_TAG
from clickstream_platform.defs.workspace_metrics import read_workspace
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.observe.exporter.figures import (
    DaemonState,
    EndedRun,
    InstanceFigures,
    OpenRun,
    SensorState,
    WorkspaceFigures,
)

MAX_OPEN_RUNS = 2_000
PAGE = 200
MAX_PAST_RUNS = 5_000
MAX_READ_RUNS = 5_000
"""Ended runs whose events one look reads; what is left is found by the next. Known ones cost nothing and do not count:
else a look that finds as many known ones, in the time that it goes back, would never come to others."""
_WAITING = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED)
_PENDING_BACKFILLS = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]


def names_of(slugs: Iterable[str]) -> dict[str, str]:
    """Return customers' slugs by their names in Dagster, as the functions of this module want them."""
    return {dagster_name(slug): slug for slug in slugs}


def read_instance(instance: dg.DagsterInstance, now: datetime, slugs: Mapping[str, str]) -> InstanceFigures:
    """Return what Dagster is doing; raises what its storage raises."""
    counts = {
        status.value.lower(): instance.get_runs_count(dg.RunsFilter(statuses=[status]))
        for status in NOT_FINISHED_STATUSES
    }
    return InstanceFigures(
        now,
        counts,
        tuple(_open_run(record, slugs) for record in _open_records(instance)),
        tuple(_daemons(instance)),
        tuple(_sensors(instance)),
        instance.get_backfills_count(BulkActionsFilter(statuses=_PENDING_BACKFILLS)),
    )


def _open_records(instance: dg.DagsterInstance) -> Iterator[RunRecord]:
    """Yield the oldest runs that wait, and the oldest that work: no queue is so long as to hide these."""
    waiting = [status for status in NOT_FINISHED_STATUSES if status in _WAITING]
    working = [status for status in NOT_FINISHED_STATUSES if status not in _WAITING]
    for statuses in (waiting, working):
        yield from instance.get_run_records(dg.RunsFilter(statuses=statuses), limit=MAX_OPEN_RUNS, ascending=True)


def _open_run(record: RunRecord, slugs: Mapping[str, str]) -> OpenRun:
    run = record.dagster_run
    limit = run.tags.get(MAX_RUNTIME_TAG, "")
    return OpenRun(
        run.run_id,
        customer_of(run, slugs),
        run.status.value.lower(),
        record.create_timestamp.replace(tzinfo=UTC),
        record.update_timestamp.replace(tzinfo=UTC),
        moment(record.start_time),
        float(limit) if limit.isdecimal() else None,
        run.tags.get(HOUR_TAG, ""),
        is_backfill(run),
    )


def _daemons(instance: dg.DagsterInstance) -> Iterator[DaemonState]:
    """Yield the daemons that this instance needs, whether or not they ever lived."""
    heartbeats = instance.get_daemon_heartbeats()
    for name in instance.get_required_daemon_types():
        heartbeat = heartbeats.get(name)
        errors = heartbeat.errors or [] if heartbeat else []
        yield DaemonState(
            name,
            moment(heartbeat.timestamp) if heartbeat else None,
            len(errors),
            first_line(errors[0].message) if errors else "",
        )


def _sensors(instance: dg.DagsterInstance) -> Iterator[SensorState]:
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    for name, state in _newest(states).items():
        data = state.instigator_data
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        tick = ticks[0] if ticks else None
        interval = data.min_interval if isinstance(data, SensorInstigatorData) else None
        yield SensorState(
            name,
            state.is_running,
            float(interval or 30),
            moment(tick.timestamp) if tick else None,
            _tick_seconds(tick),
            _tick_error(tick),
        )


def _newest(states: Iterable[InstigatorState]) -> Mapping[str, InstigatorState]:
    """Return the state of each sensor; of one that came from two places over time, the one started last."""
    found: dict[str, tuple[float, InstigatorState]] = {}
    for state in states:
        data = state.instigator_data
        started = data.last_sensor_start_timestamp or 0.0 if isinstance(data, SensorInstigatorData) else 0.0
        if state.instigator_name not in found or started >= found[state.instigator_name][0]:
            found[state.instigator_name] = (started, state)
    return {name: state for name, (_, state) in sorted(found.items())}


def _tick_seconds(tick: InstigatorTick | None) -> float | None:
    if tick is None or tick.end_timestamp is None:
        return None
    return max(tick.end_timestamp - tick.timestamp, 0.0)


def _tick_error(tick: InstigatorTick | None) -> str:
    if tick is None or tick.status is not TickStatus.FAILURE:
        return ""
    return first_line(tick.error.message) if tick.error else "failed"


def read_ended_runs(
    instance: dg.DagsterInstance,
    since: datetime,
    slugs: Mapping[str, str],
    is_known: Callable[[str], bool],
) -> Iterator[Sequence[EndedRun]]:
    """Yield, a page at a time, the runs that ended after `since` and are not known, with what they did."""
    seen: set[str] = set()
    after, left, limit = since - timedelta(seconds=1), MAX_READ_RUNS, PAGE
    while left > 0:
        filters = dg.RunsFilter(statuses=FINISHED_STATUSES, updated_after=after)
        records = instance.get_run_records(filters, limit=limit, order_by="update_timestamp", ascending=True)
        new = [record for record in records if record.dagster_run.run_id not in seen]
        seen |= {record.dagster_run.run_id for record in new}
        unknown = [record for record in new if not is_known(record.dagster_run.run_id)]
        left -= len(unknown)
        if new:
            yield [ended_run(instance, record, slugs) for record in unknown]
        if len(records) < limit:
            return
        # Runs of the same moment as the last one may be on the next page; those seen are left out above, and a page of
        # nothing else is asked for with more of them.
        after = records[-1].update_timestamp.replace(tzinfo=UTC) - timedelta(milliseconds=1)
        limit = PAGE if new else limit * 2


def read_past_runs(instance: dg.DagsterInstance, since: datetime, slugs: Mapping[str, str]) -> Sequence[EndedRun]:
    """Return the newest MAX_PAST_RUNS runs that ended after `since`, oldest first, without what they did."""
    filters = dg.RunsFilter(statuses=FINISHED_STATUSES, updated_after=since)
    records = instance.get_run_records(filters, limit=MAX_PAST_RUNS, order_by="update_timestamp")
    return [ended_run(instance, record, slugs, with_events=False) for record in reversed(records)]


class DagsterSource:
    """The instance of a home and its webserver, as a `pipeline.platform_sources.Orchestrator`.

    The instance is opened at the first question, so that whoever asks may start before Dagster was ever here.
    """

    def __init__(self, home: Path, webserver_url: str) -> None:
        """Read the instance of this home (DAGSTER_HOME), and ask the webserver at this address."""
        self._home, self._webserver_url = home, webserver_url
        self._instance: dg.DagsterInstance | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._instance is not None:
            self._instance.dispose()

    def read_instance(self, now: datetime, customers: Iterable[str]) -> InstanceFigures:
        """Return what Dagster is doing; raise ConfigurationError when there is no instance."""
        return read_instance(self._open(), now, names_of(customers))

    def read_ended_runs(
        self, since: datetime, customers: Iterable[str], is_known: Callable[[str], bool]
    ) -> Iterator[Sequence[EndedRun]]:
        """Yield the runs that ended; raise ConfigurationError when there is no instance."""
        return read_ended_runs(self._open(), since, names_of(customers), is_known)

    def read_past_runs(self, since: datetime, customers: Iterable[str]) -> Sequence[EndedRun]:
        """Return how long runs took; raise ConfigurationError when there is no instance."""
        return read_past_runs(self._open(), since, names_of(customers))

    def read_workspace(self, now: datetime) -> WorkspaceFigures | None:
        """Return how the code locations are."""
        return read_workspace(self._webserver_url, now)

    def _open(self) -> dg.DagsterInstance:
        if self._instance is None:
            if not (self._home / "dagster.yaml").is_file():
                raise ConfigurationError(
                    "opening Dagster's instance",
                    where=str(self._home),
                    cause="there is no dagster.yaml",
                    remedy="Set DAGSTER_HOME to that of the daemon; `clickstream dev` makes one.",
                )
            self._instance = dg.DagsterInstance.from_config(str(self._home))
        return self._instance
