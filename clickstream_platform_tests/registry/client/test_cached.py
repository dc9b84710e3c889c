"""A client over time: what it asks, what it keeps, what it does while the API is away, and what when it is back."""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.object_keys import REGISTRY_SNAPSHOT_KEY
from clickstream_platform.registry import RegistryService
from clickstream_platform.registry.client.cache import list_headers
from clickstream_platform.registry.client.cached import REFRESH_SECONDS, RETRY_SECONDS, CachedRegistry
from clickstream_platform.registry.client.copies import SHARE_AGAIN_AFTER
from clickstream_platform.registry.client.kept import KeptSnapshot
from clickstream_platform.registry.client.status import Source
from clickstream_platform.registry.entities import Event, EventState, Policy
from clickstream_platform.registry.refusals import NotFoundError, RegistryUnavailableError
from clickstream_platform_tests.registry.client.conftest import NOW, Machine
from clickstream_platform_tests.registry.client.scripted_api import Handler, ScriptedApi

HOUR = "2026-11-22T09"
SIGHTINGS = "POST /v1/customers/acme/sightings"


def seen(client: CachedRegistry, customer: str = "acme", hour: str = HOUR, **records: int) -> dict[str, Event]:
    return client.record_seen(customer, hour, {slug: (slug.title(), count) for slug, count in records.items()})


def states(registry: CachedRegistry | RegistryService, customer: str = "acme") -> dict[str, str]:
    return {event.slug: event.state.value for event in registry.list_events(customer)}


def go_away(api: ScriptedApi, machine: Machine) -> None:
    """Let the registry go away, for long enough to be noticed."""
    api.is_away = True
    machine.wait(seconds=REFRESH_SECONDS)


def come_back(api: ScriptedApi, machine: Machine) -> None:
    """Let the registry come back, for long enough to be noticed."""
    api.is_away = False
    machine.wait(seconds=RETRY_SECONDS)


def test_the_api_is_asked_every_few_seconds_and_sends_a_snapshot_only_when_it_changed(
    machine: Machine, api: ScriptedApi, service: RegistryService
) -> None:
    client = machine.client()
    for _ in range(5):
        client.get_customer("acme")
    assert api.story() == ["GET /v1/snapshot 200"]
    machine.wait(seconds=REFRESH_SECONDS)
    client.list_events("acme")
    assert api.story() == ["GET /v1/snapshot 304"]
    service.pause_event("acme", "sale")
    assert states(client)["sale"] == "active"
    machine.wait(seconds=REFRESH_SECONDS)
    assert states(client)["sale"] == "paused"
    assert api.story() == ["GET /v1/snapshot 200"]


def test_the_next_process_starts_from_the_disk(machine: Machine, api: ScriptedApi) -> None:
    machine.client().snapshot()
    api.story()
    assert machine.client().snapshot().customers
    assert api.story() == ["GET /v1/snapshot 304"]
    (path,) = [path for path in (machine.folder or Path()).iterdir() if path.is_file()]
    assert path.name == "pipeline.snapshot.gz"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_ten_minutes_without_the_api_fail_nothing_and_the_age_grows(machine: Machine, api: ScriptedApi) -> None:
    machine.client().snapshot()
    go_away(api, machine)
    machine.wait(minutes=10)
    client = machine.client()
    assert client.get_customer("acme").slug == "acme"
    assert client.get_destination("default").kind == "duckdb"
    assert client.age_seconds() == 600 + REFRESH_SECONDS
    assert not client.status().is_answering
    assert client.describe_age().startswith(
        "the registry's API does not answer, its snapshot on disk was confirmed 605 s ago (asking the registry's API"
    )
    come_back(api, machine)
    assert client.age_seconds() == 0
    assert client.describe_age() == "the registry's API answers; its snapshot was confirmed 0 s ago"


def test_an_api_that_is_away_is_left_alone_for_a_while(machine: Machine, api: ScriptedApi) -> None:
    client = machine.client()
    client.snapshot()
    go_away(api, machine)
    api.story()
    for _ in range(3):
        seen(client, sale=1)
    assert api.story() == ["GET /v1/snapshot dropped"]
    machine.wait(seconds=RETRY_SECONDS)
    client.snapshot()
    assert api.story() == ["GET /v1/snapshot dropped"]


