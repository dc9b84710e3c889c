"""From real SDKs to rows: collector, Kinesis, batcher, S3, Dagster, warehouse; each event exactly once in its table.

Every SDK sends through trouble of every kind, to one running platform. Then everything is given the time to arrive, and
each of the SDKs and troubles is judged for itself.
"""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.gateways.stores import open_object_store
from clickstream_platform.model.object_keys import RAW_PREFIX, RawObjectKey
from clickstream_platform.pipeline.asking import ask
from clickstream_platform.registry.entities import DEFAULT_DESTINATION
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.e2e.faulty_proxy import FaultyProxy, Trouble, faulty_proxy
from clickstream_platform_tests.e2e.front import Front
from clickstream_platform_tests.e2e.sdk_senders import SDKS, Sdk
from clickstream_platform_tests.e2e.stack import Stack, running_stack, wait_until
from clickstream_platform_tests.kinesis_server import create_kinesis_stream
from clickstream_platform_tests.s3_server import create_bucket

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

NO_CLOSING_BY_TIME_MINUTES = 1_000_000
ROWS_SECONDS = 240
BATCH_SECONDS = 3_600.0  # longer than the test: the batch is written when the batcher is told to stop
SENDERS = 3
KILLED = "collector_killed"
TROUBLES = {
    "none": Trouble(),
    "gzip": Trouble(is_gzip=True),
    "busy_429": Trouble(status=429, refusals=2),
    "away_503": Trouble(status=503, refusals=2),
    "answer_lost": Trouble(cuts=1),
    KILLED: Trouble(cuts=1),
}


@dataclass
class Delivery:
    """What a proxy saw of an SDK's sending, and what the SDK failed with, if it did."""

    proxy: FaultyProxy
    failure: BaseException | None = None


@dataclass
class World:
    """The running platform and all deliveries, by SDK and trouble; `rows` are (user, id) by customer and table."""

    stack: Stack
    front: Front
    deliveries: dict[tuple[str, str], Delivery]
    rows: dict[tuple[str, str], list[tuple[str, str]]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str, kinesis_endpoint: str) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLICKSTREAM_OBJECT_STORE_URL", f"s3://{create_bucket(s3_endpoint)}/events")
        patch.setenv("CLICKSTREAM_S3_ENDPOINT_URL", s3_endpoint)
        patch.setenv("CLICKSTREAM_HOUR_GRACE_MINUTES", str(NO_CLOSING_BY_TIME_MINUTES))  # only seals close an hour
        with running_stack(home, with_demo=False) as stack:
            front = open_front(stack, kinesis_endpoint)
            world = World(stack, front, {}, {})
            try:
                send_everything(world, tmp_path_factory.mktemp("sites"))
                front.write_everything()  # and seal it: so each customer takes one run
                wait_for_rows(world, s3_endpoint)
                yield world
            finally:
                front.stop()


def open_front(stack: Stack, kinesis_endpoint: str) -> Front:
    """Start a collector, which asks the registry's API for write keys, and a batcher."""
    token = stack.home / "collector-token"
    token.write_text(stack.run("registry", "tokens", "add", "collector", "--scope", "collector", "--quiet"))
    environment = {
        "CLICKSTREAM_REGISTRY_API_URL": stack.registry_url,
        "CLICKSTREAM_REGISTRY_TOKEN_REFERENCE": f"file:{token}",
    }
    kinesis_stream = create_kinesis_stream(kinesis_endpoint, shards=2)
    return Front(
        stack.home, kinesis_endpoint, kinesis_stream, collector_environment=environment, batch_seconds=BATCH_SECONDS
    )


def send_everything(world: World, folder: Path) -> None:
    keys = {}
    for sdk in SDKS:
        world.stack.call("POST", "/customers", {"name": sdk.name})
        answer = world.stack.call("POST", f"/customers/{sdk.name}/write-keys", {"name": "app"})
        keys[sdk.name] = answer["secret"]
    world.front.collector.start()
    world.front.batcher.start()
    world.front.wait_for_collector()

    def send_quietly(sdk: Sdk) -> None:
        for name in TROUBLES:
            if name != KILLED:
                send_with(world, sdk, keys[sdk.name], name, folder)

    with ThreadPoolExecutor(SENDERS) as threads:
        list(threads.map(send_quietly, SDKS))
    # One after the other: a page that asks for its settings while there is no collector never sends anything.
    for sdk in SDKS:
        send_with(world, sdk, keys[sdk.name], KILLED, folder)
        world.front.wait_for_collector()
    wait_until(world.front.is_spool_empty, ROWS_SECONDS, lambda: "the collector's spool is not emptied")


