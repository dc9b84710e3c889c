"""The assets of one customer: `raw_batches` -> `staged_batches` -> `event_tables`, loaded by one op.

One op, because a failed event in one step must not keep the next step from running for the others; it logs a
materialization for each partition that it finished, which gives each stream-hour a status of its own. Belongs here:
definitions and the op. Does not: what loading means (`pipeline.customer_hour`).
"""

from collections.abc import Iterator

import dagster as dg

from clickstream_platform.defs.failures import exception_for, exception_of, fit_to_keep
from clickstream_platform.defs.freshness import freshness_policy
from clickstream_platform.defs.materializations import materializations
from clickstream_platform.defs.partitions import customer_partitions, orders_of
from clickstream_platform.defs.platform import Platform
from clickstream_platform.defs.reconciliation import hours_to_reconcile, reconciliation_result
from clickstream_platform.defs.run_logs import link_metadata, run_log_context, tag_with_link
from clickstream_platform.defs.state import (
    EVENT_TABLES,
    RAW_BATCHES,
    RECONCILIATION,
    STAGED_BATCHES,
    STEPS,
    CustomerState,
    DefinitionsState,
)
from clickstream_platform.pipeline.customer_hour import Goal

GOALS = {RAW_BATCHES: Goal.FREEZE, STAGED_BATCHES: Goal.STAGE, EVENT_TABLES: Goal.LOAD}
DESCRIPTIONS = {
    RAW_BATCHES: "The raw objects of each stream-hour, frozen in a manifest: what exactly is loaded.",
    STAGED_BATCHES: "The same records as typed, flattened, de-duplicated Parquet; rejected records are in quarantine.",
    EVENT_TABLES: "One table per event in the customer's schema, complete for every hour that is green.",
}


def asset_keys(customer: CustomerState) -> dict[str, dg.AssetKey]:
    """Return the customer's asset of each step."""
    return {step: dg.AssetKey([customer.name, step]) for step in STEPS}


def run_checks(customer: CustomerState) -> list[dg.AssetCheckKey]:
    """Return the checks that a run of the customer's assets executes: the others watch from outside."""
    return [dg.AssetCheckKey(asset_keys(customer)[EVENT_TABLES], RECONCILIATION)]


def build_customer_assets(customer: CustomerState, state: DefinitionsState) -> dg.AssetsDefinition:
    """Return the customer's three assets and their reconciliation check."""
    keys = asset_keys(customer)

    @dg.multi_asset(
        name=f"load_{customer.name}",
        specs=_specs(customer, state, keys),
        check_specs=[_check(keys[EVENT_TABLES])],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=customer.pool,
    )
    def load(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[dg.AssetCheckResult]:
        """Load the partitions of this run and raise one failure for all streams that failed."""
        selected = {step: key for step, key in keys.items() if key in context.selected_asset_keys}
        orders = orders_of(customer, context.partition_keys if selected else ())
        goal = max((GOALS[step] for step in selected), default=Goal.FREEZE)
        reports = []
        logs = link_metadata(tag_with_link(context.instance, context.run, platform.pipeline.settings))
        try:
            with run_log_context(context.run):
                for report in platform.pipeline.customer_hours.process_many(
                    orders, context.run.run_id, context.log.info, goal
                ):
                    reports.append(report)
                    for materialization in materializations(report, selected):
                        context.log_event(materialization.with_metadata({**materialization.metadata, **logs}))
            if context.selected_asset_check_keys:
                hours = hours_to_reconcile(platform.pipeline, orders)
                yield reconciliation_result(
                    keys[EVENT_TABLES], platform.pipeline.reconcile(customer.slug, hours), hours
                )
        except Exception as error:  # noqa: BLE001 (Dagster would keep what it quotes)
            kept = fit_to_keep(error)
            raise exception_for(kept, context.retry_number) from kept
        if (exception := exception_of(reports, context.retry_number)) is not None:
            raise exception

    return load


def _specs(customer: CustomerState, state: DefinitionsState, keys: dict[str, dg.AssetKey]) -> list[dg.AssetSpec]:
    partitions = customer_partitions(customer, state.first_hour)
    kinds = {RAW_BATCHES: {"json"}, STAGED_BATCHES: {"parquet"}, EVENT_TABLES: {customer.kind, "table"}}
    before = {STAGED_BATCHES: [keys[RAW_BATCHES]], EVENT_TABLES: [keys[STAGED_BATCHES]]}
    return [
        dg.AssetSpec(
            keys[step],
            deps=before.get(step, []),
            description=DESCRIPTIONS[step],
            group_name=customer.name,
            partitions_def=partitions,
            skippable=True,
            kinds=kinds[step],
            freshness_policy=freshness_policy(customer) if step == EVENT_TABLES else None,
            owners=[state.asset_owner],
            metadata={
                "customer": customer.slug,
                "customer_name": customer.display_name,
                "destination": customer.destination,
            },
        )
        for step in STEPS
    ]


def _check(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    description = "raw = loaded + duplicates + rejected for every stream-hour, and the table holds the loaded rows."
    return dg.AssetCheckSpec(RECONCILIATION, asset=asset, blocking=False, description=description)