def test_without_the_api_events_are_decided_as_the_registry_would_and_announced_later(
    machine: Machine, api: ScriptedApi, service: RegistryService
) -> None:
    service.add_event("acme", "gone")
    service.remove_event("acme", "gone")
    client = machine.client()
    client.snapshot()
    go_away(api, machine)
    assert {e.slug: e.state for e in seen(client, sale=3, gone=1, fresh=2).values()} == {
        "sale": EventState.ACTIVE,
        "gone": EventState.REMOVED,
        "fresh": EventState.ACTIVE,
    }
    assert seen(client, "careful", fresh=5)["fresh"].state is EventState.DISCOVERED
    assert states(client) == {"fresh": "active", "gone": "removed", "sale": "active"}
    assert [event.slug for event in client.snapshot().events] == ["fresh", "gone", "sale", "fresh"]
    assert client.status().waiting == 2
    with pytest.raises(NotFoundError):
        seen(client, "stranger", fresh=1)

    come_back(api, machine)
    assert states(client) == states(service) == {"fresh": "active", "gone": "removed", "sale": "active"}
    assert states(client, "careful") == states(service, "careful") == {"fresh": "discovered"}
    assert client.status().waiting == 0
    fresh = service.get_event("careful", "fresh")
    assert (fresh.display_name, fresh.first_seen_hour, fresh.seen_records) == ("Fresh", HOUR, 5)
    assert service.get_event("acme", "sale").seen_records == 3


def test_announcements_are_made_in_their_order_before_the_new_snapshot_is_used(
    machine: Machine, api: ScriptedApi
) -> None:
    client = machine.client()
    client.snapshot()
    go_away(api, machine)
    for hour in ("2026-11-22T10", "2026-11-22T09", "2026-11-22T11"):
        seen(client, hour=hour, fresh=1)
    api.story()
    come_back(api, machine)
    assert states(machine.client())["fresh"] == "active", "another process delivers what this one left"
    assert api.story() == ["GET /v1/snapshot 304", *[f"{SIGHTINGS} 200"] * 3, "GET /v1/snapshot 200"]
    assert [body["hour"][-2:] for body in api.bodies] == ["10", "09", "11"]


def test_changes_made_meanwhile_apply_when_the_api_is_back(
    machine: Machine, api: ScriptedApi, service: RegistryService
) -> None:
    client = machine.client()
    client.snapshot()
    go_away(api, machine)
    seen(client, fresh=1)
    service.pause_event("acme", "sale")
    service.update_customer_policy("acme", Policy(auto_activate=False))
    assert states(client) == {"fresh": "active", "sale": "active"}
    come_back(api, machine)
    assert states(client) == {"fresh": "discovered", "sale": "paused"}, "the registry has the last word"


def test_an_event_that_is_new_is_known_at_once(machine: Machine, api: ScriptedApi) -> None:
    client = machine.client()
    assert seen(client, fresh=1)["fresh"].state is EventState.ACTIVE
    assert states(client) == {"fresh": "active", "sale": "active"}
    assert api.story() == ["GET /v1/snapshot 200", f"{SIGHTINGS} 200"]


def test_an_answer_that_got_lost_counts_twice_and_changes_nothing_else(
    machine: Machine, api: ScriptedApi, service: RegistryService
) -> None:
    client = machine.client()
    client.snapshot()

    def lose_the_answer(handler: Handler) -> None:
        service.record_seen("acme", HOUR, {"fresh": ("Fresh", 4)})
        handler.drop()

    api.faults = [lose_the_answer]
    assert seen(client, fresh=4)["fresh"].seen_records == 4
    machine.wait(seconds=RETRY_SECONDS)
    client.snapshot()
    once = service.get_event("acme", "fresh")
    assert once.seen_records == 8
    assert (once.state, once.first_seen_hour, once.revision) == (EventState.ACTIVE, HOUR, 1)


