"""SIGKILL of collector, batcher and both, at random times under load: what was acknowledged is rows, each once.

CLICKSTREAM_TEST_KILLS says how often (default 50), CLICKSTREAM_TEST_SEED repeats a round: times, victims, what apps
send and where Kinesis fails; what the machine makes of it differs. The shards are split and merged meanwhile.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.pipeline.asking import ask
from clickstream_platform.pipeline.customer_hour import Order
from clickstream_platform.pipeline.opening import Pipeline, open_pipeline
from clickstream_platform.registry.entities import DEFAULT_DESTINATION
from clickstream_platform.settings import Settings
from clickstream_platform_tests.batcher.test_killed_instances import resharding
from clickstream_platform_tests.chaos.app import TABLES, App
from clickstream_platform_tests.chaos.faulty_collector import SEED_VARIABLE
from clickstream_platform_tests.e2e.front import Front, now
from clickstream_platform_tests.e2e.stack import wait_until
from clickstream_platform_tests.kinesis_server import create_kinesis_stream

KILLS = int(os.environ.get("CLICKSTREAM_TEST_KILLS", "50"))
KILLS_BETWEEN_LOADS = 10
CUSTOMERS = ("acme", "globex")
APPS_OF_A_CUSTOMER = 2
SETTLE_SECONDS = 90

pytestmark = [pytest.mark.e2e, pytest.mark.chaos, pytest.mark.timeout(240 + 8 * KILLS)]


@pytest.fixture
def seed(monkeypatch: pytest.MonkeyPatch) -> int:
    number = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(1_000_000))
    monkeypatch.setenv(SEED_VARIABLE, str(number))
    print(f"{SEED_VARIABLE}={number} CLICKSTREAM_TEST_KILLS={KILLS}")
    return number


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """Give the platform's hourly work; no hour closes by time, only by its seals."""
    with open_pipeline(Settings(home=tmp_path, hour_grace_minutes=1_000_000), SystemClock()) as opened:
        yield opened


def test_what_was_acknowledged_is_rows_whoever_is_killed(
    seed: int, pipeline: Pipeline, tmp_path: Path, kinesis_endpoint: str
) -> None:
    registry, keys = pipeline.wiring.registry_service, {}
    for customer in CUSTOMERS:
        registry.add_customer(customer)
        _, keys[customer] = registry.add_write_key(customer, "app")
    stream = create_kinesis_stream(kinesis_endpoint, shards=1)
    module = "clickstream_platform_tests.chaos.faulty_collector"
    front = Front(tmp_path, kinesis_endpoint, stream, collector_module=module, batch_seconds=0.7)
    front.collector.start()
    front.batcher.start()
    front.wait_for_collector()
    url = f"http://127.0.0.1:{front.collector_port}/v1/batch"
    apps = [
        App(url, customer, keys[customer], f"{customer}{number}", random.Random(f"{seed}-{customer}-{number}"))
        for customer in CUSTOMERS
        for number in range(APPS_OF_A_CUSTOMER)
    ]
    try:
        try:
            kill_again_and_again(front, pipeline, random.Random(seed))
        finally:
            for app in apps:
                app.stop()
        wait_until(front.is_spool_empty, SETTLE_SECONDS, lambda: "the spool is not emptied")
        front.wait_until_written(now(), SETTLE_SECONDS)
    finally:
        front.stop()
    load(pipeline)
    check(pipeline, apps)


def kill_again_and_again(front: Front, pipeline: Pipeline, chance: random.Random) -> None:
    victims = [[front.collector], [front.batcher], [front.collector, front.batcher]]
    with resharding(front.kinesis_endpoint, front.kinesis_stream) as reshard:
        for number in range(KILLS):
            time.sleep(chance.choice([chance.uniform(0.1, 1.0), chance.uniform(1.0, 5.0)]))
            for victim in chance.choice(victims):
                victim.kill_and_start()
            if number % KILLS_BETWEEN_LOADS == 0:
                load(pipeline)
                reshard()


def load(pipeline: Pipeline) -> None:
    """Load whatever is ready, as the sensor and its runs would."""
    discovery = pipeline.discovery
    looks = [look for hour in discovery.recent_hours()[-4:] if (look := discovery.look(hour)) is not None]
    orders = [Order(ready.customer, ready.hour) for look in looks for ready in look.ready]
    for report in pipeline.customer_hours.process_many(orders, "chaos"):
        assert not report.failed, report


def check(pipeline: Pipeline, apps: list[App]) -> None:
    """Check that rows and acknowledged events are the same, and that the ledgers add up."""
    rows, acknowledged = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for customer in CUSTOMERS:
        for table in TABLES:
            _, found = ask(pipeline.wiring, DEFAULT_DESTINATION, f'SELECT id FROM {customer}."{table}"', 1_000_000)
            rows.update((customer, table, str(identity)) for (identity,) in found)
        assert pipeline.reconcile(customer, pipeline.discovery.recent_hours()[-4:]) == []
    for app in apps:
        for table, ids in app.acknowledged.items():
            acknowledged.update((app.customer, table, identity) for identity in ids)
    refusals = sum(app.refusals for app in apps)
    print(f"{KILLS} kills, {acknowledged.total()} events acknowledged, {refusals} requests repeated")
    assert not acknowledged - rows, f"{(acknowledged - rows).total()} acknowledged events are no rows"
    assert not rows - acknowledged, f"{(rows - acknowledged).total()} rows are double or were never acknowledged"
    assert acknowledged.total() > 50 * KILLS
    assert refusals > KILLS / 4
