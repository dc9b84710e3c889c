"""The `unusual` sensor and the checks `duration`, `volume` and `content`: hours far from their stream's own history.

Belongs here: what Dagster is shown. Does not: judging (`pipeline.unusual`).
"""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg

from clickstream_platform.defs.platform import Platform
from clickstream_platform.defs.run_logs import follow_tick
from clickstream_platform.defs.state import CustomerState, DefinitionsState
from clickstream_platform.defs.telling import Offer, Told, loaded_at, tables_of
from clickstream_platform.pipeline.opening import Pipeline
from clickstream_platform.pipeline.unusual.hours import CONTENT, DURATION, VOLUME
from clickstream_platform.pipeline.unusual.opening import open_unusual_watch
from clickstream_platform.pipeline.unusual.watching import CustomerUnusual, UnusualMemory, UnusualReport

UNUSUAL_SENSOR = "unusual"
MIN_INTERVAL_SECONDS = 300
MAX_LISTED = 100
CHECKS = {
    DURATION: "No load took far longer than this stream's loads do.",
    VOLUME: "No stream has far more or far fewer records than it uses to have at this hour.",
    CONTENT: "No stream has an unusual share of rejected records, discarded values or duplicates.",
}


@dataclass
class _Kept:
    """What the process remembers between two ticks."""

    memory: UnusualMemory = field(default_factory=UnusualMemory)
    lock: threading.Lock = field(default_factory=threading.Lock)


def build_unusual_sensor(state: DefinitionsState) -> dg.SensorDefinition:
    """Return the sensor over all customers."""
    customers, kept = {customer.slug: customer for customer in state.customers}, _Kept()
    keys = {_key(slug, check): (slug, check) for slug in customers for check in CHECKS}

    @dg.sensor(
        name=UNUSUAL_SENSOR,
        asset_selection=dg.AssetSelection.assets(*(tables_of(each) for each in state.customers)),
        minimum_interval_seconds=max(MIN_INTERVAL_SECONDS, state.sensor_interval_seconds),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Compares each stream's newest loaded hour with its history and reports the checks.",
    )
    def unusual(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult | dg.SkipReason:
        """Judge what was loaded since the last tick; report what changed."""
        follow_tick(context, UNUSUAL_SENSOR)
        if not kept.lock.acquire(blocking=False):
            return dg.SkipReason("the look of an earlier tick is not done yet")
        try:
            report = open_unusual_watch(platform.pipeline.wiring, memory=kept.memory).look()
        finally:
            kept.lock.release()
        told = Told.from_cursor(context.cursor)
        found = {slug: each for slug, each in report.customers.items() if slug in customers}
        loaded = loaded_at(context.instance, state.customers)
        offers = [
            offer(each, check, loaded.get(slug)) for slug, each in found.items() for check in CHECKS if each.verdicts
        ]
        events = [
            evaluation(customers[slug], found[slug], check)
            for slug, check in (keys[key] for key in told.choose(offers, report.at))
        ]
        return dg.SensorResult(asset_events=events, cursor=told.to_cursor(keys), skip_reason=describe(report))

    return unusual


def build_unusual_checks(customer: CustomerState) -> dg.AssetChecksDefinition:
    """Return the checks, which executed in the UI look at this customer alone."""
    specs = [dg.AssetCheckSpec(name, asset=tables_of(customer), description=text) for name, text in CHECKS.items()]

    @dg.multi_asset_check(name=f"unusual_{customer.name}", specs=specs, can_subset=True)
    def unusual(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterator[dg.AssetCheckResult]:
        """Judge the newest hour of every stream."""
        found = look_at_one(platform.pipeline, customer.slug)
        for key in sorted(context.selected_asset_check_keys, key=lambda each: each.name):
            yield result(customer, found, key.name)

    return unusual


def look_at_one(pipeline: Pipeline, customer: str) -> CustomerUnusual:
    """Return what is unusual of one customer; nothing for one that is not there."""
    report = open_unusual_watch(pipeline.wiring, customer=customer).look()
    return report.customers.get(customer) or CustomerUnusual(customer)


def offer(found: CustomerUnusual, check: str, loaded_at: datetime | None) -> Offer:
    """Return a check's result as one that may be told: it changes with the hours that were judged."""
    findings = found.findings(check)
    lines = [f"{each.kind}|{each.event}|{each.detail['hour']}" for each in findings]
    lines += [str(max((verdict.hour for verdict in found.verdicts), default=""))]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
    return Offer(_key(found.customer, check), digest, bool(findings), loaded_at)


def evaluation(customer: CustomerState, found: CustomerUnusual, check: str) -> dg.AssetCheckEvaluation:
    """Return the result of a check as an event."""
    each = result(customer, found, check)
    return dg.AssetCheckEvaluation(
        asset_key=tables_of(customer),
        check_name=check,
        passed=each.passed,
        metadata=each.metadata,
        severity=each.severity,
        description=each.description,
    )


def result(customer: CustomerState, found: CustomerUnusual, check: str) -> dg.AssetCheckResult:
    """Return the result of a check: a warning with a row for each finding; what is unusual need not be wrong."""
    findings = found.findings(check)
    metadata: dict[str, Any] = {"streams_judged": len(found.verdicts), "findings": len(findings)}
    if check == VOLUME:
        metadata["histories_too_short"] = found.short_histories
    if findings:
        rows = [
            dg.TableRecord(
                {
                    "event": each.event or "",
                    "kind": each.kind,
                    "hour": str(each.detail["hour"]),
                    "value": float(each.detail["value"]),
                    "expected": float(each.detail.get("expected", -1)),
                    "summary": each.summary,
                }
            )
            for each in findings[:MAX_LISTED]
        ]
        metadata["offenders"] = dg.MetadataValue.table(rows)
    short = f"; {found.short_histories} histories are too short to say" if check == VOLUME else ""
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    good = f"Nothing unusual in the newest hour of {len(found.verdicts)} streams{short}."
    return dg.AssetCheckResult(
        asset_key=tables_of(customer),
        check_name=check,
        passed=not findings,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
        description=f"{findings[0].summary}{more}" if findings else good,
    )


def describe(report: UnusualReport) -> str:
    """Say in one line what a look found."""
    judged = sum(len(each.verdicts) for each in report.customers.values())
    waiting = f"; {report.waiting} customers wait for the next tick" if report.waiting else ""
    unread = f"; ledgers of {len(report.unread)} customers do not answer" if report.unread else ""
    return f"{len(report.findings())} findings in the newest hour of {judged} streams{waiting}{unread}"


def _key(customer: str, check: str) -> str:
    return f"{customer}|{check}"
