"""The collector in front of a real Kinesis server: kinesalite, also when it goes away, comes back, or is not there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from clickstream_platform.collector.ports import SinkRecord, SinkUnavailableError
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.kinesis_producer import KinesisProducer
from clickstream_platform.model.kinesis_records import KinesisEvent, decode_events
from clickstream_platform_tests.collector.running import running_collector, track
from clickstream_platform_tests.kinesis_server import (
    create_kinesis_stream,
    read_kinesis_stream,
    running_kinesis_server,
)


def events_on(endpoint: str, stream_name: str) -> list[KinesisEvent]:
    return [event for record in read_kinesis_stream(endpoint, stream_name) for event in decode_events(record["Data"])]


@pytest.fixture
def producer(kinesis_endpoint: str, kinesis_stream: str) -> Iterator[KinesisProducer]:
    producer = KinesisProducer(kinesis_stream, endpoint_url=kinesis_endpoint, region="us-east-1")
    yield producer
    asyncio.run(producer.close())


def test_200_means_on_the_kinesis_stream(producer: KinesisProducer, kinesis_endpoint: str, kinesis_stream: str) -> None:
    with running_collector(producer) as collector:
        for start in range(0, 100, 20):
            batch = [track(n, properties={"text": "ü🦄" * 50}) for n in range(start, start + 20)]
            assert collector.post("/v1/batch", {"batch": batch}).status_code == 200
            found = events_on(kinesis_endpoint, kinesis_stream)
            assert {event.message_id for event in found} >= {f"m-{n}" for n in range(start + 20)}
    assert len(found) == 100


def test_records_of_one_customer_spread_over_shards(
    producer: KinesisProducer, kinesis_endpoint: str, kinesis_stream: str
) -> None:
    with running_collector(producer) as collector:
        for number in range(40):
            collector.post("/v1/t", track(number))
    shards = [record["ShardId"] for record in read_kinesis_stream(kinesis_endpoint, kinesis_stream)]
    assert {shards.count(shard) >= 5 for shard in set(shards)} == {True}
    assert len(set(shards)) == 2


def test_the_largest_event_fits(producer: KinesisProducer, kinesis_endpoint: str, kinesis_stream: str) -> None:
    event = track(1, properties={"text": ""})
    event["properties"]["text"] = "x" * (1_000_000 - 500 - 6 * 4_096)
    event["messageId"] = "\x01" * 4_096
    with running_collector(producer) as collector:
        assert collector.post("/v1/t", event).json() == {"success": True}
        rejected = collector.post("/v1/batch", {"batch": [track(2, properties={"text": "x" * 1_500_000})]})
        assert rejected.json()["rejected"] == 1
    assert [event.event for event in events_on(kinesis_endpoint, kinesis_stream)].count("order_completed") == 1


def test_kinesis_goes_away_and_comes_back(tmp_path: Path) -> None:
    """No request is refused meanwhile, and every event is there afterwards."""
    with running_kinesis_server() as endpoint:
        stream_name = create_kinesis_stream(endpoint)
        producer = KinesisProducer(stream_name, endpoint_url=endpoint, region="us-east-1")
    port = int(endpoint.rpartition(":")[2])
    with running_collector(producer, spool=tmp_path) as collector:
        codes = [collector.post("/v1/t", track(number)).status_code for number in range(20)]
        assert codes == [200] * 20
        assert collector.metric("clickstream_collector_stored_records_total", way="spool") == 20
        with running_kinesis_server(port=port) as endpoint:
            assert create_kinesis_stream_named(endpoint, stream_name)
            deadline = time.monotonic() + 20
            while len(found := events_on(endpoint, stream_name)) < 20:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            codes = [collector.post("/v1/t", track(number)).status_code for number in range(20, 25)]
            found = events_on(endpoint, stream_name)
    assert codes == [200] * 5
    assert sorted({event.message_id for event in found}) == sorted(f"m-{n}" for n in range(25))


def create_kinesis_stream_named(endpoint: str, name: str) -> bool:
    from clickstream_platform_tests.kinesis_server import kinesis_client, wait_until_active

    kinesis_client(endpoint).create_stream(StreamName=name, ShardCount=1)
    return bool(wait_until_active(endpoint, name))


def test_a_missing_kinesis_stream_is_told_at_the_start(kinesis_endpoint: str) -> None:
    producer = KinesisProducer("nowhere", endpoint_url=kinesis_endpoint, region="us-east-1")
    with pytest.raises(ConfigurationError, match="nowhere"):
        producer.check()
    asyncio.run(producer.close())


def test_an_endpoint_with_a_password_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="holds a user name"):
        KinesisProducer("events", endpoint_url="http://user:secret@127.0.0.1", region="us-east-1")


def test_what_amazon_answers_for_each_record(kinesis_endpoint: str) -> None:
    """Kinesalite never throttles: partial failures are arranged in the form that Amazon documents."""
    records = [SinkRecord("k", b"1"), SinkRecord("k", b"2")]
    producer = KinesisProducer("events", endpoint_url=kinesis_endpoint, region="us-east-1")
    answer: dict[str, Any] = {
        "FailedRecordCount": 1,
        "Records": [
            {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard"},
            {"SequenceNumber": "1", "ShardId": "shardId-000000000000"},
        ],
    }

    async def story() -> None:
        with Stubber(producer._client) as stub:
            stub.add_response("put_records", answer)
            stub.add_client_error("put_records", "ThrottlingException")
            assert await producer.put(records) == ["ProvisionedThroughputExceededException", None]
            with pytest.raises(SinkUnavailableError, match="ThrottlingException"):
                await producer.put(records)
        await producer.close()

    asyncio.run(story())
