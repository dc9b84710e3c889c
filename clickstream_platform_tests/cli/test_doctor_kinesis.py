"""What the doctor says of the Kinesis stream and its batchers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clickstream_platform.batcher.consumer import ShardInfo
from clickstream_platform.doctor.findings import Finding, Status
from clickstream_platform.doctor.kinesis import check_kinesis, judge_leases
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import lease_table

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def statuses(found: list[Finding]) -> dict[str, Status]:
    return {each.check: each.status for each in found}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, kinesis_stream="events", kinesis_region="us-east-1")


def test_without_a_kinesis_stream_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert list(check_kinesis(Settings(home=tmp_path), FixedClock(NOW))) == []


def test_a_stream_that_is_missing_and_one_that_nobody_reads(
    settings: Settings, kinesis_endpoint: str, kinesis_stream: str
) -> None:
    settings = settings.model_copy(update={"kinesis_endpoint_url": kinesis_endpoint})
    missing = list(check_kinesis(settings, FixedClock(NOW)))
    assert statuses(missing) == {"shards": Status.FAIL}
    assert missing[0].remedy
    settings = settings.model_copy(update={"kinesis_stream": kinesis_stream})
    unread = list(check_kinesis(settings, FixedClock(NOW)))
    assert statuses(unread) == {"shards": Status.OK, "batcher": Status.WARN}
    assert not (settings.home / "batcher.db").exists(), "the doctor only looks"


def test_leases_are_judged_by_owners_and_by_how_far_they_are(settings: Settings) -> None:
    table = lease_table(settings)
    table.add([ShardInfo("shardId-000000000000"), ShardInfo("shardId-000000000001")], Hour.of(NOW))

    def judged(now: datetime = NOW) -> dict[str, Status]:
        return statuses(list(judge_leases(table.list_leases(), settings, now)))

    assert judged() == {"batcher": Status.WARN, "written": Status.WARN}
    for lease in table.list_leases():
        taken = table.take(lease, "me")
        assert taken is not None
        table.change(taken, replace(taken, position="1", watermark_ms=int(NOW.timestamp() * 1_000)))
    assert judged() == {"batcher": Status.OK, "written": Status.OK}
    assert judged(NOW + timedelta(seconds=900)) == {"batcher": Status.OK, "written": Status.OK}
    assert judged(NOW + timedelta(seconds=1_000)) == {"batcher": Status.OK, "written": Status.WARN}
    table.release(table.list_leases()[0])
    assert judged() == {"batcher": Status.WARN, "written": Status.OK}
    table.close()
