"""What of the platform itself somebody must look at: from Dagster's figures, the registry and the batcher to findings.

Belongs here: judgement and words; pure. Does not: asking (`defs.instance_metrics`), runs and checks (`run_findings`),
streams against their deadlines (`pipeline.freshness`), loads against their history (`pipeline.unusual`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from clickstream_platform.health.judging import SENSORS
from clickstream_platform.model.findings import Finding
from clickstream_platform.observe.alerts.causes import PARTS
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.exporter.failures import Failure
from clickstream_platform.observe.exporter.figures import (
    CheckState,
    DaemonState,
    InstanceFigures,
    SensorState,
    WorkspaceFigures,
)
from clickstream_platform.pipeline.platform_terms import Pages, Thresholds, links_of, name_some
from clickstream_platform.pipeline.run_findings import failed_checks, failed_runs, stuck_runs


def judge_instance(
    figures: InstanceFigures,
    failures: Sequence[Failure],
    checks: Iterable[CheckState],
    pages: Pages,
    limits: Thresholds | None = None,
) -> Observation:
    """Return what Dagster's instance tells: daemons, sensors, runs that hang or failed, checks that failed."""
    limits = limits or Thresholds()
    found = [
        *_daemons(figures, pages, limits),
        *_sensors(figures, pages, limits),
        *stuck_runs(figures, pages, limits),
        *failed_runs(failures, pages),
        *failed_checks(checks, pages),
    ]
    kinds = {"daemon_unhealthy", "sensor_stale", "run_stuck", "run_failed", "check_failed"}
    return Observation(found, frozenset(kinds))


def judge_silence(error: str, since: datetime, pages: Pages) -> Observation:
    """Return that Dagster's instance can't be read, with the error's class; of its runs that tells nothing."""
    finding = Finding(
        "daemon_unhealthy",
        None,
        None,
        "Dagster's database does not answer: nobody knows whether its daemon works",
        since,
        {"error": error},
        links_of(page=pages.dagster("/deployment/daemons")),
    )
    return Observation([finding], frozenset({"daemon_unhealthy"}))


def judge_workspace(figures: WorkspaceFigures, pages: Pages) -> Observation:
    """Return whether the code locations are loaded; a webserver that does not answer says nothing of them."""
    if not figures.is_up:
        return Observation((), frozenset())
    down = [each for each in figures.locations if not each.is_up]
    if not down and not figures.error:
        return Observation((), frozenset({"code_location_down"}))
    names = ", ".join(each.name for each in down) or "the workspace"
    error = next((each.error for each in down if each.error), figures.error)
    finding = Finding(
        "code_location_down",
        None,
        None,
        f"{names} is not loaded: no sensor ticks and no run starts",
        figures.at,
        {"error": error} if error else {},
        links_of(page=pages.dagster("/deployment/locations")),
    )
    return Observation([finding], frozenset({"code_location_down"}))


def judge_registry(trouble: str, age_seconds: float | None, now: datetime, limits: Thresholds) -> Observation:
    """Return whether the registry is away; `trouble` is why it did not answer, empty when it did."""
    kinds = frozenset({"registry_away"})
    if not trouble or (age_seconds is not None and age_seconds < limits.registry):
        return Observation((), kinds)
    since = now - timedelta(seconds=age_seconds or 0.0)
    detail: dict[str, str | int | float] = {"trouble": trouble}
    summary = "The registry does not answer, and there is no snapshot of it"
    if age_seconds is not None:
        detail["age_seconds"] = int(age_seconds)
        summary = f"The registry does not answer; everybody works from its snapshot of {int(age_seconds / 60)} min ago"
    return Observation([Finding("registry_away", None, None, summary, since, detail)], kinds)


def judge_batcher(behind_seconds: float | None, now: datetime, limits: Thresholds) -> Observation:
    """Return whether the batcher is behind; None when no shard was ever read."""
    kinds = frozenset({"batcher_behind"})
    if behind_seconds is None or behind_seconds < limits.batcher:
        return Observation((), kinds)
    summary = f"Records that arrived {int(behind_seconds / 60)} min ago are not in raw objects yet"
    since = now - timedelta(seconds=behind_seconds)
    detail = {"behind_seconds": int(behind_seconds)}
    return Observation([Finding("batcher_behind", None, None, summary, since, detail)], kinds)


def _daemons(figures: InstanceFigures, pages: Pages, limits: Thresholds) -> Iterator[Finding]:
    silent = [each for each in figures.daemons if _is_silent(each, figures.at, limits)]
    failing = [each for each in figures.daemons if each.errors and each not in silent]
    if not silent and not failing:
        return
    parts = []
    if silent:
        parts.append(f"no heartbeat of {name_some([each.name for each in silent])}")
    if failing:
        parts.append(f"errors in {name_some([each.name for each in failing])}")
    beats = [each.heartbeat_at for each in silent if each.heartbeat_at is not None]
    yield Finding(
        "daemon_unhealthy",
        None,
        None,
        f"Dagster's daemon: {'; '.join(parts)}",
        min(beats, default=figures.at),
        _detail(silent, failing),
        links_of(page=pages.dagster("/deployment/daemons")),
    )


def _detail(
    silent: Sequence[DaemonState | SensorState], failing: Sequence[DaemonState | SensorState]
) -> dict[str, str]:
    """Return which parts of Dagster are in trouble, by which an alert holds others back, and their errors."""
    parts = ", ".join(each.name for each in (*silent, *failing))
    return {PARTS: parts} | {each.name: each.error for each in failing if each.error}


def _is_silent(daemon: DaemonState, now: datetime, limits: Thresholds) -> bool:
    return daemon.heartbeat_at is None or (now - daemon.heartbeat_at).total_seconds() > limits.heartbeat


def _sensors(figures: InstanceFigures, pages: Pages, limits: Thresholds) -> Iterator[Finding]:
    ours = [each for each in figures.sensors if each.is_running and each.name in SENSORS]
    stale = [each for each in ours if _is_stale(each, figures.at, limits)]
    failing = [each for each in ours if each.error and each not in stale]
    if not stale and not failing:
        return
    parts = []
    if stale:
        parts.append(f"{name_some([each.name for each in stale])} does not tick")
    if failing:
        parts.append(f"{name_some([each.name for each in failing])} fails")
    ticks = [each.ticked_at for each in (*stale, *failing) if each.ticked_at is not None]
    yield Finding(
        "sensor_stale",
        None,
        None,
        f"Sensors: {'; '.join(parts)}",
        min(ticks, default=figures.at),
        _detail(stale, failing),
        links_of(page=pages.dagster("/automation")),
    )


def _is_stale(sensor: SensorState, now: datetime, limits: Thresholds) -> bool:
    allowed = max(limits.ticks * sensor.interval_seconds, limits.tick)
    return sensor.ticked_at is None or (now - sensor.ticked_at).total_seconds() > allowed
