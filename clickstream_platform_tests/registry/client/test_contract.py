"""What every way to ask the registry has in common: its service, and a client of the real API in front of it.

Where the two differ, the test says so: a removed customer is a tombstone to the service and unknown to a client.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from zlib import crc32

import pytest

from clickstream_platform.errors import ConfigurationError, InvalidNameError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.hours import Hour
from clickstream_platform.registry import RegistryService, open_registry
from clickstream_platform.registry.access import Scope
from clickstream_platform.registry.client.api import MAX_ANNOUNCED, HttpRegistry
from clickstream_platform.registry.client.cache import SnapshotCache
from clickstream_platform.registry.client.cached import CachedRegistry
from clickstream_platform.registry.client.copies import SharedCopy
from clickstream_platform.registry.client.outbox import Outbox
from clickstream_platform.registry.client.transport import Transport
from clickstream_platform.registry.entities import Destination, EventState, Policy
from clickstream_platform.registry.http.app import ApiSettings, create_app
from clickstream_platform.registry.reader import RegistryReader
from clickstream_platform.registry.refusals import ConflictError, InvalidRequestError, NotFoundError
from clickstream_platform_tests.registry.client.scripted_api import serving
from clickstream_platform_tests.registry.served_apps import serving as serving_app

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
NINE = Hour.parse("2026-11-22T09")
SCHEMA = {"type": "object", "properties": {"price": {"type": "number"}}}


@dataclass
class Subject:
    """A way to ask, and the service behind it, to make changes with."""

    registry: RegistryReader
    service: RegistryService
    is_client: bool


def client_of(url: str, token: str, folder: Path) -> CachedRegistry:
    """Return a client that asks the API each time, so that every change is known at once."""
    api = HttpRegistry(Transport(url, lambda: token, timeout_seconds=10))
    copy, ticks = SharedCopy(MemoryObjectStore), count(step=1_000)
    return CachedRegistry(
        api,
        SnapshotCache(folder, "tests"),
        copy,
        Outbox(folder),
        FixedClock(NOW),
        timer=lambda: float(next(ticks)),
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RegistryService, str, str]]:
    """Give a registry, the address of its real API and a token for it; started once, emptied by each test's names."""
    clock = FixedClock(NOW)
    with open_registry(f"sqlite:///{tmp_path_factory.mktemp('served') / 'registry.db'}", clock) as service:
        _, token = service.add_token("tests", "operator")
        app = create_app(service, ApiSettings(rate_limit="1000000/minute"), clock=clock)
        with serving_app(app) as url:
            yield service, url, token


@pytest.fixture(params=["service", "client of the stand-in", "client of the real API"])
def subject(request: pytest.FixtureRequest, registry_url: str, tmp_path: Path) -> Iterator[Subject]:
    if request.param == "client of the real API":
        service, url, token = request.getfixturevalue("served")
        for customer in service.list_customers():
            service.remove_customer(customer.slug)
        with client_of(url, token, tmp_path) as client:
            yield Subject(client, service, is_client=True)
        return
    with open_registry(registry_url, FixedClock(NOW)) as service:
        if request.param == "service":
            yield Subject(service, service, is_client=False)
            return
        with serving(service) as api, client_of(api.url, api.token, tmp_path) as client:
            yield Subject(client, service, is_client=True)


@pytest.fixture
def acme(request: pytest.FixtureRequest, subject: Subject) -> str:
    """Give a customer of a name that no other test has."""
    slug = f"acme_{crc32(request.node.name.encode()):08x}"
    subject.service.add_customer(slug)
    return slug


def test_customers_and_destinations_are_as_they_are(subject: Subject, acme: str) -> None:
    subject.service.add_customer(f"{acme}_b", display_name="Bär & Söhne", policy=Policy(False, "freeze"), isolated=True)
    assert subject.registry.list_customers() == subject.service.list_customers()
    assert [each.slug for each in subject.registry.list_customers()] == [acme, f"{acme}_b"]
    assert subject.registry.get_customer(f"{acme}_b") == subject.service.get_customer(f"{acme}_b")
    destination = Destination(f"d_{acme}", "redshift", {"host": "h", "database": "d"}, "env:SECRET", "fixed")
    subject.service.add_destination(destination)
    assert subject.registry.get_destination(f"d_{acme}") == destination


