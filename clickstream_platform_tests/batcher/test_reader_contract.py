"""What every reader of shards promises, held against the fake and against a real Kinesis server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from clickstream_platform.batcher.consumer import (
    ShardGoneError,
    ShardReader,
    ShardRecord,
    ShardsUnavailableError,
)
from clickstream_platform.batcher.memory_shards import HASH_KEYS, MemoryShards
from clickstream_platform.gateways.kinesis_reader import KinesisReader
from clickstream_platform_tests.kinesis_server import create_kinesis_stream, kinesis_client, wait_until_active
from clickstream_platform_tests.servers import CREDENTIALS


@dataclass
class Subject:
    """A reader, and how to change the Kinesis stream that it reads."""

    reader: ShardReader
    put: Callable[[str, bytes], object]
    split: Callable[[str], object]
    merge: Callable[[str, str], object]


def fake() -> Subject:
    shards = MemoryShards(lambda: int(datetime.now(UTC).timestamp() * 1_000))
    return Subject(shards, shards.put, shards.split, shards.merge)


def real(endpoint: str) -> Subject:
    stream, client = create_kinesis_stream(endpoint), kinesis_client(endpoint)

    def put(key: str, data: bytes) -> None:
        client.put_record(StreamName=stream, PartitionKey=key, Data=data)

    def split(shard: str) -> None:
        found = next(each for each in wait_until_active(endpoint, stream) if each["ShardId"] == shard)
        low, high = (int(found["HashKeyRange"][key]) for key in ("StartingHashKey", "EndingHashKey"))
        client.split_shard(StreamName=stream, ShardToSplit=shard, NewStartingHashKey=str((low + high + 1) // 2))
        wait_until_active(endpoint, stream)

    def merge(first: str, second: str) -> None:
        client.merge_shards(StreamName=stream, ShardToMerge=first, AdjacentShardToMerge=second)
        wait_until_active(endpoint, stream)

    region = CREDENTIALS["AWS_DEFAULT_REGION"]
    return Subject(KinesisReader(stream, endpoint_url=endpoint, region=region, pause_seconds=0.0), put, split, merge)


@pytest.fixture(params=["fake", "kinesalite"])
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "fake":
        return fake()
    return real(request.getfixturevalue("kinesis_endpoint"))


def read_all(subject: Subject, shard_id: str, position: str = "") -> tuple[list[ShardRecord], bool]:
    """Read until nothing more comes; return the records and whether the shard ended."""
    cursor = subject.reader.open(shard_id, position)
    found: list[ShardRecord] = []
    for _ in range(100):
        read = cursor.read()
        found += read.records
        if read.is_end or (not read.behind_ms and not read.records):
            return found, read.is_end
    pytest.fail("the shard never came to its end")


def only_shard(subject: Subject) -> str:
    (shard,) = subject.reader.list_shards()
    assert shard.parents == ()
    return shard.shard_id


def test_records_come_once_in_the_order_of_their_numbers_with_their_bytes(subject: Subject) -> None:
    data = [b"%d \xff\n" % n for n in range(30)]
    for each in data:
        subject.put("key", each)

    found, is_end = read_all(subject, only_shard(subject))

    assert [record.data for record in found] == data
    assert [record.sequence for record in found] == sorted({record.sequence for record in found})
    assert all(abs(record.arrived_ms / 1_000 - datetime.now(UTC).timestamp()) < 60 for record in found)
    assert not is_end


def test_reading_goes_on_behind_a_sequence_number_and_from_a_time(subject: Subject) -> None:
    for n in range(5):
        subject.put("key", b"%d" % n)
    shard = only_shard(subject)
    found, _ = read_all(subject, shard)

    assert read_all(subject, shard, str(found[1].sequence))[0] == found[2:]
    assert read_all(subject, shard, str(found[-1].sequence))[0] == []
    assert read_all(subject, shard, "@0")[0] == found


def test_a_cursor_sees_what_comes_later_and_an_empty_shard_is_not_behind(subject: Subject) -> None:
    cursor = subject.reader.open(only_shard(subject), "")
    first = cursor.read()
    assert (list(first.records), first.behind_ms, first.is_end) == ([], 0, False)

    subject.put("key", b"later")

    assert [record.data for record in cursor.read().records] == [b"later"]


def test_a_split_shard_ends_and_its_children_name_it(subject: Subject) -> None:
    subject.put("key", b"before")
    parent = only_shard(subject)
    subject.split(parent)
    subject.put("key", b"after")

    found, is_end = read_all(subject, parent)
    assert ([record.data for record in found], is_end) == ([b"before"], True)
    assert read_all(subject, parent, str(found[0].sequence)) == ([], True)
    children = [shard for shard in subject.reader.list_shards() if shard.parents == (parent,)]
    assert len(children) == 2
    after = [record.data for child in children for record in read_all(subject, child.shard_id)[0]]
    assert after == [b"after"]


def test_merged_shards_end_and_their_child_names_both(subject: Subject) -> None:
    parent = only_shard(subject)
    subject.split(parent)
    pair = sorted(shard.shard_id for shard in subject.reader.list_shards() if shard.parents == (parent,))
    subject.merge(*pair)

    assert all(read_all(subject, shard)[1] for shard in pair)
    (child,) = (shard for shard in subject.reader.list_shards() if len(shard.parents) == 2)
    assert sorted(child.parents) == pair


def test_a_shard_that_is_not_there_is_an_error(subject: Subject) -> None:
    with pytest.raises(ShardGoneError):
        subject.reader.open("shardId-000000000099", "").read()


def test_the_fake_fails_when_told_to_and_loses_nothing() -> None:
    subject = fake()
    subject.put("key", b"1")
    cursor = subject.reader.open("shardId-000000000000", "")
    assert isinstance(subject.reader, MemoryShards)
    subject.reader.fail_next(ShardsUnavailableError("reading"))
    with pytest.raises(ShardsUnavailableError):
        cursor.read()
    assert len(cursor.read().records) == 1
    assert HASH_KEYS == 2**128


def test_throttling_is_retryable_and_an_old_iterator_is_replaced(
    kinesis_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = real(kinesis_endpoint)
    for n in range(4):
        subject.put("key", b"%d" % n)
    assert isinstance(subject.reader, KinesisReader)
    cursor = subject.reader.open(only_shard(subject), "")
    assert len(cursor.read().records) == 4
    subject.put("key", b"4")
    ask, codes = subject.reader.ask, ["ProvisionedThroughputExceededException", "ExpiredIteratorException"]

    def failing(operation: str, **request: Any) -> dict[str, Any]:
        if operation == "get_records" and codes:
            from clickstream_platform.gateways.kinesis_reader import _meaning

            raise _meaning(operation, "stream", codes.pop(0))
        return ask(operation, **request)

    monkeypatch.setattr(subject.reader, "ask", failing)
    with pytest.raises(ShardsUnavailableError):
        cursor.read()
    assert [record.data for record in cursor.read().records] == [b"4"]
    assert codes == []
