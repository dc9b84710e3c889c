"""The real sensors and real runs in one process, on real parts: folder, SQLite, DuckDB."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from clickstream_platform.defs.driver import DriveReport, drive, prepare_home
from clickstream_platform.errors import TerminalError
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import ObjectRef, Seal
from clickstream_platform.model.object_keys import RawObjectKey, seal_key
from clickstream_platform.model.streams import Stream
from clickstream_platform.wiring import Wiring, open_wiring

pytestmark = pytest.mark.e2e  # sensors, queue and run workers as processes

LOCATION = "clickstream_platform"
EVENTS = ("click", "sale", "view")
Put = Callable[..., ObjectRef]


@pytest.fixture
def wiring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    with open_wiring() as opened:
        opened.registry.add_customer("acme")
        yield opened


@pytest.fixture
def hour(wiring: Wiring) -> Hour:
    """Give the last hour that closed by time whatever the clock says."""
    return Hour.of(wiring.clock.now() - timedelta(hours=2))


def put(wiring: Wiring, customer: str, event: str, hour: Hour, number: int = 1, records: int = 5) -> ObjectRef:
    """Put a raw object of track records."""
    lines = [
        {"type": "track", "event": event, "messageId": f"{event}-{number}-{each}", "properties": {"price": each}}
        for each in range(records)
    ]
    key = str(RawObjectKey(hour, Stream(customer, event), "shard1", str(number), str(number))).removesuffix(".gz")
    info = wiring.objects.put(key, "".join(f"{json.dumps(line)}\n" for line in lines).encode())
    return ObjectRef(key, info.size, info.etag, records)


def driven(wiring: Wiring) -> DriveReport:
    return drive(prepare_home(wiring.settings.home / "dagster"), LOCATION)


def counts(wiring: Wiring, customer: str = "acme") -> dict[str, StreamCounts]:
    return {row.event: row.counts for row in wiring.list_loads(wiring.registry.get_customer(customer))}


def test_hours_are_loaded_once_and_a_late_object_loads_exactly_its_customer_hour_again(
    wiring: Wiring, hour: Hour
) -> None:
    for event in EVENTS:
        put(wiring, "acme", event, hour)
        put(wiring, "acme", event, hour.plus(-1), number=2)
    first = driven(wiring)
    assert [(run.customer, run.hour, run.is_success) for run in first.runs] == [
        ("acme", str(hour.plus(-1)), True),
        ("acme", str(hour), True),
    ]
    assert driven(wiring).runs == []
    put(wiring, "acme", "sale", hour, number=3)
    late = driven(wiring)
    assert [(run.customer, run.hour) for run in late.runs] == [("acme", str(hour))]
    assert counts(wiring)["sale"].rows == 10


def test_a_new_customer_is_loaded_without_any_restart(wiring: Wiring, hour: Hour) -> None:
    put(wiring, "newcomer", "sale", hour)
    assert driven(wiring).runs == []
    wiring.registry.add_customer("newcomer")
    assert [run.customer for run in driven(wiring).runs] == ["newcomer"]
    assert counts(wiring, "newcomer")["sale"].rows == 5


def test_an_hour_older_than_the_look_back_is_opened_again_when_it_is_asked_for(
    wiring: Wiring, hour: Hour, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = hour.plus(-30)
    monkeypatch.setenv("CLICKSTREAM_HOURS_LOOKBACK", "24")
    put(wiring, "acme", "sale", old)
    assert len(driven(wiring).runs) == 1
    put(wiring, "acme", "sale", old, number=2)
    assert driven(wiring).runs == []
    home = prepare_home(wiring.settings.home / "dagster")
    assert [run.hour for run in drive(home, LOCATION, [old]).runs] == [str(old)]


def test_the_life_of_an_event_is_followed_down_to_its_table(wiring: Wiring, hour: Hour) -> None:
    """Paused, resumed, removed and added again: what arrives meanwhile is loaded as soon as the event is in use."""
    registry = wiring.registry_service
    put(wiring, "acme", "sale", hour.plus(-2))
    driven(wiring)
    registry.pause_event("acme", "sale")
    put(wiring, "acme", "sale", hour.plus(-1), number=2)
    put(wiring, "acme", "click", hour.plus(-1), number=3)
    assert [run.hour for run in driven(wiring).runs] == [str(hour.plus(-1))]
    assert loaded_hours(wiring, "sale") == [hour.plus(-2)]
    registry.resume_event("acme", "sale")
    assert [(run.hour, run.is_success) for run in driven(wiring).runs] == [(str(hour.plus(-1)), True)]
    registry.remove_event("acme", "sale")
    put(wiring, "acme", "sale", hour, number=4)
    assert driven(wiring).runs == []
    with dg.DagsterInstance.from_config(str(wiring.settings.home / "dagster")) as instance:
        # They go some minutes later: the other sensor may still be asking for a run over them.
        assert instance.get_dynamic_partitions("events/acme") == ["sale", "click"]
    registry.add_event("acme", "sale")
    assert [(run.hour, run.is_success) for run in driven(wiring).runs] == [(str(hour), True)]
    assert loaded_hours(wiring, "sale") == [hour.plus(-2), hour.plus(-1), hour]
    assert driven(wiring).runs == []


def loaded_hours(wiring: Wiring, event: str) -> list[Hour]:
    return [row.hour for row in wiring.list_loads(wiring.registry.get_customer("acme"), event=event)]


def test_an_object_that_is_gone_fails_its_stream_and_no_other(wiring: Wiring, hour: Hour) -> None:
    refs = {event: put(wiring, "acme", event, hour) for event in EVENTS}
    gone = ObjectRef(refs["sale"].key.replace("1-1", "9-9"), 100, "etag", 5)
    streams = {Stream("acme", event): (ref,) for event, ref in refs.items()} | {Stream("acme", "sale"): (gone,)}
    wiring.objects.put(seal_key(hour, "shard1"), Seal(hour, "shard1", "w", streams).to_json())
    report = driven(wiring)
    assert [run.is_success for run in report.runs] == [False]
    assert sorted(counts(wiring)) == ["click", "view"]
    tables = dg.AssetKey(["acme", "event_tables"])
    with dg.DagsterInstance.from_config(str(wiring.settings.home / "dagster")) as instance:
        records = instance.fetch_materializations(tables, limit=10).records
        assert {str(record.partition_key) for record in records} == {
            f"click|{hour.partition_key}",
            f"view|{hour.partition_key}",
        }
        failures = instance.get_records_for_run(report.runs[0].run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
        (data,) = (record.event_log_entry.get_dagster_event().step_failure_data for record in failures)
    assert data.user_failure_data is not None
    assert str(data.user_failure_data.description).startswith("1 of 3 streams failed; the others are loaded.\nsale ")


def test_ticks_and_runs_are_those_that_webserver_and_daemon_know(wiring: Wiring, hour: Hour) -> None:
    put(wiring, "acme", "sale", hour)
    driven(wiring)
    with dg.DagsterInstance.from_config(str(wiring.settings.home / "dagster")) as instance:
        (run,) = instance.get_runs()
        states = {state.instigator_name: state for state in instance.all_instigator_state()}
        ticks = instance.get_ticks(states["hours"].instigator_origin_id, states["hours"].selector_id)
        requested = [run_id for tick in ticks for run_id in tick.run_ids]
    assert requested == [run.run_id]
    assert run.tags["dagster/code_location"] == LOCATION
    assert run.tags["dagster/sensor_name"] == "hours"


def test_a_sensor_that_fails_is_an_error_that_says_why(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    driven(wiring)
    monkeypatch.setenv("CLICKSTREAM_OBJECT_STORE_URL", "ftp://nowhere")
    with pytest.raises(TerminalError, match=r"evaluating the sensor '\w+': .*ftp://nowhere"):
        driven(wiring)