def test_what_is_unknown_is_not_found(subject: Subject, acme: str) -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        subject.registry.get_customer("nobody")
    with pytest.raises(NotFoundError, match="nobody"):
        subject.registry.list_events("nobody")
    with pytest.raises(NotFoundError, match="nowhere"):
        subject.registry.get_destination("nowhere")
    with pytest.raises(NotFoundError, match="nobody"):
        subject.registry.record_seen("nobody", NINE, {"a": ("A", 1)})
    assert subject.registry.contracts_in_force("nobody") == {}


def test_events_are_in_order_in_every_state(subject: Subject, acme: str) -> None:
    for event in ("d", "注文", "a", "b"):
        subject.service.add_event(acme, event, display_name=event.upper(), freshness_deadline_minutes=30)
    subject.service.pause_event(acme, "a")
    subject.service.remove_event(acme, "b")
    assert subject.registry.list_events(acme) == subject.service.list_events(acme)
    assert [event.slug for event in subject.registry.list_events(acme)] == ["a", "b", "d", "注文"]
    in_use = {EventState.ACTIVE, EventState.PAUSED}
    assert [event.slug for event in subject.registry.list_events(acme, in_use)] == ["a", "d", "注文"]


def test_contracts_in_force_are_known(subject: Subject, acme: str) -> None:
    subject.service.add_event(acme, "sale")
    subject.service.add_contract(acme, "sale", "freeze", SCHEMA)
    (contract,) = subject.registry.contracts_in_force(acme).values()
    assert (contract.event, contract.mode, contract.schema) == ("sale", "freeze", SCHEMA)
    subject.service.set_contract_version(acme, "sale", None)
    assert subject.registry.contracts_in_force(acme) == {}


def test_the_snapshot_is_that_of_the_service(subject: Subject, acme: str) -> None:
    subject.service.add_event(acme, "sale")
    subject.service.add_contract(acme, "sale", "reject", SCHEMA)
    found, expected = subject.registry.snapshot(), subject.service.snapshot()
    assert (found.customers, found.events, found.destinations) == (
        expected.customers,
        expected.events,
        expected.destinations,
    )
    assert (found.contracts, found.etag) == (expected.contracts, expected.etag)


@pytest.mark.parametrize(("auto_activate", "state"), [(True, "active"), (False, "discovered")])
def test_an_event_that_arrives_is_decided_by_the_policy(
    auto_activate: bool, state: str, subject: Subject, acme: str
) -> None:
    subject.service.update_customer_policy(acme, Policy(auto_activate=auto_activate))
    found = subject.registry.record_seen(acme, NINE, {"fresh": ("Fresh!", 3), "注文": ("注文", 0)})
    assert list(found) == ["fresh", "注文"]
    fresh = found["fresh"]
    assert (fresh.state.value, fresh.display_name, fresh.first_seen_hour, fresh.seen_records) == (
        state,
        "Fresh!",
        str(NINE),
        3,
    )
    assert found == {event.slug: event for event in subject.service.list_events(acme)}
    assert subject.registry.list_events(acme) == subject.service.list_events(acme)


def test_a_known_event_keeps_its_state_and_counts_on(subject: Subject, acme: str) -> None:
    subject.service.record_seen(acme, NINE, {"sale": ("Sale", 3)})
    subject.service.pause_event(acme, "sale")
    found = subject.registry.record_seen(acme, NINE.plus(-2), {"sale": ("Other name", 4)})["sale"]
    assert (found.state, found.display_name, found.seen_records) == (EventState.PAUSED, "Sale", 7)
    assert (found.first_seen_hour, found.last_seen_hour) == (str(NINE.plus(-2)), str(NINE))
    assert found == subject.service.get_event(acme, "sale")


def test_a_removed_customer_s_events_arrive_as_removed(subject: Subject, acme: str) -> None:
    subject.service.remove_customer(acme)
    assert subject.registry.record_seen(acme, NINE, {"late": ("Late", 1)})["late"].state is EventState.REMOVED
    if subject.is_client:
        with pytest.raises(NotFoundError):
            subject.registry.get_customer(acme)
    else:
        assert subject.registry.get_customer(acme).removed_at is not None


def test_samples_come_with_what_arrived(subject: Subject, acme: str) -> None:
    subject.registry.record_seen(acme, NINE, {"sale": ("Sale", 1)}, samples={"sale": {"price": "<number>"}})
    sample = subject.service.get_sample(acme, "sale")
    assert sample is not None
    assert sample.sample == {"price": "<number>"}


