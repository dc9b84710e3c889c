"""What of the platform itself somebody must look at: from Dagster's figures, the registry and the batcher to findings.

Belongs here: thresholds and words; pure. Does not: asking (`defs.instance_metrics`), streams against their deadlines
(`pipeline.freshness`), loads against their history (`pipeline.unusual`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from clickstream_platform.model.findings import Finding
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.exporter.failures import Failure
from clickstream_platform.observe.exporter.figures import (
    CheckState,
    DaemonState,
    InstanceFigures,
    OpenRun,
    SensorState,
    WorkspaceFigures,
)

MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When the platform itself is worth a look, in seconds."""

    heartbeat: float = 180.0
    """Daemons write theirs every 30 s."""
    ticks: float = 5.0
    """A sensor is stale after so many of its own intervals,"""
    tick: float = 300.0
    """but never sooner than this."""
    starting: float = 600.0
    """A run that was launched should work by then, and one that was cancelled have ended."""
    registry: float = 600.0
    batcher: float = 900.0


@dataclass(frozen=True, slots=True)
class Pages:
    """Where people look, as `pipeline.freshness.report.Links`: Dagster's web interface and the registry's page."""

    webserver: str = ""
    """Empty, or no URL: nobody knows it."""
    registry: str = ""
    name_of: Callable[[str], str] = str
    """Returns a customer's name in Dagster."""

    def run(self, run_id: str) -> str:
        """Return the address of a run."""
        return self.dagster(f"/runs/{run_id}") if run_id else ""

    def check(self, customer: str, check: str) -> str:
        """Return the address of a check of a customer's tables."""
        return self.dagster(f"/assets/{self.name_of(customer)}/event_tables?view=checks&checkDetail={check}")

    def page(self, customer: str, event: str | None) -> str:
        """Return the address of a customer's or event's page in the registry."""
        tail = "" if event is None else f"/events/{quote(event, safe='')}"
        return _below(self.registry, f"/admin/customers/{quote(customer, safe='')}{tail}")

    def dagster(self, path: str) -> str:
        """Return the address of a page of Dagster's web interface, such as `/runs`."""
        return _below(self.webserver, path)


def _below(address: str, path: str) -> str:
    return f"{address.rstrip('/')}{path}" if address.startswith(("http://", "https://")) else ""


def _links(**addresses: str) -> dict[str, str]:
    return {name: address for name, address in addresses.items() if address}


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
        *_stuck_runs(figures, pages, limits),
        *_failed_runs(failures, pages),
        *_failed_checks(checks, pages),
    ]
    kinds = {"daemon_unhealthy", "sensor_stale", "run_stuck", "run_failed", "check_failed"}
    return Observation(found, frozenset(kinds))


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
        _links(page=pages.dagster("/deployment/locations")),
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
        parts.append(f"no heartbeat of {_name([each.name for each in silent])}")
    if failing:
        parts.append(f"errors in {_name([each.name for each in failing])}")
    beats = [each.heartbeat_at for each in silent if each.heartbeat_at is not None]
    detail = {each.name: each.error for each in failing if each.error}
    yield Finding(
        "daemon_unhealthy",
        None,
        None,
        f"Dagster's daemon: {'; '.join(parts)}",
        min(beats, default=figures.at),
        detail,
        _links(page=pages.dagster("/deployment/daemons")),
    )


def _is_silent(daemon: DaemonState, now: datetime, limits: Thresholds) -> bool:
    return daemon.heartbeat_at is None or (now - daemon.heartbeat_at).total_seconds() > limits.heartbeat


def _sensors(figures: InstanceFigures, pages: Pages, limits: Thresholds) -> Iterator[Finding]:
    stale = [each for each in figures.sensors if each.is_running and _is_stale(each, figures.at, limits)]
    failing = [each for each in figures.sensors if each.is_running and each.error and each not in stale]
    if not stale and not failing:
        return
    parts = []
    if stale:
        parts.append(f"{_name([each.name for each in stale])} does not tick")
    if failing:
        parts.append(f"{_name([each.name for each in failing])} fails")
    ticks = [each.ticked_at for each in (*stale, *failing) if each.ticked_at is not None]
    yield Finding(
        "sensor_stale",
        None,
        None,
        f"Sensors: {'; '.join(parts)}",
        min(ticks, default=figures.at),
        {each.name: each.error for each in failing},
        _links(page=pages.dagster("/automation")),
    )


def _is_stale(sensor: SensorState, now: datetime, limits: Thresholds) -> bool:
    allowed = max(limits.ticks * sensor.interval_seconds, limits.tick)
    return sensor.ticked_at is None or (now - sensor.ticked_at).total_seconds() > allowed


def _stuck_runs(figures: InstanceFigures, pages: Pages, limits: Thresholds) -> Iterator[Finding]:
    stuck: dict[str | None, list[OpenRun]] = {}
    for run in figures.runs:
        if run.is_overdue(figures.at) or _hangs(run, figures.at, limits):
            stuck.setdefault(run.customer, []).append(run)
    for customer, runs in stuck.items():
        first = runs[0]
        more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
        since = first.started_at or first.changed_at
        minutes = int((figures.at - since).total_seconds() / 60)
        yield Finding(
            "run_stuck",
            customer,
            None,
            f"Run {first.run_id[:8]}{more} is {first.state} for {minutes} min and should have ended",
            since,
            {"runs": len(runs), "state": first.state, "hour": first.hour},
            _links(run=pages.run(first.run_id)),
        )


def _hangs(run: OpenRun, now: datetime, limits: Thresholds) -> bool:
    """Whether a run stands between two states for too long."""
    return run.state in ("starting", "canceling") and (now - run.changed_at).total_seconds() > limits.starting


def _failed_runs(failures: Sequence[Failure], pages: Pages) -> Iterator[Finding]:
    by_customer: dict[str | None, list[Failure]] = {}
    for each in failures:
        by_customer.setdefault(each.customer, []).append(each)
    for customer, found in by_customer.items():
        newest = found[-1]
        streams = sorted({stream.event for each in found for stream in each.streams})
        errors = sorted({stream.error for each in found for stream in each.streams} | {e.error for e in found} - {""})
        hours = sorted({hour for each in found for hour in each.hours})
        what = f"{_name(streams)} of " if streams else ""
        yield Finding(
            "run_failed",
            customer,
            None,
            f"{what}{_name(hours) or 'a run'} failed and is not tried again: {_name(errors) or 'see the run'}",
            found[0].failed_at,
            {"runs": len(found), "hours": len(hours), "streams": len(streams)},
            _links(run=pages.run(newest.run_id)),
        )


def _failed_checks(checks: Iterable[CheckState], pages: Pages) -> Iterator[Finding]:
    by_customer: dict[str, list[CheckState]] = {}
    for each in checks:
        if each.has_failed:
            by_customer.setdefault(each.customer, []).append(each)
    for customer, found in by_customer.items():
        yield Finding(
            "check_failed",
            customer,
            None,
            f"Checks that fail: {_name(sorted(each.check for each in found))}. {found[0].text}",
            min(each.at for each in found),
            {"checks": len(found)},
            _links(run=pages.run(found[0].run_id), check=pages.check(customer, found[0].check)),
        )


def _name(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{', '.join(names[:MAX_NAMED])}{more}"
