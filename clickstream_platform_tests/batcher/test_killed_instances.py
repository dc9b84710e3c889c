"""The command itself, killed, added and taken away again and again while a real Kinesis stream is split and merged.

All under load; CLICKSTREAM_TEST_KILLS says how often. In one process, and at every step of the work, it is done by
`test_instances` and `test_crashes`; with a collector and rows by `chaos.test_kills`.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clickstream_platform.batcher.lease_table import SqlLeaseTable
from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.gateways.stores import open_object_store
from clickstream_platform.model.kinesis_records import encode_event
from clickstream_platform.model.object_keys import RAW_PREFIX
from clickstream_platform_tests.batcher.world import event
from clickstream_platform_tests.kinesis_server import create_kinesis_stream, kinesis_client, wait_until_active
from clickstream_platform_tests.s3_server import create_bucket
from clickstream_platform_tests.servers import CREDENTIALS

KILLS = int(os.environ.get("CLICKSTREAM_TEST_KILLS", "4"))
PATIENCE_SECONDS = 90.0 + 2.0 * KILLS
MOST_INSTANCES = 3
RESHARDS = KILLS // 2
CLOSED_SHARDS = (RESHARDS + 1) // 2 + RESHARDS // 2 * 2  # one by each split, two by each merge, which take turns


class Instances:
    """Processes of the command on one home folder."""

    def __init__(self, home: Path, objects: str, endpoint: str, stream: str, s3_endpoint: str) -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CLICKSTREAM_", "AWS_"))},
            **CREDENTIALS,
            "CLICKSTREAM_HOME": str(home),
            "CLICKSTREAM_OBJECT_STORE_URL": objects,
            "CLICKSTREAM_S3_ENDPOINT_URL": s3_endpoint,
            "CLICKSTREAM_KINESIS_STREAM": stream,
            "CLICKSTREAM_KINESIS_ENDPOINT_URL": endpoint,
            "CLICKSTREAM_KINESIS_REGION": CREDENTIALS["AWS_DEFAULT_REGION"],
            "CLICKSTREAM_BATCHER_BATCH_SECONDS": "0.7",
            "CLICKSTREAM_BATCHER_FAILOVER_SECONDS": "2",
        }
        self._command = [str(Path(sys.executable).parent / "clickstream"), "batcher", "--port", "0"]
        self._log = (home / "log").open("ab")
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self.running.append(subprocess.Popen(self._command, env=self._environment, stdout=self._log, stderr=self._log))

    def stop_one(self, index: int) -> None:
        """Take an instance away as an orchestrator does that needs fewer."""
        process = self.running.pop(index)
        process.terminate()
        assert process.wait(timeout=PATIENCE_SECONDS) in {0, -15}

    def kill(self, index: int) -> None:
        process = self.running.pop(index)
        process.kill()
        assert process.wait() == -9, "it was dead already"

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        codes = [process.wait(timeout=PATIENCE_SECONDS) for process in self.running]
        self.running.clear()
        assert set(codes) <= {0, -15}, "one that has only just started knows no signals yet"

    def end(self) -> None:
        """End what a failed test left."""
        for process in self.running:
            process.kill()
            process.wait()
        self._log.close()


class Load:
    """Puts events one after the other, each fifth twice, until it is told to stop."""

    def __init__(self, endpoint: str, stream: str) -> None:
        self.expected: Counter[bytes] = Counter()
        self._client, self._stream = kinesis_client(endpoint), stream
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            entries = []
            for _ in range(20):
                each = event(number, name=f"event_{number % 9}", at=datetime.now(UTC))
                entry = {"Data": encode_event(each), "PartitionKey": each.message_id}
                entries += [entry, entry] if number % 5 == 0 else [entry]
                self.expected[each.line] += 1
                number += 1
            answer = self._client.put_records(StreamName=self._stream, Records=entries)
            assert answer["FailedRecordCount"] == 0
            self._stop.wait(0.1)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def resharding(endpoint: str, stream: str) -> Iterator[Callable[[], None]]:
    """Give what splits the only open shard, or merges the two there are."""
    client = kinesis_client(endpoint)

    def reshard() -> None:
        shards = [
            s for s in wait_until_active(endpoint, stream) if "EndingSequenceNumber" not in s["SequenceNumberRange"]
        ]
        if len(shards) == 1:
            middle = str(int(shards[0]["HashKeyRange"]["EndingHashKey"]) // 2)
            client.split_shard(StreamName=stream, ShardToSplit=shards[0]["ShardId"], NewStartingHashKey=middle)
        else:
            first, second = (shard["ShardId"] for shard in shards)
            client.merge_shards(StreamName=stream, ShardToMerge=first, AdjacentShardToMerge=second)
        wait_until_active(endpoint, stream)

    yield reshard


def written(store: ObjectStore) -> Counter[bytes]:
    keys = [info.key for info in store.list_objects(RAW_PREFIX)]
    return Counter(line for _, data in store.get_many(keys) for line in gzip.decompress(data).splitlines())


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Return the URL of an empty object store and the endpoint of its server."""
    if request.param == "folder":
        return str(tmp_path / "objects"), ""
    endpoint: str = request.getfixturevalue("s3_endpoint")
    return f"s3://{create_bucket(endpoint)}/prefix", endpoint


def change_size(instances: Instances, chance: random.Random) -> None:
    """Add an instance or take one away, so that there are one to MOST_INSTANCES of them."""
    if len(instances.running) < MOST_INSTANCES and chance.random() < 0.5:
        instances.start()
    elif len(instances.running) > 1:
        instances.stop_one(chance.randrange(len(instances.running)))


@pytest.mark.e2e
@pytest.mark.chaos
@pytest.mark.timeout(180 + 20 * KILLS)
def test_every_event_is_written_once_whoever_is_killed_while_shards_split_and_merge(
    kinesis_endpoint: str, objects: tuple[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    stream = create_kinesis_stream(kinesis_endpoint)
    store = open_object_store(objects[0], endpoint_url=objects[1] or None, region="us-east-1")
    chance = random.Random(objects[0])
    home = tmp_path / "home"
    home.mkdir()
    instances = Instances(home, objects[0], kinesis_endpoint, stream, objects[1])
    request.addfinalizer(instances.end)
    with Load(kinesis_endpoint, stream) as load, resharding(kinesis_endpoint, stream) as reshard:
        for _ in range(2):
            instances.start()
        for number in range(KILLS):
            time.sleep(chance.uniform(0.8, 2.5))
            if number % 2:
                reshard()
            instances.kill(chance.randrange(len(instances.running)))
            instances.start()
            change_size(instances, chance)
    table = SqlLeaseTable(f"sqlite:///{home / 'batcher.db'}", stream)

    def is_done() -> bool:
        closed = sum(lease.is_finished for lease in table.list_leases())
        return closed >= CLOSED_SHARDS and written(store) == load.expected

    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done() and time.monotonic() < deadline:
        time.sleep(0.3)
    instances.stop()
    assert written(store) == load.expected, (home / "log").read_text()[-3_000:]
    assert is_done()
    assert all(lease.plan is None for lease in table.list_leases())
    table.close()
    named = [
        item["key"]
        for info in store.list_objects("batcher/")
        if info.key.endswith(".json")
        for item in json.loads(store.get(info.key))["objects"]
    ]
    assert sorted(named) == [info.key for info in store.list_objects(RAW_PREFIX)]
