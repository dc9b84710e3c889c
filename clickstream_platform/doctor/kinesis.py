"""Checks of the way in: is the Kinesis stream there, and does somebody read all of it.

Belongs here: looking. Does not: collector and batcher, whose own health is on their ports.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from clickstream_platform.batcher.leases import Lease, common_watermark_ms, has_work
from clickstream_platform.doctor.findings import Finding, Status, attempt, of_error, ok, warn
from clickstream_platform.errors import ClickstreamError
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import kinesis_reader, lease_table

PART = "Kinesis stream"
SLACK_SECONDS = 600
"""A batcher may be so much later than the age of a batch and its grace, which writing and a take-over may cost."""
_SQLITE = "sqlite:///"


def check_kinesis(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Yield the findings about the Kinesis stream and its batchers; none where the settings name no stream."""
    if not settings.kinesis_stream:
        return
    name = settings.kinesis_stream
    shards = attempt(PART, "shards", lambda: f"{name}: {len(kinesis_reader(settings, clock).list_shards())}")
    yield shards
    if shards.status is Status.FAIL:
        return
    start = "Start one with `clickstream batcher`; the Kinesis stream keeps what comes for its retention only."
    if settings.leases.startswith(_SQLITE) and not Path(settings.leases.removeprefix(_SQLITE)).exists():
        yield warn(PART, "batcher", f"none has run yet: {settings.leases} is not there", start)
        return
    try:
        table = lease_table(settings)
        try:
            leases = table.list_leases()
        finally:
            table.close()
    except ClickstreamError as error:
        yield of_error(PART, "leases", error)
        return
    yield from judge_leases(leases, settings, clock.now())


def judge_leases(leases: Sequence[Lease], settings: Settings, now: datetime) -> Iterator[Finding]:
    """Yield the findings about leases: does everything have an owner, and how far is all of it written."""
    by_shard = {lease.shard_id: lease for lease in leases}
    working = [lease for lease in leases if has_work(lease, by_shard)]
    idle = [lease.shard_id for lease in working if lease.owner is None]
    start = "Start a batcher with `clickstream batcher`, or see its log."
    if not working or idle:
        detail = f"nobody reads {', '.join(idle[:5])}" if idle else "it has no leases yet"
        yield warn(PART, "batcher", f"{settings.application}: {detail}", start)
    else:
        owners = {lease.owner for lease in working}
        yield ok(PART, "batcher", f"{settings.application}: {len(working)} leases of {len(owners)} instances")
    mark = common_watermark_ms(leases)
    if mark is None:
        yield warn(PART, "written", "a shard was not read yet", start)
        return
    behind = (now - datetime.fromtimestamp(mark / 1_000, UTC)).total_seconds()
    text = f"every shard up to {behind:,.0f} s ago"
    if behind <= settings.batcher_batch_seconds + settings.batcher_failover_seconds + SLACK_SECONDS:
        yield ok(PART, "written", text)
    else:
        remedy = "`clickstream shards` names the shard that is behind; see the log of its batcher."
        yield warn(PART, "written", text, remedy)