def send_with(world: World, sdk: Sdk, key: str, name: str, folder: Path) -> None:
    """Let an SDK send every kind of event through one trouble."""
    trouble = TROUBLES[name]
    if name == KILLED:
        trouble = replace(trouble, when_cut=world.front.collector.kill_and_start)
    site = folder / f"{sdk.name}-{name}"
    site.mkdir()
    with faulty_proxy(world.front.collector_port, trouble) as proxy:
        delivery = world.deliveries[sdk.name, name] = Delivery(proxy)
        try:
            sdk.send(proxy, key, name, site)
        except (Exception, pytest.skip.Exception) as failure:  # noqa: BLE001 - the scenario's test tells it
            delivery.failure = failure


def wait_for_rows(world: World, s3_endpoint: str) -> None:
    """Wait until Dagster has loaded every raw record that there is, then read all rows."""
    objects = os.environ["CLICKSTREAM_OBJECT_STORE_URL"]
    expected = raw_records(open_object_store(objects, endpoint_url=s3_endpoint, region="us-east-1"))
    assert {customer for customer, _, _ in expected} == {sdk.name for sdk in SDKS}

    wiring = Wiring(Settings(home=world.stack.home), SystemClock())

    def is_loaded() -> bool:
        return has_ended() and loaded(wiring) == expected

    def has_ended() -> bool:
        return {run["status"] for run in world.stack.runs()} == {"SUCCESS"}

    wait_until(is_loaded, ROWS_SECONDS, lambda: f"{expected - loaded(wiring)}: {world.stack.runs()}")
    for sdk in SDKS:
        for table in sdk.tables:
            sql = f'SELECT user_id, id FROM {sdk.name}."{table}"'
            _, rows = ask(wiring, DEFAULT_DESTINATION, sql, 10_000)
            world.rows[sdk.name, table] = [(str(user), str(identity)) for user, identity in rows]
    wiring.close()


def loaded(wiring: Wiring) -> Counter[tuple[str, str, str]]:
    """Return how many records were loaded, as the ledgers have it, by customer, event and hour."""
    return Counter(
        {
            (sdk.name, row.event, str(row.hour)): row.counts.raw
            for sdk in SDKS
            for row in wiring.list_loads(wiring.registry_service.get_customer(sdk.name))
        }
    )


def raw_records(store: ObjectStore) -> Counter[tuple[str, str, str]]:
    """Return how many records the raw objects hold, by customer, event and hour."""
    found: Counter[tuple[str, str, str]] = Counter()
    for info in store.list_objects(RAW_PREFIX):
        key = RawObjectKey.parse(info.key)
        lines = gzip.decompress(store.get(info.key)).count(b"\n")
        found[key.stream.customer, key.stream.event, str(key.hour)] += lines
    return found


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_every_event_of_an_sdk_is_one_row(world: World, sdk: Sdk, trouble: str) -> None:
    delivery = world.deliveries[sdk.name, trouble]
    if delivery.failure is not None:
        raise delivery.failure
    proxy, wanted = delivery.proxy, TROUBLES[trouble]
    found = {
        table: [identity for user, identity in world.rows[sdk.name, table] if user == trouble] for table in sdk.tables
    }
    assert {table: len(ids) for table, ids in found.items()} == dict.fromkeys(sdk.tables, 1)
    assert {identity for ids in found.values() for identity in ids} == set(proxy.accepted)
    assert (proxy.refused, proxy.cut) == (wanted.refusals, wanted.cuts), "the trouble did not come"
    if wanted.cuts:
        assert max(proxy.accepted.values()) >= 2, "the SDK did not repeat what it was not told"
