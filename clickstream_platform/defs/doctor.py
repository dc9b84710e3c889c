"""The doctor's look at Dagster: what runs, what waits, who is alive, who ticked, what is stuck, who has no name.

Belongs here: asking, and the lines of the doctor's screen. Does not: when something is worth a look (the doctor and
the alerts say the same: `pipeline.platform_findings`), the other checks (`clickstream_platform.doctor`).
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg

from clickstream_platform.defs.freshness import failed_loads
from clickstream_platform.defs.instance_metrics import names_of, read_instance
from clickstream_platform.defs.state import describe_clash, find_name_clashes
from clickstream_platform.defs.workspace_metrics import read_workspace
from clickstream_platform.doctor.findings import Finding, fail, of_error, ok, skipped, warn
from clickstream_platform.errors import ClickstreamError
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.observe.exporter.figures import InstanceFigures
from clickstream_platform.pipeline.freshness.facts import LoadFailure
from clickstream_platform.pipeline.platform_findings import judge_instance, judge_workspace
from clickstream_platform.pipeline.platform_terms import Pages
from clickstream_platform.registry.entities import Snapshot

PART = "dagster"
DAY = timedelta(hours=24)
_CHECKS = {"daemon_unhealthy": "daemon", "sensor_stale": "sensors", "run_stuck": "stuck runs"}
_NO_DAEMON = "Start it with `clickstream dev`, or dagster-daemon in production; until then no sensor ticks."


def check_dagster(
    home: Path | None, customers: Iterable[str] = (), webserver_url: str = "", now: datetime | None = None
) -> Iterator[Finding]:
    """Yield the findings about the instance of a home (None: no home is known), which is only read.

    `customers` are slugs, by which runs are told; an empty URL leaves the webserver out.
    """
    if home is None or not (home / "dagster.yaml").is_file():
        yield skipped(PART, "instance", "none here yet: `clickstream dev` makes one, production sets DAGSTER_HOME")
        return
    now = now or SystemClock().now()
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            runs = instance.get_runs_count()
            yield ok(PART, "instance", f"{home}, {runs} runs, {type(instance.run_storage).__name__}")
            figures = read_instance(instance, now, names_of(customers))
            yield ok(PART, "runs", _runs(instance, figures))
            yield from _state(figures)
    except Exception as error:  # noqa: BLE001 (whatever its storage raises is the finding)
        detail = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        yield fail(PART, "instance", detail, "Check dagster.yaml and its database, then run the doctor again.")
    yield from _webserver(webserver_url, now)


def check_names(read_snapshot: Callable[[], Snapshot]) -> Finding:
    """Return the finding whether each customer of the registry has a name in Dagster that is its own."""
    try:
        clashes = find_name_clashes(read_snapshot().customers)
    except ClickstreamError as error:
        return of_error(PART, "names", error)
    if not clashes:
        return ok(PART, "names", "each customer has its own")
    told = "; ".join(describe_clash(*each) for each in clashes.items())
    return fail(PART, "names", told, "Give the customer that came later another slug.")


def read_failures(home: Path | None, customers: Iterable[str], now: datetime) -> list[LoadFailure]:
    """Return the loads that failed of late; none where no instance can be read, which `check_dagster` tells."""
    if home is None or not (home / "dagster.yaml").is_file():
        return []
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            return failed_loads(instance, now, customers, {})
    except Exception:  # noqa: BLE001 (whatever its storage raises)
        return []


def _runs(instance: dg.DagsterInstance, figures: InstanceFigures) -> str:
    """Return one line: open runs by state, how long the queue waits, and how runs ended of late."""
    parts = [f"{count} {state.replace('_', ' ')}" for state, count in sorted(figures.counts.items()) if count]
    line = ", ".join(parts) or "none open"
    waiting = [run.waited_seconds(figures.at) for run in figures.runs if run.state == "queued"]
    if waiting:
        line += f", the oldest waits {age(max(waiting))}"
    if figures.backfills:
        line += f"; {figures.backfills} back-fills"
    ended = []
    for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED):
        count = instance.get_runs_count(dg.RunsFilter(statuses=[status], updated_after=figures.at - DAY))
        ended += [f"{count} {status.value.lower()}"] if count else []
    return f"{line}; in 24 h: {', '.join(ended) or 'none ended'}"


def _state(figures: InstanceFigures) -> Iterator[Finding]:
    """Yield daemon, sensors and stuck runs: what is wrong with them, or that nothing is."""
    found: dict[str, list[Finding]] = {check: [] for check in _CHECKS.values()}
    for each in judge_instance(figures, (), (), Pages()).findings:
        check = _CHECKS.get(each.kind)
        if check is not None:
            detail = f"{each.customer}: {each.summary}" if each.customer else each.summary
            remedy = _NO_DAEMON if each.kind == "daemon_unhealthy" else f"See docs/runbooks/{each.runbook}."
            found[check].append(warn(PART, check, detail, remedy))
    fine = {"daemon": _daemons(figures), "sensors": _sensors(figures), "stuck runs": "none"}
    for check, findings in found.items():
        yield from findings or [ok(PART, check, fine[check])]


def _daemons(figures: InstanceFigures) -> str:
    beats = [each.heartbeat_at for each in figures.daemons if each.heartbeat_at is not None]
    oldest = age((figures.at - min(beats)).total_seconds()) if beats else "unknown"
    return f"alive, {len(beats)} threads, the oldest heartbeat {oldest} ago"


def _sensors(figures: InstanceFigures) -> str:
    running = [each for each in figures.sensors if each.is_running]
    off = [f"{each.name} is switched off" for each in figures.sensors if not each.is_running]
    ticks = [
        f"{each.name} {age((figures.at - each.ticked_at).total_seconds())} ago"
        if each.ticked_at
        else f"{each.name} never"
        for each in running
    ]
    return ", ".join([*ticks, *off]) or "none ticked yet"


def _webserver(url: str, now: datetime) -> Iterator[Finding]:
    workspace = read_workspace(url, now)
    if workspace is None:
        return
    if not workspace.is_up:
        remedy = "Start it, or correct CLICKSTREAM_DAGSTER_WEBSERVER_URL; runs go on, reloads of new customers don't."
        yield warn(PART, "webserver", f"{url}: {workspace.error}", remedy)
        return
    yield ok(PART, "webserver", url)
    troubles = judge_workspace(workspace, Pages()).findings
    names = ", ".join(each.name for each in workspace.locations)
    found = [
        fail(
            PART,
            "code location",
            f"{each.summary}: {each.detail.get('error', '')}",
            f"See docs/runbooks/{each.runbook}.",
        )
        for each in troubles
    ]
    yield from found or [ok(PART, "code location", f"{names} loaded")]


def age(seconds: float) -> str:
    """Return a time as people say it: 12 s, 5 min, 3 h, 2 days."""
    for unit, size, below in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if seconds < below:
            return f"{int(max(seconds, 0) // size)} {unit}"
    return f"{int(seconds // 86_400)} days"