def test_an_announcement_that_is_refused_holds_up_none_behind_it(
    machine: Machine, api: ScriptedApi, service: RegistryService, caplog: pytest.LogCaptureFixture
) -> None:
    client = machine.client()
    client.snapshot()
    go_away(api, machine)
    seen(client, fresh=1)
    seen(client, other=1)
    api.is_away = False
    machine.wait(seconds=RETRY_SECONDS)
    api.faults = [lambda handler: handler.send(304), lambda handler: handler.problem(422, "no")]
    client.snapshot()
    assert "is refused and dropped" in caplog.text
    assert states(service) == {"other": "active", "sale": "active"}


def test_a_registry_that_takes_no_announcements_still_gives_its_snapshot(
    machine: Machine, api: ScriptedApi, service: RegistryService
) -> None:
    client = machine.client()
    client.snapshot()
    go_away(api, machine)
    seen(client, fresh=1)
    service.pause_event("acme", "sale")
    api.is_away = False
    machine.wait(seconds=RETRY_SECONDS)
    api.faults = [Handler.answer_snapshot, lambda handler: handler.problem(503, "held by another writer")]
    assert states(client) == {"fresh": "active", "sale": "paused"}
    assert client.status().waiting == 1
    assert client.status().is_answering


def test_a_machine_without_a_snapshot_takes_the_copy_in_the_object_store(
    machine: Machine, api: ScriptedApi, make_machine: Callable[[MemoryObjectStore], Machine]
) -> None:
    machine.client().snapshot()
    api.is_away = True
    pod = make_machine(machine.objects)
    pod.wait(minutes=3)
    client = pod.client()
    assert states(client) == {"sale": "active"}
    assert client.status().source is Source.COPY
    assert client.age_seconds() == 180
    pod.objects.delete(REGISTRY_SNAPSHOT_KEY)
    assert states(pod.client()) == {"sale": "active"}, "it is on the machine's own disk now"


def test_the_copy_is_used_when_it_is_newer_than_the_disk(
    machine: Machine, api: ScriptedApi, service: RegistryService, make_machine: Callable[[MemoryObjectStore], Machine]
) -> None:
    machine.client().snapshot()
    other = make_machine(machine.objects)
    other.wait(hours=1)
    service.pause_event("acme", "sale")
    other.client().snapshot()
    api.is_away = True
    machine.wait(hours=2)
    client = machine.client()
    assert states(client) == {"sale": "paused"}
    assert client.age_seconds() == 3600


def test_the_copy_is_written_for_a_new_state_and_now_and_then(machine: Machine, service: RegistryService) -> None:
    client = machine.client()

    def puts() -> int:
        machine.wait(seconds=REFRESH_SECONDS)
        client.snapshot()
        return sum(method == "put" for method, _ in machine.objects.story)

    assert [puts(), puts(), puts()] == [1, 1, 1]
    service.pause_event("acme", "sale")
    assert [puts(), puts()] == [2, 2]
    machine.clock.advance(SHARE_AGAIN_AFTER)
    assert [puts(), puts()] == [3, 3]
    kept = KeptSnapshot.from_bytes(machine.objects.get(REGISTRY_SNAPSHOT_KEY))
    assert kept.parse().events[0].state is EventState.PAUSED


def test_a_pod_does_not_write_a_copy_that_is_there(
    machine: Machine, make_machine: Callable[[MemoryObjectStore], Machine]
) -> None:
    machine.client().snapshot()
    pod = make_machine(machine.objects)
    machine.objects.story.clear()
    pod.client().snapshot()
    assert [method for method, _ in machine.objects.story] == ["get_range"]


def test_nothing_is_known_without_any_snapshot(machine: Machine, api: ScriptedApi) -> None:
    api.is_away = True
    client = machine.client()
    with pytest.raises(RegistryUnavailableError, match="no snapshot was kept on disk or in the object store"):
        client.snapshot()
    with pytest.raises(RegistryUnavailableError):
        seen(client, sale=1)
    assert "no snapshot was kept" in client.describe_age()
    come_back(api, machine)
    assert states(client) == {"sale": "active"}


