"""What real SDKs sent, as raw bytes, through collector, shards, batcher, transform and loader: each event is one row.

Everything in this process, on the real parts but Kinesis. `make test-e2e` does it with SDKs that run, and Dagster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform.gateways.stores import open_object_store
from clickstream_platform.model.naming import event_slug
from clickstream_platform.model.streams import TABLE_OF_TYPE
from clickstream_platform.pipeline.asking import ask
from clickstream_platform.pipeline.customer_hour import Order
from clickstream_platform.pipeline.opening import Pipeline
from clickstream_platform.registry.entities import DEFAULT_DESTINATION
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.batcher.world import HOUR, World
from clickstream_platform_tests.collector.running import CUSTOMER, MemorySink, running_collector
from clickstream_platform_tests.collector.test_sdks import RECORDINGS, body_of, recordings
from clickstream_platform_tests.shared_data import needs_shared_data, read_json_lines

pytestmark = needs_shared_data(RECORDINGS)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, shards_at_first=2)
    world.store = open_object_store(str(tmp_path / "objects"))
    yield world
    world.close()


@pytest.fixture
def pipeline(world: World) -> Iterator[Pipeline]:
    with Wiring(Settings(home=world.folder, hour_grace_minutes=1_000_000), world.clock) as wiring:
        wiring.registry_service.add_customer(CUSTOMER)
        yield Pipeline(wiring)


def replay(world: World, calls: list[dict[str, Any]]) -> None:
    """Send recorded requests to a collector, and put what it would put on Kinesis on the shards."""
    sink = MemorySink()
    with running_collector(sink, clock=world.clock) as collector:
        for call in calls:
            headers = {name: value for name, value in call["headers"] if name not in ("Host", "Content-Length")}
            answer = collector.client.post(collector.url + call["path"], content=body_of(call), headers=headers)
            assert answer.status_code == 200
    for record in sink.records:
        world.shards.put(record.partition_key, record.data)


def table_of(item: dict[str, Any]) -> str:
    """Return the table that a recorded item belongs into."""
    return TABLE_OF_TYPE.get(item["type"]) or event_slug(item["event"])


def test_every_recorded_event_is_one_row(world: World, pipeline: Pipeline) -> None:
    calls = [call for path in recordings() for call in read_json_lines(path)]
    replay(world, calls)
    world.advance(hours=2)
    world.run_all()
    look = pipeline.discovery.look(HOUR)
    assert look is not None
    assert [ready.customer for ready in look.ready] == [CUSTOMER]
    (report,) = pipeline.customer_hours.process_many([Order(CUSTOMER, HOUR)], "replay")
    assert not report.failed
    items = [item for call in calls for item in call["body"]["batch"]]
    sent = {(table_of(item), item["messageId"]) for item in items}
    expected = Counter(table for table, _ in sent)
    assert {stream.event: stream.counts.rows for stream in report.streams if stream.counts} == expected
    found = {
        (table, str(identity))
        for table in expected
        for (identity,) in ask(pipeline.wiring, DEFAULT_DESTINATION, f'SELECT id FROM {CUSTOMER}."{table}"', 10_000)[1]
    }
    assert found == sent
    assert len(items) > 1.5 * len(sent), "SDKs repeated nothing: these are not the recordings"
    assert pipeline.reconcile(CUSTOMER, [HOUR]) == []
