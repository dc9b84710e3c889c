"""How a stream-hour's report looks in Dagster: one materialization per step with the facts a data engineer asks for.

Belongs here: metadata. Does not: numbers that the report does not have.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from clickstream_platform.defs.partitions import partition_key
from clickstream_platform.defs.state import EVENT_TABLES, RAW_BATCHES, STAGED_BATCHES
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.object_keys import manifest_key
from clickstream_platform.model.schemas import Column
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.reports import CustomerHourReport, StreamReport, StreamStatus

_UNFINISHED = {StreamStatus.SKIPPED, StreamStatus.FAILED}
_LOADED = {StreamStatus.LOADED, StreamStatus.ALREADY_LOADED, StreamStatus.EMPTY}


def materializations(report: CustomerHourReport, keys: dict[str, dg.AssetKey]) -> Iterator[dg.AssetMaterialization]:
    """Yield the materializations of the steps (of `keys`, step -> asset) that each stream of the report completed."""
    steps = ((RAW_BATCHES, _raw), (STAGED_BATCHES, _staged), (EVENT_TABLES, _table))
    for stream in report.streams:
        for step, describe in steps:
            if step in keys and _is_done(stream, step):
                metadata = {"status": stream.status.value, **describe(report, stream)}
                yield dg.AssetMaterialization(
                    keys[step], partition=partition_key(stream.event, report.hour), metadata=metadata
                )


def _is_done(stream: StreamReport, step: str) -> bool:
    if stream.status == StreamStatus.EMPTY:
        return True
    if step == RAW_BATCHES:
        return stream.manifest is not None and stream.status != StreamStatus.SKIPPED
    if step == STAGED_BATCHES:
        return stream.staged and stream.status != StreamStatus.SKIPPED
    return stream.status in _LOADED


def _raw(report: CustomerHourReport, stream: StreamReport) -> dict[str, Any]:
    if stream.manifest is None:
        return {"objects": 0, "bytes": 0}
    key = manifest_key(report.hour, Stream(report.customer, stream.event))
    return {
        "objects": len(stream.manifest.objects),
        "bytes": stream.manifest.size_bytes,
        "manifest": key,
        "digest": stream.manifest.digest,
        "seconds": _seconds(report, "freeze"),
    }


def _staged(report: CustomerHourReport, stream: StreamReport) -> dict[str, Any]:
    quarantine = {"quarantine": stream.quarantine_key} if stream.quarantine_key else {}
    contract: dict[str, Any] = {}
    if stream.contract_version is not None:
        contract = {"contract_version": stream.contract_version, "broken_records": stream.broken_records}
    return {**_counts(stream.counts), **quarantine, **contract, "seconds_of_the_batch": _seconds(report, "stage")}


def _table(report: CustomerHourReport, stream: StreamReport) -> dict[str, Any]:
    counts = _counts(stream.counts)
    found: dict[str, Any] = {"dagster/row_count": counts["rows"], **counts}
    if stream.table:
        found["dagster/table_name"] = f"{report.schema or report.customer}.{stream.table}"
    if stream.columns:
        found["dagster/column_schema"] = dg.TableSchema([_column(column) for column in stream.columns])
    if stream.manifest:
        found["digest"] = stream.manifest.digest
    batch = {"commits_of_the_batch": report.commits, "copies_of_the_batch": report.copies}
    return {**found, **batch, "seconds_of_the_batch": _seconds(report, "load")}


def _counts(counts: StreamCounts | None) -> dict[str, int]:
    counts = counts or StreamCounts()
    return {
        "raw_records": counts.raw,
        "rows": counts.rows,
        "duplicate_records": counts.duplicates,
        "rejected_records": counts.rejected,
        "discarded_values": counts.discarded,
    }


def _column(column: Column) -> dg.TableColumn:
    return dg.TableColumn(column.name, f"varchar({column.length})" if column.length else column.type.value)


def _seconds(report: CustomerHourReport, step: str) -> float:
    return round(report.seconds.get(step, 0.0), 3)
