"""The `registry` sensor: what people change in the registry becomes partitions, back-fills and assets, by itself.

Belongs here: translating a tick. Does not: what follows from a change (`pipeline.registry_sync`,
`pipeline.backfills`), and reloading (`reloading`).
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from clickstream_platform.defs.customer_assets import asset_keys, run_checks
from clickstream_platform.defs.orchestrator import DagsterOrchestrator
from clickstream_platform.defs.partitions import add_events, hour_range_tags
from clickstream_platform.defs.platform import Platform
from clickstream_platform.defs.pods import backfill_pod_tags, describe_outsize
from clickstream_platform.defs.reloading import is_reload_due, reload_if_due
from clickstream_platform.defs.run_logs import follow_tick
from clickstream_platform.defs.sensors import sensor_over
from clickstream_platform.defs.state import (
    CustomerState,
    DefinitionsState,
    describe_clash,
    find_name_clashes,
    read_state,
)
from clickstream_platform.defs.tags import (
    BACKFILL_PRIORITY,
    BACKFILL_TAG,
    CUSTOMER_TAG,
    DIGEST_TAG,
    EVENT_TAG,
    HOUR_TAG,
    IS_BACKFILL,
    MAX_RUNTIME_TAG,
    PRIORITY_TAG,
)
from clickstream_platform.pipeline.backfills import BackfillSearch, BackfillTick, Chunk
from clickstream_platform.pipeline.opening import Pipeline
from clickstream_platform.pipeline.registry_memory import RegistryMemory
from clickstream_platform.pipeline.registry_sync import RegistrySync, SyncTick
from clickstream_platform.registry.entities import Snapshot
from clickstream_platform.settings import Settings

REGISTRY_SENSOR = "registry"
DESCRIPTION = "Follows the registry: partitions of events, back-fills, and a reload when customers changed."
OLD = "this snapshot is older than one that was followed before; waiting for the registry."


def build_registry_sensor(state: DefinitionsState) -> dg.SensorDefinition:
    """Return the sensor that compares the registry with the partitions, and with the state of these definitions."""
    loaded = {customer.slug: customer for customer in state.customers}

    @sensor_over(state, REGISTRY_SENSOR, DESCRIPTION)
    def registry(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
        """Bring partitions and runs to what the registry says; ask for a reload last, since it may end this process."""
        follow_tick(context, REGISTRY_SENSOR)
        pipeline, memory = platform.pipeline, RegistryMemory.from_cursor(context.cursor)
        wiring = pipeline.wiring
        snapshot, now = wiring.registry.snapshot(), wiring.clock.now()
        orchestrator = DagsterOrchestrator(context.instance, [*loaded, *memory.followed], context.log)
        sync = RegistrySync(orchestrator, memory, loaded.keys()).follow(snapshot, now)
        if sync.is_old:
            return dg.SensorResult(skip_reason=f"{OLD} {wiring.registry.describe_age()}", cursor=context.cursor)
        current = read_state(wiring.settings, snapshot, now)
        is_reloading = is_reload_due(state, current, memory.reload, now)  # which may take the rest of the tick's time
        found = BackfillTick() if is_reloading else go_on_with_backfills(pipeline, state, memory, snapshot)
        told, memory.reload = reload_if_due(state, current, memory.reload, wiring.settings, now)
        lines = [wiring.registry.describe_age(), *describe_sync(sync), *describe_backfills(found), told]
        for line in filter(None, lines):
            context.log.info(line)
        clashes = [describe_clash(*each) for each in find_name_clashes(snapshot.customers).items()]
        for line in clashes:
            context.log.error(line)
        requests = [
            _run_request(context.instance, loaded[each.customer], each, state, wiring.settings) for each in found.chunks
        ]
        for line in describe_outsize(requests):
            context.log.warning(line)
        reason = None if requests else "; ".join([told or _idle(sync, found, len(loaded)), *clashes])
        return dg.SensorResult(requests, skip_reason=reason, cursor=memory.to_cursor())

    return registry


def go_on_with_backfills(
    pipeline: Pipeline, state: DefinitionsState, memory: RegistryMemory, snapshot: Snapshot
) -> BackfillTick:
    """Search on for what back-fills need; the object store is opened only where there are any."""
    if not memory.backfills:
        return BackfillTick()
    search = BackfillSearch(
        pipeline.wiring.objects,
        pipeline.discovery,
        pipeline.loaded_digests,
        pipeline.wiring.clock,
        max(state.first_hour, pipeline.settings.first_hour(pipeline.wiring.clock.now())),
        pipeline.settings.retention_days,
        pipeline.settings.max_runs_per_tick,
    )
    return search.go_on(memory, snapshot)


def _run_request(
    instance: dg.DagsterInstance, customer: CustomerState, chunk: Chunk, state: DefinitionsState, settings: Settings
) -> dg.RunRequest:
    """Return the run of one chunk: one event from its first to its last hour."""
    add_events(instance, customer, [chunk.event])
    first, last = chunk.hours[0], chunk.hours[-1]
    tags = {
        **hour_range_tags(chunk.event, first, last),
        CUSTOMER_TAG: customer.slug,
        EVENT_TAG: chunk.event,
        HOUR_TAG: str(first) if first == last else f"{first}/{last}",
        DIGEST_TAG: chunk.digest,
        PRIORITY_TAG: str(BACKFILL_PRIORITY),
        MAX_RUNTIME_TAG: str(state.run_max_seconds),
        BACKFILL_TAG: IS_BACKFILL,
        **backfill_pod_tags(instance, customer, chunk, settings),
    }
    return dg.RunRequest(
        run_key=chunk.run_key,
        asset_selection=list(asset_keys(customer).values()),
        asset_check_keys=run_checks(customer),
        tags=tags,
    )


def describe_sync(tick: SyncTick) -> Iterator[str]:
    """Yield what a person should know of the partitions and runs that a tick touched, a line for each customer."""
    for what, part in (
        ("partitions added for", tick.added),
        ("partitions taken away of", tick.deleted),
        ("runs cancelled:", tick.cancelled),
    ):
        for customer, names in _sorted(part):
            yield f"{customer}: {what} {', '.join(names)}"
    for each in tick.backfills:
        yield f"{each.customer}: {each.event} came into use again; what arrived meanwhile is back-filled"
    if tick.is_cut:
        yield "more customers changed than one tick can follow; the next tick goes on"


def describe_backfills(tick: BackfillTick) -> Iterator[str]:
    """Yield what a person should know of the back-fills that a tick went on with."""
    for each in tick.chunks:
        hours, megabytes = len(each.hours), each.size_bytes / 1_000_000
        ends = f"{each.hours[0]} to {each.hours[-1]}"
        yield f"{each.customer}: back-fill of {each.event}: {hours} hours, {ends}, {megabytes:.1f} MB"
    for done in tick.finished:
        yield f"{done.customer}: all hours of {done.event} that were missing are requested"
    for stream, problem in tick.problems.items():
        yield f"the back-fill of {stream} waits: {problem}"


def _idle(sync: SyncTick, found: BackfillTick, customers: int) -> str:
    if sync.changes or sync.backfills:
        return "; ".join(describe_sync(sync))
    problems = f"; {len(found.problems)} back-fills wait" if found.problems else ""
    return f"all {customers} customers have their assets and partitions{problems}"


def _sorted(part: Mapping[str, list[str]]) -> list[tuple[str, list[str]]]:
    return sorted(part.items())
