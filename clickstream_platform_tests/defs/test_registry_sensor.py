"""The registry sensor on a real instance: partitions, runs that end, back-fills, and the hours sensor beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from clickstream_platform.pipeline.registry_memory import RegistryMemory
from clickstream_platform.pipeline.registry_sync import LEAVING
from clickstream_platform.registry.entities import EventState, Policy
from clickstream_platform_tests.defs.stand_ins import CLASHING, Workbench
from clickstream_platform_tests.pipeline.stand_ins import NINE, TEN, TWELVE

ORDER_LINE = b'{"type": "track", "event": "Order Completed", "properties": {"total": 5}}\n'


@dataclass
class Sensors:
    """Both sensors with their cursors; runs are executed as soon as they are requested."""

    bench: Workbench
    cursors: dict[str, str | None] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def tick(self, sensor: str) -> Any:
        self.bench.wiring.clock.advance(LEAVING)
        result = self.bench.tick(sensor, self.cursors.get(sensor))
        self.cursors[sensor] = result.cursor
        return result

    def requested(self, sensor: str) -> list[dg.RunRequest]:
        return list(self.tick(sensor).run_requests)

    def run(self, *sensors: str) -> list[str]:
        """Tick and run; return the run keys without their digests."""
        keys = []
        for sensor in sensors:
            for request in self.requested(sensor):
                assert self.bench.run(request).success
                keys.append(str(request.run_key).rpartition("|")[0])
        return keys

    def partitions(self, customer: str = "acme") -> list[str]:
        return list(self.bench.instance.get_dynamic_partitions(f"events/{customer}"))

    def loaded(self, event: str) -> list[str]:
        return sorted(str(hour) for _, hour, loaded in self.bench.wiring.loader.ledger if loaded == event)


@pytest.fixture
def sensors(bench: Workbench) -> Sensors:
    bench.wiring.settings = bench.wiring.settings.model_copy(update={"dagster_webserver_url": ""})
    return Sensors(bench)


def test_an_event_gets_its_partitions_and_a_quiet_registry_changes_nothing(sensors: Sensors) -> None:
    sensors.bench.wiring.registry.add_event("acme", "order")
    assert sensors.tick("registry").skip_message == "acme: partitions added for order"
    assert sensors.partitions() == ["order"]
    assert sensors.tick("registry").skip_message == "all 2 customers have their assets and partitions"


def test_what_arrived_while_an_event_was_paused_is_loaded_after_it_is_resumed(sensors: Sensors) -> None:
    """Also the hour whose run was requested, without the event, while it was paused; and one that closed meanwhile."""
    wiring = sensors.bench.wiring
    for event in ("click", "order"):
        wiring.put("acme", event, NINE)
    assert sensors.run("hours", "registry") == ["acme|2026-11-22T09"]
    wiring.registry.pause_event("acme", "order")
    for event in ("click", "order"):
        wiring.put("acme", event, TEN)
        wiring.put("acme", event, TWELVE)
    wiring.put("acme", "order", NINE, number=2)
    assert sensors.run("hours", "registry") == ["acme|2026-11-22T09", "acme|2026-11-22T10"]
    wiring.clock.advance(timedelta(hours=1))  # closes twelve o'clock
    assert sensors.run("hours", "registry") == ["acme|2026-11-22T12"]
    assert sensors.loaded("order") == ["2026-11-22T09"]
    wiring.registry.resume_event("acme", "order")
    (request,) = sensors.requested("registry")
    assert str(request.run_key).startswith("backfill|acme|order|2|2026-11-22T09|2026-11-22T12|")
    left_out = ("clickstream/input_digest", "dagster/sensor_name")
    assert {name: value for name, value in request.tags.items() if name not in left_out} == {
        "dagster/asset_partition_range_start": "order|2026-11-22-09:00",
        "dagster/asset_partition_range_end": "order|2026-11-22-12:00",
        "clickstream/customer": "acme",
        "clickstream/event": "order",
        "clickstream/hour": "2026-11-22T09/2026-11-22T12",
        "clickstream/backfill": "true",
        "dagster/priority": "-10001",
        "dagster/max_runtime": "7200",
    }
    assert sensors.bench.run(request).success
    assert sensors.loaded("order") == ["2026-11-22T09", "2026-11-22T10", "2026-11-22T12"]
    assert wiring.loader.ledger["acme", NINE, "order"].counts.objects == 2
    assert sensors.run("hours", "registry") == []


def test_an_hour_that_is_open_at_the_resumption_is_loaded_by_the_hours_sensor(sensors: Sensors) -> None:
    wiring = sensors.bench.wiring
    wiring.registry.add_event("acme", "order")
    wiring.registry.pause_event("acme", "order")
    sensors.run("hours", "registry")
    wiring.put("acme", "order", TWELVE)
    assert sensors.run("hours", "registry") == []
    wiring.registry.resume_event("acme", "order")
    assert sensors.run("hours", "registry") == []
    wiring.clock.advance(timedelta(hours=1))
    assert sensors.run("registry", "hours") == ["acme|2026-11-22T12"]
    assert sensors.loaded("order") == ["2026-11-22T12"]


def test_a_sealed_hour_that_was_requested_during_the_pause_is_back_filled_before_it_closes_by_time(
    sensors: Sensors,
) -> None:
    wiring = sensors.bench.wiring
    for event in ("click", "order"):
        wiring.registry.add_event("acme", event)
    wiring.registry.pause_event("acme", "order")
    for event in ("click", "order"):
        wiring.put("acme", event, TWELVE)
    wiring.seal(TWELVE)
    assert sensors.run("hours", "registry") == ["acme|2026-11-22T12"]
    wiring.registry.resume_event("acme", "order")
    assert sensors.run("registry") == ["backfill|acme|order|2|2026-11-22T12|2026-11-22T12"]
    wiring.clock.advance(timedelta(hours=1))
    assert sensors.run("hours", "registry") == []
    assert sensors.loaded("order") == ["2026-11-22T12"]


def test_a_discovered_event_is_sampled_and_named_and_back_filled_from_its_first_record(sensors: Sensors) -> None:
    wiring = sensors.bench.wiring
    wiring.registry.update_customer_policy("acme", Policy(auto_activate=False))
    old = NINE.plus(-200)
    wiring.put("acme", "order_completed", old, data=ORDER_LINE)
    wiring.put("acme", "order_completed", NINE, data=ORDER_LINE)
    assert sensors.run("hours", "registry") == []
    event = wiring.registry.get_event("acme", "order_completed")
    assert (event.state, event.display_name, event.first_seen_hour) == (
        EventState.DISCOVERED,
        "Order Completed",
        str(old),
    )
    sample = wiring.registry.get_sample("acme", "order_completed")
    assert sample is not None
    assert sample.sample["properties"] == {"total": "<number>"}
    assert sensors.partitions() == []
    wiring.registry.activate_event("acme", "order_completed")
    assert sensors.run("registry") == [
        f"backfill|acme|order_completed|2|{old}|{old}",
        "backfill|acme|order_completed|2|2026-11-22T09|2026-11-22T09",
    ]
    assert sensors.loaded("order_completed") == [str(old), "2026-11-22T09"]
    assert sensors.run("hours", "registry") == []


def test_a_late_object_of_a_removed_event_is_reported_and_makes_no_table(
    sensors: Sensors, capsys: pytest.CaptureFixture[str]
) -> None:
    wiring = sensors.bench.wiring
    wiring.put("acme", "order", NINE)
    sensors.run("hours", "registry")
    wiring.registry.remove_event("acme", "order")
    sensors.tick("registry")
    sensors.tick("registry")
    assert sensors.partitions() == []
    wiring.put("acme", "order", TEN)
    assert sensors.run("hours", "registry") == []
    assert (
        "acme 2026-11-22T10: order is not loaded: the event was removed; its raw objects are kept"
        in capsys.readouterr().err
    )
    assert sensors.partitions() == []
    assert sensors.loaded("order") == ["2026-11-22T09"]


def test_an_event_that_is_added_again_gets_its_partitions_back_and_what_arrived_meanwhile(sensors: Sensors) -> None:
    wiring = sensors.bench.wiring
    wiring.put("acme", "order", NINE)
    sensors.run("hours", "registry")
    wiring.registry.remove_event("acme", "order")
    sensors.tick("registry")
    sensors.tick("registry")
    wiring.put("acme", "order", TEN)
    sensors.run("hours", "registry")
    wiring.registry.add_event("acme", "order")
    assert sensors.run("registry") == ["backfill|acme|order|2|2026-11-22T10|2026-11-22T10"]
    assert sensors.partitions() == ["order"]
    assert sensors.bench.materialized("acme", "event_tables") == {
        "order|2026-11-22-09:00": "loaded",
        "order|2026-11-22-10:00": "loaded",
    }


def test_runs_of_a_removed_event_end_and_those_with_other_events_go_on(
    sensors: Sensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiring, instance = sensors.bench.wiring, sensors.bench.instance
    for event in ("click", "order"):
        wiring.registry.add_event("acme", event)
    sensors.tick("registry")
    key = dg.AssetKey(["acme", "event_tables"])
    tags = {
        "ours": {"clickstream/customer": "acme", "clickstream/event": "order"},
        "a person's, of one partition": {"dagster/partition": "order|2026-11-22-09:00"},
        "a person's, of a range": {
            "dagster/asset_partition_range_start": "order|2026-11-22-09:00",
            "dagster/asset_partition_range_end": "order|2026-11-22-10:00",
        },
        "of several events": {
            "dagster/asset_partition_range_start": "click|2026-11-22-09:00",
            "dagster/asset_partition_range_end": "order|2026-11-22-09:00",
        },
        "another customer's": {"clickstream/customer": "tiny", "clickstream/event": "order"},
    }
    runs = {
        name: create_run_for_test(
            instance, status=dg.DagsterRunStatus.STARTED, tags=each, asset_selection=frozenset({key})
        )
        for name, each in tags.items()
    }
    stubborn = create_run_for_test(
        instance, status=dg.DagsterRunStatus.STARTING, tags=tags["ours"], asset_selection=frozenset({key})
    )
    cancelled: list[str] = []

    def cancel_run(run_id: str) -> bool:
        cancelled.append(run_id)
        return True

    monkeypatch.setattr(instance.run_coordinator, "cancel_run", cancel_run)
    wiring.registry.remove_event("acme", "order")
    sensors.tick("registry")
    names = {run.run_id: name for name, run in runs.items()}
    assert sorted(names[run_id] for run_id in cancelled) == [
        "a person's, of a range",
        "a person's, of one partition",
        "ours",
    ]
    sensors.tick("registry")
    assert sensors.partitions() == ["click", "order"]
    for run in (*runs.values(), stubborn):
        instance.delete_run(run.run_id)
    sensors.tick("registry")
    assert sensors.partitions() == ["click"]


def test_a_run_that_can_not_be_cancelled_fails_no_tick(
    sensors: Sensors, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wiring, instance = sensors.bench.wiring, sensors.bench.instance
    wiring.registry.add_event("acme", "order")
    sensors.tick("registry")
    create_run_for_test(
        instance,
        status=dg.DagsterRunStatus.STARTED,
        tags={"clickstream/customer": "acme", "clickstream/event": "order"},
    )

    def refuse(_: str) -> bool:
        raise OSError("no launcher")

    monkeypatch.setattr(instance.run_coordinator, "cancel_run", refuse)
    wiring.registry.remove_event("acme", "order")
    sensors.tick("registry")
    assert "can't be cancelled: OSError: no launcher" in capsys.readouterr().err


def test_a_run_over_the_range_of_a_customers_events_has_no_removed_event_at_its_ends(sensors: Sensors) -> None:
    wiring = sensors.bench.wiring
    for event in ("apple", "middle", "zebra"):
        wiring.registry.add_event("acme", event)
    sensors.tick("registry")
    for event in ("apple", "zebra"):
        wiring.registry.remove_event("acme", event)
    wiring.put("acme", "middle", NINE)
    (request,) = sensors.requested("hours")
    assert request.tags["dagster/asset_partition_range_start"] == "middle|2026-11-22-09:00"
    assert request.tags["dagster/asset_partition_range_end"] == "middle|2026-11-22-09:00"


def test_a_new_customer_has_its_partitions_before_its_assets_and_back_fills_wait_for_the_reload(
    sensors: Sensors,
) -> None:
    registry = sensors.bench.wiring.registry
    registry.add_customer("newcomer")
    registry.add_event("newcomer", "order")
    assert sensors.tick("registry").skip_message.startswith("new customers: newcomer. No webserver is set to be asked")
    assert sensors.partitions("newcomer") == ["order"]
    registry.pause_event("newcomer", "order")
    registry.resume_event("newcomer", "order")
    sensors.bench.wiring.put("newcomer", "order", NINE)
    assert sensors.run("registry") == []
    sensors.bench.customers += ("newcomer",)
    sensors.bench.register()
    assert sensors.run("registry") == ["backfill|newcomer|order|2|2026-11-22T09|2026-11-22T09"]


def test_a_removed_customer_is_followed_by_a_reload_without_it(sensors: Sensors) -> None:
    registry = sensors.bench.wiring.registry
    registry.add_event("tiny", "order")
    sensors.tick("registry")
    registry.remove_customer("tiny")
    assert sensors.tick("registry").skip_message.startswith("removed customers: tiny")
    sensors.tick("registry")
    assert sensors.partitions("tiny") == []
    assert "tiny" not in RegistryMemory.from_cursor(sensors.cursors["registry"]).followed


def test_a_customer_whose_name_an_older_one_has_is_left_out_and_all_others_go_on(
    sensors: Sensors, capfd: pytest.CaptureFixture[str]
) -> None:
    older, younger = CLASHING
    wiring = sensors.bench.wiring
    sensors.bench.register(older)
    wiring.clock.advance(timedelta(minutes=1))
    wiring.registry.add_customer(younger)
    wiring.registry.add_event("acme", "order")
    wiring.put(older, "order", NINE)
    clash = f"{younger}: has no assets and is not loaded, because the older customer {older!r} has its name in Dagster"
    message = sensors.tick("registry").skip_message
    assert message.startswith(f"acme: partitions added for order; {clash}")
    assert "another slug" in message
    assert f"ERROR - {clash}" in capfd.readouterr().err
    assert sensors.partitions() == ["order"]
    assert sensors.run("hours") == [f"{older}|2026-11-22T09"]
    wiring.registry.remove_customer(older)
    message = sensors.tick("registry").skip_message
    assert message.startswith(f"new customers: {younger}; removed customers: {older}")
    assert clash not in message
