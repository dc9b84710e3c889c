"""What the loading side sees of the batcher's hours: nothing before all shards sealed, then all, then what is late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from clickstream_platform.batcher.leases import common_watermark_ms
from clickstream_platform.pipeline.discovery import Discovery, HourLook
from clickstream_platform_tests.batcher.world import HOUR, NOW, World, event


def look(world: World) -> HourLook:
    discovery = Discovery(world.store, world.clock, first_hour=HOUR, lookback_hours=72, grace_minutes=10_000)
    found = discovery.look(HOUR)
    assert found is not None
    return found


def test_a_customer_hour_is_ready_when_all_shards_have_passed_it_and_again_after_a_late_record(tmp_path: Path) -> None:
    world = World(tmp_path, shards_at_first=2)
    world.add_leases()
    for n in range(30):
        world.put(event(n, customer=f"shop_{n % 3}"))
    world.advance(hours=1)
    first, second = world.worker("shardId-000000000000"), world.worker("shardId-000000000001")
    world.run(first)
    first.seal(common_watermark_ms(world.table.list_leases()))
    assert look(world).ready == ()
    assert set(look(world).open_customers) == {key.stream.customer for key in world.raw()}

    world.run(second)
    for worker in (first, second):
        worker.seal(common_watermark_ms(world.table.list_leases()))
    ready = {each.customer: each for each in look(world).ready}
    assert sum(each.records("order_completed") for each in ready.values()) == 30
    assert look(world).open_customers == ()

    world.put(event("late", customer="shop_1", at=NOW))
    world.advance(minutes=5)
    world.run_all()
    after = {each.customer: each for each in look(world).ready}
    assert after["shop_1"].records("order_completed") == ready["shop_1"].records("order_completed") + 1
    assert {name for name in ready if ready[name].digest != after[name].digest} == {"shop_1"}
    assert NOW + timedelta(hours=1) < world.clock.now()
    world.close()