@pytest.mark.parametrize("damage", [b"", b"\x1f\x8b", b"no gzip at all"])
def test_a_damaged_snapshot_is_ignored_with_a_warning(
    damage: bytes, machine: Machine, api: ScriptedApi, caplog: pytest.LogCaptureFixture
) -> None:
    machine.client().snapshot()
    path = (machine.folder or Path()) / "pipeline.snapshot.gz"
    path.write_bytes(damage or path.read_bytes()[:-1])
    api.story()
    assert states(machine.client()) == {"sale": "active"}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert api.story() == ["GET /v1/snapshot 200"]
    assert KeptSnapshot.from_bytes(path.read_bytes())


def test_a_disk_that_cannot_be_written_stops_nobody(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    (machine.folder or Path()).rmdir()
    assert states(machine.client()) == {"sale": "active"}
    assert "can't be kept" in caplog.text


def test_a_token_that_is_no_longer_valid_stops_no_load_and_is_read_again(
    machine: Machine, api: ScriptedApi, service: RegistryService, caplog: pytest.LogCaptureFixture
) -> None:
    client = machine.client()
    client.snapshot()
    api.token = "another-token"
    machine.wait(seconds=REFRESH_SECONDS)
    assert seen(client, fresh=1)["fresh"].state is EventState.ACTIVE
    assert "does not take the token" in client.describe_age()
    assert "does not take the token" in caplog.text
    machine.token = "another-token"
    machine.wait(seconds=RETRY_SECONDS)
    assert client.status().is_answering
    assert states(service)["fresh"] == "active"


def test_a_wrong_token_is_said_where_there_is_nothing_to_go_on_with(machine: Machine) -> None:
    machine.token = "nonsense"
    with pytest.raises(RegistryUnavailableError, match="does not take the token") as caught:
        machine.client().snapshot()
    assert isinstance(caught.value.__cause__, ConfigurationError)


def test_a_customer_is_added_by_the_registry_only(machine: Machine, api: ScriptedApi, service: RegistryService) -> None:
    client = machine.client()
    assert client.add_customer("newcomer").slug == "newcomer"
    assert client.get_customer("newcomer") == service.get_customer("newcomer")
    assert client.record_seen("later", HOUR, {"a": ("A", 1)}, create_customer=True)["a"].customer == "later"
    assert client.get_customer("later").slug == "later"
    go_away(api, machine)
    with pytest.raises(RegistryUnavailableError, match="this can't wait"):
        client.record_seen("another", HOUR, {"a": ("A", 1)}, create_customer=True)
    with pytest.raises(RegistryUnavailableError):
        client.add_customer("another")
    assert client.status().waiting == 0


def test_a_token_that_may_not_add_customers_is_told_so(machine: Machine, api: ScriptedApi) -> None:
    client = machine.client()
    client.snapshot()
    api.faults = [lambda handler: handler.problem(403, "scope loader")] * 2
    with pytest.raises(ConfigurationError, match=r"may not do this \(scope loader\).*operator to add customers"):
        client.add_customer("newcomer")
    with pytest.raises(ConfigurationError, match="may not do this"):
        client.record_seen("newcomer", HOUR, {"a": ("A", 1)}, create_customer=True)


def test_a_process_that_is_late_does_not_put_its_older_state_over_a_newer_one(
    machine: Machine, service: RegistryService
) -> None:
    machine.client().snapshot()
    old = (machine.folder or Path()) / "pipeline.snapshot.gz"
    late = KeptSnapshot.from_bytes(old.read_bytes())
    machine.wait(minutes=1)
    service.pause_event("acme", "sale")
    client = machine.client()
    client.snapshot()
    client._cache.save(replace(late, header=replace(late.header, confirmed_at=NOW + timedelta(seconds=30))))
    assert states(machine.client()) == {"sale": "paused"}
    assert dict(list_headers(machine.folder or Path()))["pipeline"].confirmed_at == machine.clock.now()
