"""The `freshness` sensor and check: every stream's status as a check of its customer's tables, without a run.

The sensor judges all streams at each tick and reports a customer's check when its result changed, or was told long ago.
The same check can be executed in the UI. Belongs here: what Dagster is shown, and the policy of the tables. Does not:
judging (`pipeline.freshness`).
"""

import hashlib
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from clickstream_platform.defs.instance_metrics import names_of
from clickstream_platform.defs.platform import Platform
from clickstream_platform.defs.run_logs import follow_tick
from clickstream_platform.defs.run_records import ended_run
from clickstream_platform.defs.state import FRESHNESS, CustomerState, DefinitionsState
from clickstream_platform.defs.telling import Offer, Told, loaded_at, tables_of
from clickstream_platform.model.stream_status import StreamStatus
from clickstream_platform.observe.exporter.failures import Failures
from clickstream_platform.observe.exporter.figures import EndedRun
from clickstream_platform.pipeline.freshness.facts import LoadFailure
from clickstream_platform.pipeline.freshness.judging import Judgement
from clickstream_platform.pipeline.freshness.memory import WatchMemory
from clickstream_platform.pipeline.freshness.opening import open_watch, watch_options
from clickstream_platform.pipeline.freshness.report import CustomerFreshness, FreshnessReport, words_of
from clickstream_platform.pipeline.platform_watches import load_failures

FRESHNESS_SENSOR = "freshness"
MIN_INTERVAL_SECONDS = 60
MAX_LISTED = 100
FAILURES_BACK = timedelta(hours=48)
MAX_FAILED_RUNS = 200
QUIET_GRACE = timedelta(hours=24)
"""Between warning and failure of the policy: a customer whose people sleep is no failure."""
DESCRIPTION = "Every stream of the customer is in its table by its deadline, and none is silent that should not be."
_ERRORS = frozenset({StreamStatus.LATE, StreamStatus.BLOCKED})


def freshness_policy(customer: CustomerState) -> dg.FreshnessPolicy:
    """Return the policy of a customer's tables as a whole.

    It knows only the newest materialization of all events: one busy event hides nine silent ones, which is why there
    is a check of every stream beside it.
    """
    warn = timedelta(hours=customer.freshness_hours)
    return dg.FreshnessPolicy.time_window(fail_window=warn + QUIET_GRACE, warn_window=warn)


