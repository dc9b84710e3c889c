"""What one ended run did, from its record and its events.

Belongs here: Dagster's events of a run as `observe.exporter.figures.EndedRun`. Does not: which runs
(`instance_metrics`).

A run's events are read once, when it has ended: all of them are there then, whatever the order in which
several processes committed them. No text of an error is taken from them: it may quote a record.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import DagsterRunStatus, RunRecord
from dagster._core.storage.tags import BACKFILL_ID_TAG, RETRY_NUMBER_TAG, WILL_RETRY_TAG
from dagster_shared.error import SerializableErrorInfo

from clickstream_platform.defs.state import EVENT_TABLES, RAW_BATCHES, RECONCILIATION, STAGED_BATCHES, dagster_name
from clickstream_platform.defs.tags import BACKFILL_PRIORITY, CUSTOMER_TAG, HOUR_TAG, PRIORITY_TAG
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.observe.exporter.figures import BatchDone, CheckState, EndedRun, FailedStream
from clickstream_platform.observe.logs.redaction import redact_secrets
from clickstream_platform.pipeline.reports import StreamStatus

_logger = logging.getLogger(__name__)
PAGE = 1_000
MAX_ERROR_CHARACTERS = 200
_OF_INTEREST = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}
_OUTCOMES = {
    DagsterRunStatus.SUCCESS: "success",
    DagsterRunStatus.FAILURE: "failure",
    DagsterRunStatus.CANCELED: "canceled",
}
_STEP_NAMES = {
    RAW_BATCHES: ("freeze", "seconds"),
    STAGED_BATCHES: ("stage", "seconds_of_the_batch"),
    EVENT_TABLES: ("load", "seconds_of_the_batch"),
}


@dataclass(slots=True)
class _Hour:
    """One customer-hour while its materializations are read; what a batch took is written on each of its streams."""

    counts: StreamCounts = field(default_factory=StreamCounts)
    outcomes: Counter[str] = field(default_factory=Counter)
    batches: dict[str, set[tuple[float, ...]]] = field(default_factory=dict)

    def seconds(self) -> dict[str, float]:
        return {_STEP_NAMES[step][0]: sum(each[0] for each in found) for step, found in self.batches.items()}

    def total(self, position: int) -> int:
        return int(sum(each[position] for each in self.batches.get(EVENT_TABLES, ())))


@dataclass(slots=True)
class _Events:
    """What the events of a run tell."""

    hours: dict[tuple[str, str], _Hour] = field(default_factory=dict)
    checks: list[CheckState] = field(default_factory=list)
    step_retries: int = 0
    failed_streams: list[FailedStream] = field(default_factory=list)
    error: str = ""


def ended_run(
    instance: dg.DagsterInstance, record: RunRecord, slugs: Mapping[str, str], *, with_events: bool = True
) -> EndedRun:
    """Return what a run did, or without its events only how long it took; `slugs` are customers by names in Dagster."""
    run = record.dagster_run
    if CUSTOMER_TAG in run.tags:  # a customer that is newer than what the caller knows
        slugs = {**slugs, dagster_name(run.tags[CUSTOMER_TAG]): run.tags[CUSTOMER_TAG]}
    found = _read_events(instance, run.run_id, slugs) if with_events else _Events()
    batches = tuple(
        BatchDone(customer, hour, done.counts, done.outcomes, done.total(1), done.total(2), done.seconds())
        for (customer, hour), done in found.hours.items()
    )
    return EndedRun(
        run_id=run.run_id,
        customer=customer_of(run, slugs),
        outcome=_OUTCOMES[run.status],
        created_at=record.create_timestamp.replace(tzinfo=UTC),
        started_at=moment(record.start_time),
        ended_at=moment(record.end_time) or record.update_timestamp.replace(tzinfo=UTC),
        is_backfill=is_backfill(run),
        is_retried=run.tags.get(WILL_RETRY_TAG) == "true",
        is_retry=RETRY_NUMBER_TAG in run.tags,
        step_retries=found.step_retries,
        failed_streams=tuple(found.failed_streams),
        error=found.error,
        hour=run.tags.get(HOUR_TAG, ""),
        batches=batches,
        checks=tuple(found.checks),
    )


def is_backfill(run: dg.DagsterRun) -> bool:
    """Whether a run is of a back-fill, a person's or ours: it may wait for as long as there is other work."""
    return BACKFILL_ID_TAG in run.tags or run.tags.get(PRIORITY_TAG) == str(BACKFILL_PRIORITY)


def customer_of(run: dg.DagsterRun, slugs: Mapping[str, str]) -> str | None:
    """Return the slug of the customer whose run it is, also where a person launched it; None for several or none."""
    if CUSTOMER_TAG in run.tags:
        return run.tags[CUSTOMER_TAG]
    found = {key.path[0] for key in run.asset_selection or ()}
    return slugs.get(found.pop()) if len(found) == 1 else None