@pytest.mark.parametrize(
    "seen", [{"No Slug": ("x", 1)}, {"a/b": ("x", 1)}, {"": ("x", 1)}, {"a": ("x", -1)}, {"a|b": ("x", 1)}]
)
def test_what_is_no_announcement_is_refused(seen: dict[str, tuple[str, int]], subject: Subject, acme: str) -> None:
    with pytest.raises(InvalidRequestError):
        subject.registry.record_seen(acme, NINE, seen)
    assert subject.service.list_events(acme) == []


def test_an_hour_follows_its_grammar(subject: Subject, acme: str) -> None:
    with pytest.raises(InvalidNameError):
        subject.registry.record_seen(acme, "yesterday", {"a": ("A", 1)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 5_000, "\0", "half \ud800", "</script>", "a\nb", "\u202eevil", "'; DROP"]
)
def test_any_name_that_was_sent_arrives(name: str, subject: Subject, acme: str) -> None:
    found = subject.registry.record_seen(acme, NINE, {"odd": (name, 1)})["odd"]
    assert found == subject.service.get_event(acme, "odd")
    assert found.display_name == subject.service.record_seen(acme, NINE, {"odd_2": (name, 1)})[
        "odd_2"
    ].display_name or (not name.strip("\0 "))


def test_more_events_than_one_request_takes_are_announced(subject: Subject, acme: str) -> None:
    seen = {f"event_{number:05}": (f"Event {number}", number) for number in range(MAX_ANNOUNCED + 2)}
    found = subject.registry.record_seen(acme, NINE, seen)
    assert list(found) == list(seen)
    assert len(subject.service.list_events(acme)) == len(seen)


def test_nothing_seen_is_nothing_said(subject: Subject, acme: str) -> None:
    assert subject.registry.record_seen(acme, NINE, {}) == {}


def test_a_customer_can_be_added(subject: Subject, acme: str) -> None:
    added = subject.registry.add_customer(f"{acme}_new")
    assert added == subject.service.get_customer(f"{acme}_new") == subject.registry.get_customer(f"{acme}_new")
    with pytest.raises(ConflictError):
        subject.registry.add_customer(f"{acme}_new")
    subject.service.remove_customer(f"{acme}_new")
    with pytest.raises(ConflictError, match="removed"):
        subject.registry.add_customer(f"{acme}_new")
    seen = subject.registry.record_seen(f"{acme}_seen", NINE, {"a": ("A", 1)}, create_customer=True)
    assert subject.registry.list_events(f"{acme}_seen") == list(seen.values())


def test_the_age_is_described(subject: Subject, acme: str) -> None:
    assert "answers" in subject.registry.describe_age()


@pytest.mark.parametrize(("scope", "may_announce"), [("loader", True), ("collector", False)])
def test_a_loader_may_load_and_no_more(
    scope: Scope, may_announce: bool, served: tuple[RegistryService, str, str], tmp_path: Path
) -> None:
    service, url, _ = served
    slug = f"scopes_{scope}"
    service.add_customer(slug)
    service.add_write_key(slug, "site")
    _, token = service.add_token(scope, scope)
    with client_of(url, token, tmp_path) as client:
        assert client.get_customer(slug).slug == slug
        assert bool(client.snapshot().write_keys) is (scope == "collector")
        client.record_seen(slug, NINE, {"sale": ("Sale", 1)})
        assert [event.slug for event in service.list_events(slug)] == (["sale"] if may_announce else [])
        with pytest.raises(ConfigurationError, match=r"may not do this.*operator to add customers"):
            client.add_customer(f"{slug}_new")
        assert client.get_customer(slug).slug == slug


def test_the_file_on_disk_holds_no_hash_of_a_write_key(
    served: tuple[RegistryService, str, str], tmp_path: Path
) -> None:
    service, url, _ = served
    service.add_customer("keys")
    key, _ = service.add_write_key("keys", "site")
    _, token = service.add_token("disk", "loader")
    with client_of(url, token, tmp_path) as client:
        client.snapshot()
    text = gzip.decompress((tmp_path / "tests.snapshot.gz").read_bytes()).decode()
    assert key.hash not in text
    assert "keys" in {customer["slug"] for customer in json.loads(text.splitlines()[1])["customers"]}
