"""The reconciliation check as Dagster shows it: passed, or a table of the stream-hours that do not add up.

Belongs here: the result. Does not: the comparison (`load.reconcile`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from clickstream_platform.defs.state import RECONCILIATION
from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.customer_hour import Order
from clickstream_platform.pipeline.opening import Offender, Pipeline

MAX_LISTED = 100


def hours_to_reconcile(pipeline: Pipeline, orders: Sequence[Order]) -> list[Hour]:
    """Return the hours of a run, or the recent ones when the check runs by itself."""
    return [order.hour for order in orders] or pipeline.discovery.recent_hours()


def reconciliation_result(
    asset_key: dg.AssetKey, offenders: Sequence[Offender], hours: Sequence[Hour]
) -> dg.AssetCheckResult:
    """Return the result of the check over these hours: an error when any stream-hour does not add up."""
    metadata: dict[str, Any] = {"hours": len(set(hours)), "stream_hours_in_doubt": len(offenders)}
    if hours:
        metadata |= {"first_hour": str(min(hours)), "last_hour": str(max(hours))}
    if offenders:
        metadata["offenders"] = dg.MetadataValue.table([dg.TableRecord(_row(each)) for each in offenders[:MAX_LISTED]])
    return dg.AssetCheckResult(
        asset_key=asset_key,
        check_name=RECONCILIATION,
        passed=not offenders,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
        description=_describe(offenders),
    )


def _row(offender: Offender) -> dict[str, str | int]:
    return {"event": offender.event, "hour": str(offender.hour), "problem": offender.problem}


def _describe(offenders: Sequence[Offender]) -> str:
    if not offenders:
        return (
            "Every stream-hour adds up: raw = loaded + duplicates + rejected, and the tables hold what the ledger says."
        )
    first = offenders[0]
    return f"{len(offenders)} stream-hours don't add up, such as {first.event} {first.hour}: {first.problem}"
