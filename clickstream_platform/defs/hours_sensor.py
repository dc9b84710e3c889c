"""The `hours` sensor: customer-hours that are ready become runs, one each, named after their objects.

Belongs here: making partitions and run requests, and saying what a tick saw. Does not: what is ready
(`pipeline.planning`).
"""

from collections.abc import Collection, Sequence
from functools import partial

import dagster as dg

from clickstream_platform.defs.customer_assets import asset_keys, run_checks
from clickstream_platform.defs.partitions import add_events, event_range_tags
from clickstream_platform.defs.platform import Platform
from clickstream_platform.defs.pods import describe_outsize, hour_pod_tags
from clickstream_platform.defs.run_logs import follow_tick
from clickstream_platform.defs.sensors import sensor_over
from clickstream_platform.defs.state import CustomerState, DefinitionsState
from clickstream_platform.defs.tags import (
    CUSTOMER_TAG,
    DIGEST_TAG,
    HOUR_TAG,
    MAX_AGE_HOURS,
    MAX_RUNTIME_TAG,
    PRIORITY_TAG,
    RUN_KEY_TAG,
)
from clickstream_platform.pipeline.admission import Admission
from clickstream_platform.pipeline.discovery import CustomerHour
from clickstream_platform.pipeline.hour_memory import HourMemory
from clickstream_platform.pipeline.planning import HoursTick, TickPlanner
from clickstream_platform.registry.entities import EventState
from clickstream_platform.registry.refusals import NotFoundError

HOURS_SENSOR = "hours"
DESCRIPTION = "Requests a run per customer-hour that is sealed, closed by time, or re-opened by a late object."
RUN_KEYS_PER_QUERY = 200
_REMOVED = frozenset({EventState.REMOVED})
MAX_SKIPPED_LINES = 50


def build_hours_sensor(state: DefinitionsState) -> dg.SensorDefinition:
    """Return the sensor over all customers: they share one listing of each hour."""
    customers = {customer.slug: customer for customer in state.customers}

    @sensor_over(state, HOURS_SENSOR, DESCRIPTION)
    def hours(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
        """Look for ready customer-hours and request their runs."""
        follow_tick(context, HOURS_SENSOR)
        pipeline, memory = platform.pipeline, HourMemory.from_cursor(context.cursor)
        find_requested = partial(requested_run_keys, context.instance)
        limit = pipeline.settings.max_runs_per_tick
        registry, store = pipeline.wiring.registry, pipeline.wiring.objects
        tick = TickPlanner(pipeline.discovery, registry, customers, find_requested, limit, store).plan(memory)
        for line in describe_tick(tick):
            context.log.info(line)
        requests = [
            request
            for each, admission in tick.requests
            if (request := _run_request(context.instance, customers[each.customer], each, admission, platform, state))
        ]
        for line in describe_outsize(requests):
            context.log.warning(line)
        cursor = memory.to_cursor()
        return (
            dg.SensorResult(requests, cursor=cursor)
            if requests
            else dg.SensorResult(skip_reason=_idle(tick), cursor=cursor)
        )

    return hours


def requested_run_keys(instance: dg.DagsterInstance, run_keys: Sequence[str]) -> Collection[str]:
    """Return which of these run keys have a run already, whatever became of it."""
    found: set[str] = set()
    for start in range(0, len(run_keys), RUN_KEYS_PER_QUERY):
        tags = {RUN_KEY_TAG: list(run_keys[start : start + RUN_KEYS_PER_QUERY])}
        found |= {run.tags[RUN_KEY_TAG] for run in instance.get_runs(dg.RunsFilter(tags=tags))}
    return found


def _run_request(
    instance: dg.DagsterInstance,
    customer: CustomerState,
    each: CustomerHour,
    admission: Admission,
    platform: Platform,
    state: DefinitionsState,
) -> dg.RunRequest | None:
    """Return the run of one customer-hour: all events of the customer, so that those without objects get their zero.

    None when the customer, or all of these events, were removed while the tick went on: adding one again back-fills it.
    """
    try:
        removed = {event.slug for event in platform.pipeline.wiring.registry.list_events(customer.slug, _REMOVED)}
    except NotFoundError:
        return None
    # Partitions of a removed event may be taken away before the run starts, and it needs both ends of its range.
    events = [event for event in add_events(instance, customer, admission.events) if event not in removed]
    if not events:
        return None
    age_hours = int((platform.pipeline.wiring.clock.now() - each.hour.start).total_seconds() // 3600)
    tags = {
        **event_range_tags(events, each.hour),
        CUSTOMER_TAG: customer.slug,
        HOUR_TAG: str(each.hour),
        DIGEST_TAG: each.digest,
        PRIORITY_TAG: str(-min(age_hours, MAX_AGE_HOURS)),  # fresh hours before a backlog
        MAX_RUNTIME_TAG: str(state.run_max_seconds),
        **hour_pod_tags(instance, customer, each, platform.pipeline.settings),
    }
    return dg.RunRequest(
        run_key=each.run_key,
        asset_selection=list(asset_keys(customer).values()),
        asset_check_keys=run_checks(customer),
        tags=tags,
    )


def describe_tick(tick: HoursTick) -> list[str]:
    """Return what a person should know of a tick, a line each."""
    lines = [
        f"looked at {tick.hours_looked_at} hours, {tick.hours_changed} changed, {len(tick.requests)} runs to request"
    ]
    lines += [
        f"{each.customer} {each.hour}: {event} is not loaded: {reason}"
        for each, event, reason in tick.skipped[:MAX_SKIPPED_LINES]
    ]
    if len(tick.skipped) > MAX_SKIPPED_LINES:
        lines.append(f"{len(tick.skipped) - MAX_SKIPPED_LINES} more stream-hours are not loaded")
    lines += [f"{customer}: not loaded: {reason}" for customer, reason in sorted(tick.refused.items())]
    if tick.without_assets:
        names = ", ".join(sorted(tick.without_assets))
        lines.append(
            f"objects of customers without assets wait for them: {names}. Known customers get theirs by a reload"
        )
    for reason, count in sorted(tick.ignored.counts.items()):
        lines.append(f"ignored {count} objects ({reason}), such as {', '.join(tick.ignored.examples[reason])}")
    if tick.is_cut:
        lines.append("more is ready than one tick may request; the next tick goes on")
    return lines


def _idle(tick: HoursTick) -> str:
    waiting = f"; {tick.open_hours} customer-hours are still open" if tick.open_hours else ""
    without = f"; {len(tick.without_assets)} customers have no assets yet" if tick.without_assets else ""
    return f"nothing new in {tick.hours_looked_at} hours{waiting}{without}"