def _read_events(instance: dg.DagsterInstance, run_id: str, slugs: Mapping[str, str]) -> _Events:
    """Return what a run's events tell, without those that make no sense: they must not keep other runs uncounted."""
    found, senseless = _Events(), Counter[str]()
    for entry in _entries(instance, run_id):
        try:
            _take(entry, found, slugs)
        except Exception as error:  # noqa: BLE001 (anybody may materialize our assets with anything)
            senseless[type(error).__name__] += 1
    if senseless:
        _logger.warning("events of run %s make no sense and are not counted: %s", run_id, dict(senseless))
    return found


def _entries(instance: dg.DagsterInstance, run_id: str) -> Iterator[dg.EventLogEntry]:
    cursor = None
    while True:
        page = instance.get_records_for_run(run_id, cursor, _OF_INTEREST, limit=PAGE)
        yield from (record.event_log_entry for record in page.records)
        if not page.has_more:
            return
        cursor = page.cursor


def _take(entry: dg.EventLogEntry, found: _Events, slugs: Mapping[str, str]) -> None:
    event = entry.dagster_event
    if event is None:
        return
    if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
        _take_materialization(event.step_materialization_data.materialization, found, slugs)
    elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        if check.check_name != RECONCILIATION:
            return  # the checks that watch: a person's run has them too, no later run would end what they found then
        text = first_line(check.description or "")
        failed = not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
        name = check.asset_key.path[0]
        at = datetime.fromtimestamp(entry.timestamp, UTC)
        found.checks.append(CheckState(slugs.get(name, name), check.check_name, failed, at, entry.run_id, text))
    elif event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY:
        found.step_retries += 1
    elif event.event_type is dg.DagsterEventType.STEP_FAILURE:
        data = event.step_failure_data
        told = data.user_failure_data.metadata if data.user_failure_data else {}
        found.failed_streams += _failed_streams(told.get("failed_streams"))
        found.error = "" if found.failed_streams else _innermost_class(data.error)
    elif not found.error and not found.failed_streams:
        found.error = _innermost_class(event.job_failure_data.error) or "RunFailure"


def _take_materialization(found: dg.AssetMaterialization, events: _Events, slugs: Mapping[str, str]) -> None:
    path, partition = found.asset_key.path, found.partition
    if len(path) != 2 or path[1] not in _STEP_NAMES or partition is None:
        return  # an asset of somebody else
    facts = {name: value.value for name, value in found.metadata.items() if not name.startswith("dagster/")}
    hour = str(Hour.from_partition_key(str(partition).rpartition("|")[2]))
    done = events.hours.setdefault((slugs.get(path[0], path[0]), hour), _Hour())
    step, status = path[1], str(facts.get("status"))
    if step == EVENT_TABLES:
        done.outcomes[status] += 1
    if status in (StreamStatus.EMPTY, StreamStatus.ALREADY_LOADED):
        return  # nothing was done for it
    batch = (
        _number(facts, _STEP_NAMES[step][1]),
        _number(facts, "commits_of_the_batch"),
        _number(facts, "copies_of_the_batch"),
    )
    done.batches.setdefault(step, set()).add(batch)
    done.counts = _with(done.counts, step, facts)


def _with(counts: StreamCounts, step: str, facts: Mapping[str, Any]) -> StreamCounts:
    if step == RAW_BATCHES:
        return replace(
            counts,
            objects=counts.objects + int(_number(facts, "objects")),
            bytes=counts.bytes + int(_number(facts, "bytes")),
        )
    if step != EVENT_TABLES:
        return counts
    return replace(
        counts,
        raw=counts.raw + int(_number(facts, "raw_records")),
        rows=counts.rows + int(_number(facts, "rows")),
        duplicates=counts.duplicates + int(_number(facts, "duplicate_records")),
        rejected=counts.rejected + int(_number(facts, "rejected_records")),
        discarded=counts.discarded + int(_number(facts, "discarded_values")),
    )


def _number(facts: Mapping[str, Any], name: str) -> float:
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _failed_streams(table: object) -> list[FailedStream]:
    records: Sequence[dg.TableRecord] = getattr(table, "records", ())
    rows = [record.data for record in records]
    return [FailedStream(str(row.get("event")), str(row.get("hour")), str(row.get("error"))) for row in rows]


def _innermost_class(error: SerializableErrorInfo | None) -> str:
    """Return the class of the error that caused the others; Dagster wraps what an asset raises."""
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.cls_name or "") if error else ""


def first_line(text: str) -> str:
    """Return the first line of a message, cut and without secrets: it goes into alerts."""
    return redact_secrets(next(iter(text.strip().splitlines()), ""))[:MAX_ERROR_CHARACTERS]


def moment(seconds: float | None) -> datetime | None:
    """Return a time of Dagster's as an aware one."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