@dataclass
class _Kept:
    """What the process remembers between two ticks; a reload of the code location begins anew."""

    memory: WatchMemory | None = None
    runs: dict[str, EndedRun] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def build_freshness_sensor(state: DefinitionsState) -> dg.SensorDefinition:
    """Return the sensor over all customers."""
    customers, kept = {customer.slug: customer for customer in state.customers}, _Kept()

    @dg.sensor(
        name=FRESHNESS_SENSOR,
        asset_selection=dg.AssetSelection.assets(*(tables_of(each) for each in state.customers)),
        minimum_interval_seconds=max(MIN_INTERVAL_SECONDS, state.sensor_interval_seconds),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Judges every stream against its deadline and reports the freshness check of each customer.",
    )
    def freshness(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult | dg.SkipReason:
        """Look at all streams; report what changed."""
        follow_tick(context, FRESHNESS_SENSOR)
        if not kept.lock.acquire(blocking=False):
            return dg.SkipReason("the look of an earlier tick is not done yet")
        try:
            pipeline = platform.pipeline
            kept.memory = kept.memory or WatchMemory(watch_options(pipeline.settings))
            failures = failed_loads(context.instance, pipeline.wiring.clock.now(), customers, kept.runs)
            report = open_watch(pipeline.wiring, memory=kept.memory).look(failures)
        finally:
            kept.lock.release()
        told = Told.from_cursor(context.cursor)
        loaded = loaded_at(context.instance, state.customers)
        due = choose(told, report, customers, loaded)
        context.log.info(describe(report))
        events = [evaluation(customers[each.customer], each, report.at) for each in due]
        return dg.SensorResult(asset_events=events, cursor=told.to_cursor(customers), skip_reason=describe(report))

    return freshness


def build_freshness_check(customer: CustomerState) -> dg.AssetChecksDefinition:
    """Return the check, which executed in the UI looks at this customer alone."""

    @dg.asset_check(asset=tables_of(customer), name=FRESHNESS, description=DESCRIPTION)
    def freshness(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        """Look until every hour of the window was compared."""
        pipeline, slugs = platform.pipeline, {customer.slug: customer}
        failures = failed_loads(context.instance, pipeline.wiring.clock.now(), slugs, {})
        options = watch_options(pipeline.settings, customer.slug)
        report = open_watch(pipeline.wiring, options).look_through(failures)
        found = report.customers.get(customer.slug) or CustomerFreshness(customer.slug, ())
        return result(found, report.at, report.doubt(customer.slug))

    return freshness


def failed_loads(
    instance: dg.DagsterInstance, now: datetime, customers: Iterable[str], known: dict[str, EndedRun]
) -> list[LoadFailure]:
    """Return the loads that failed of late; a run's events are read once and then `known`.

    What was loaded since is no matter: an hour that is not missing is not asked about.
    """
    slugs = names_of(customers)
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - FAILURES_BACK)
    records = instance.get_run_records(filters, limit=MAX_FAILED_RUNS, order_by="update_timestamp")
    runs = {
        record.dagster_run.run_id: known.get(record.dagster_run.run_id) or ended_run(instance, record, slugs)
        for record in records
    }
    known.clear()
    known.update(runs)
    failures = Failures()
    failures.take(runs.values(), now)
    return list(load_failures(failures.open))


def choose(
    told: Told, report: FreshnessReport, customers: Collection[str], loaded: Mapping[str, datetime]
) -> list[CustomerFreshness]:
    """Choose whose results to report now; of a customer that could not be looked at in full, good news may be none.

    `loaded` says when the tables of each customer were materialized last.
    """
    found = {slug: each for slug, each in report.customers.items() if slug in customers}
    offers = [
        Offer(slug, _digest(each), bool(each.offenders), loaded.get(slug))
        for slug, each in found.items()
        if each.offenders or not report.doubt(slug)
    ]
    return [found[slug] for slug in told.choose(offers, report.at)]


def evaluation(customer: CustomerState, found: CustomerFreshness, at: datetime) -> dg.AssetCheckEvaluation:
    """Return the result of a customer's check as an event."""
    each = result(found, at)
    return dg.AssetCheckEvaluation(
        asset_key=tables_of(customer),
        check_name=FRESHNESS,
        passed=each.passed,
        metadata=each.metadata,
        severity=each.severity,
        description=each.description,
    )


def result(found: CustomerFreshness, at: datetime, doubt: str = "") -> dg.AssetCheckResult:
    """Return the result of a customer's check: a row of metadata for each offending stream.

    Late and blocked streams are an error, silent ones a warning, and a paused event is what somebody wanted. What could
    not be looked at for some reason, the `doubt`, is a warning, too.
    """
    offenders = sorted(found.offenders, key=lambda each: (each.state.status not in _ERRORS, each.state.stream))
    counts = found.counts
    metadata: dict[str, Any] = {status.value: counts[status] for status in StreamStatus}
    metadata |= {"streams": len(found.judgements), "not_watched": found.unwatched, "looked_at": at.isoformat()}
    if offenders:
        metadata["offenders"] = dg.MetadataValue.table([dg.TableRecord(_row(each)) for each in offenders[:MAX_LISTED]])
    serious = [each for each in offenders if not each.is_paused]
    is_error = any(each.state.status in _ERRORS for each in serious)
    return dg.AssetCheckResult(
        passed=not serious and not doubt,
        check_name=FRESHNESS,
        severity=dg.AssetCheckSeverity.WARN if not is_error and (serious or doubt) else dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
        description=_describe(found, serious, doubt),
    )


def describe(report: FreshnessReport) -> str:
    """Say in one line what a look found."""
    counts = report.counts()
    words = ", ".join(f"{counts[status]} {status.value}" for status in StreamStatus if counts[status]) or "no streams"
    hours = "" if report.is_complete else f"; {report.hours_looked_at} of {report.hours_watched} hours compared so far"
    troubles = "".join(f"; {words_of(each)} does not answer ({each.cause})" for each in report.troubles)
    return f"{words}{hours}{troubles}"


def _row(judgement: Judgement) -> dict[str, str | int]:
    state = judgement.state
    return {
        "event": state.stream.event,
        "status": state.status.value,
        "since": judgement.since.isoformat(timespec="seconds"),
        "newest_loaded_hour": str(state.newest_loaded_hour or ""),
        "deadline": state.deadline.isoformat(timespec="seconds") if state.deadline else "",
        "lag_minutes": -1 if state.lag_seconds is None else int(state.lag_seconds // 60),
        "missing_hours": judgement.missing_hours,
        "run": judgement.failure.run_id if judgement.failure else "",
        "reason": state.reason,
    }


def _describe(found: CustomerFreshness, serious: Sequence[Judgement], doubt: str) -> str:
    if doubt and not serious:
        return f"Not known: {doubt}."
    if not serious:
        return f"All {len(found.judgements)} streams are as fresh as they must be."
    first = serious[0].state
    more = f" and {len(serious) - 1} more" if len(serious) > 1 else ""
    return f"{first.stream.event} is {first.status}: {first.reason}{more}"


def _digest(found: CustomerFreshness) -> str:
    """Return what changes with the result: not with the lag, which always grows."""
    lines = [f"{each.state.stream.event}\n{each.state.status}" for each in found.offenders]
    lines += [f"{status}{count}" for status, count in sorted(found.counts.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
