"""Snapshot, etag, the log of changes, and the written forms of entities."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.documents import digest, parse_snapshot, snapshot_document
from clickstream_platform.registry.entities import (
    Contract,
    Customer,
    Destination,
    Event,
    EventState,
    Policy,
    Snapshot,
    WriteKey,
)
from clickstream_platform.registry.refusals import InvalidRequestError
from clickstream_platform.registry.service import RegistryService

HOUR = "2026-11-22T08"
_T = TypeVar("_T")
TEXT = st.text(max_size=20)
TIMES = st.datetimes(timezones=st.just(UTC))
POLICIES = st.builds(
    Policy, st.booleans(), st.sampled_from(["evolve", "freeze", "reject"]), st.integers(1, 99), st.integers(50, 1600)
)
CUSTOMERS = st.builds(Customer, TEXT, TEXT, POLICIES, TEXT, st.booleans(), TIMES, st.none() | TIMES, st.integers(1, 9))
EVENTS = st.builds(
    Event,
    *(TEXT, TEXT, TEXT, st.sampled_from(EventState), st.none() | st.integers(1, 99), TIMES, st.none() | TEXT),
    *(st.integers(0), st.none() | TEXT, st.integers(0), st.integers(1, 9), st.none() | st.integers(1, 9)),
    st.integers(1, 9),
)
KEYS = st.builds(
    WriteKey, *[TEXT] * 5, TIMES, expires_at=st.none() | TIMES, revoked_at=st.none(), revision=st.integers(1, 9)
)
JSON = st.recursive(st.none() | st.booleans() | st.integers(0, 9) | TEXT, lambda inner: st.dictionaries(TEXT, inner))
CONTRACTS = st.builds(
    Contract,
    *(TEXT, TEXT, st.integers(1, 9), st.sampled_from(["evolve", "freeze", "reject"]), st.dictionaries(TEXT, JSON)),
    *(TEXT, TIMES, TEXT),
)
DESTINATIONS = st.builds(
    Destination,
    *(TEXT, st.sampled_from(["duckdb", "redshift"]), st.dictionaries(TEXT, TEXT), st.none() | TEXT, st.none() | TEXT),
    st.integers(1, 9),
)


def _many(values: st.SearchStrategy[_T]) -> st.SearchStrategy[tuple[_T, ...]]:
    return st.lists(values, max_size=3).map(tuple)


@given(
    st.builds(
        Snapshot, _many(CUSTOMERS), _many(EVENTS), _many(DESTINATIONS), TEXT, TIMES, _many(KEYS), _many(CONTRACTS)
    )
)
def test_a_snapshot_survives_being_written_as_json(snapshot: Snapshot) -> None:
    assert parse_snapshot(json.loads(json.dumps(snapshot_document(snapshot)))) == snapshot


def test_a_newer_registry_may_tell_more(filled: RegistryService) -> None:
    filled.add_write_key("acme", "web")
    filled.add_contract("zebra", "c", "freeze", {})
    snapshot = filled.snapshot()
    document = snapshot_document(snapshot) | {"later": 1}
    for kind in ("customers", "events", "destinations", "contracts", "write_keys"):
        assert document[kind]
        document[kind] = [each | {"later": 1} for each in document[kind]]
    document["customers"] = [each | {"policy": each["policy"] | {"later": 1}} for each in document["customers"]]
    assert parse_snapshot(document) == snapshot


@given(EVENTS, EVENTS)
def test_equal_digest_exactly_when_equal_content(one: Event, other: Event) -> None:
    def content(event: Event) -> Event:
        return replace(event, seen_records=0, last_seen_hour=None, waiting_records=0)

    assert (digest([[one]]) == digest([[other]])) == (content(one) == content(other))
    assert digest([[one]]) == digest([[replace(one, seen_records=1, last_seen_hour="x", waiting_records=2)]])


@pytest.mark.parametrize("document", [{}, {"customers": 1}, {"customers": [], "events": [{"slug": "a"}]}])
def test_what_is_no_snapshot_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError):
        parse_snapshot(document)


@pytest.fixture
def filled(any_registry: RegistryService) -> RegistryService:
    """Give a registry with two customers, a destination and an event in each state."""
    any_registry.add_destination(Destination("main", "redshift", {"host": "h"}))
    any_registry.add_customer("zebra", destination="main")
    any_registry.add_customer("acme", policy=Policy(auto_activate=False))
    any_registry.record_seen("zebra", HOUR, {slug: (slug, 1) for slug in "cab"})
    any_registry.record_seen("acme", HOUR, {"d": ("D", 1)})
    any_registry.pause_event("zebra", "a")
    any_registry.remove_event("zebra", "b")
    return any_registry


def test_a_snapshot_has_everything_in_order(filled: RegistryService, clock: FixedClock) -> None:
    snapshot = filled.snapshot()
    assert [customer.slug for customer in snapshot.customers] == ["acme", "zebra"]
    assert [(event.customer, event.slug, event.state.value) for event in snapshot.events] == [
        ("acme", "d", "discovered"),
        ("zebra", "a", "paused"),
        ("zebra", "b", "removed"),
        ("zebra", "c", "active"),
    ]
    assert [destination.name for destination in snapshot.destinations] == ["default", "main"]
    assert snapshot.taken_at == clock.now()


CHANGES: dict[str, Callable[[RegistryService], object]] = {
    "add customer": lambda registry: registry.add_customer("new"),
    "policy": lambda registry: registry.update_customer_policy("acme", Policy(column_limit=99)),
    "destination of customer": lambda registry: registry.set_destination("acme", "main"),
    "isolated": lambda registry: registry.set_isolated("acme", True),
    "remove customer": lambda registry: registry.remove_customer("acme"),
    "add event": lambda registry: registry.add_event("acme", "new"),
    "see new event": lambda registry: registry.record_seen("acme", HOUR, {"new": ("New", 1)}),
    "see earlier hour": lambda registry: registry.record_seen("acme", "2026-11-22T07", {"d": ("D", 1)}),
    "activate": lambda registry: registry.activate_event("acme", "d"),
    "resume": lambda registry: registry.resume_event("zebra", "a"),
    "pause": lambda registry: registry.pause_event("zebra", "c"),
    "remove event": lambda registry: registry.remove_event("zebra", "c"),
    "deadline": lambda registry: registry.set_freshness_deadline("zebra", "c", 5),
    "add destination": lambda registry: registry.add_destination(Destination("other", "duckdb", {})),
    "update customer": lambda registry: registry.update_customer("acme", display_name="Acme Corporation"),
    "update event": lambda registry: registry.update_event("zebra", "c", display_name="Sea"),
    "add write key": lambda registry: registry.add_write_key("acme", "web"),
    "add contract": lambda registry: registry.add_contract("zebra", "c", "freeze", {}),
    "replace destination": lambda registry: registry.replace_destination(Destination("main", "redshift", {})),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_etag_changes_with_the_content(filled: RegistryService, change: str) -> None:
    before = filled.snapshot().etag
    CHANGES[change](filled)
    assert filled.etag() == filled.snapshot().etag != before


def test_the_etag_stays_while_the_content_does(filled: RegistryService, clock: FixedClock) -> None:
    before = filled.snapshot()
    clock.advance(timedelta(hours=1))
    filled.record_seen("zebra", HOUR, {"c": ("C", 10)})
    filled.pause_event("zebra", "a")

    assert filled.etag() == before.etag == filled.snapshot().etag
    assert filled.snapshot().taken_at > before.taken_at
    assert filled.snapshot().events[3].seen_records == 11


def test_every_change_is_logged_with_what_was_before_and_after(filled: RegistryService, clock: FixedClock) -> None:
    logged = filled.list_audit()
    at = clock.advance(timedelta(minutes=1))
    paused = filled.acting_as("anna").pause_event("zebra", "c")

    entry, *rest = filled.list_audit()
    assert rest == logged
    assert (entry.at, entry.actor, entry.action) == (at, "anna", "event.pause")
    assert (entry.customer, entry.name) == ("zebra", "c")
    assert entry.before is not None
    assert entry.after is not None
    assert (entry.before["state"], entry.after["state"]) == ("active", "paused")
    assert entry.after["revision"] == paused.revision
    assert filled.list_audit(before=entry.number, limit=2) == logged[:2]
    assert [each.action for each in reversed(logged)] == [
        *("destination.add", "customer.add", "customer.add"),
        *("event.discover", "event.discover", "event.discover", "event.discover", "event.pause", "event.remove"),
    ]
    assert logged[-1].before is None
    assert logged[-1].customer is None


def test_removing_a_customer_logs_each_event(filled: RegistryService) -> None:
    filled.remove_customer("zebra")
    newest = [(entry.action, entry.name) for entry in filled.list_audit(limit=3)]
    assert newest == [("customer.remove", "zebra"), ("event.remove", "c"), ("event.remove", "a")]


def test_the_snapshot_of_many_customers_is_small(registry: RegistryService) -> None:
    for number in range(20):
        seen = {f"event_name_{event}": (f"Event Name {event}", 1_000) for event in range(50)}
        registry.record_seen(f"customer_{number}", HOUR, seen, create_customer=True)
    document = json.dumps(snapshot_document(registry.snapshot())).encode()
    assert len(gzip.compress(document)) < 50_000, "twenty times this stays far below 5 MB"
