"""Events: the table of states, isolation between customers, and taking note of what arrived."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.registry.entities import Event, EventState, Policy
from clickstream_platform.registry.refusals import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    StaleRevisionError,
)
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.conftest import START

HOUR = "2026-11-22T08"
ACTIVE, PAUSED, REMOVED, DISCOVERED = (
    EventState.ACTIVE,
    EventState.PAUSED,
    EventState.REMOVED,
    EventState.DISCOVERED,
)
TABLE = {
    # state: what add, activate, pause, resume and remove lead to; None is refused
    ACTIVE: (None, ACTIVE, PAUSED, ACTIVE, REMOVED),
    PAUSED: (None, None, PAUSED, ACTIVE, REMOVED),
    DISCOVERED: (ACTIVE, ACTIVE, None, None, REMOVED),
    REMOVED: (ACTIVE, None, None, None, REMOVED),
}
ACTIONS = ("add", "activate", "pause", "resume", "remove")


def _in_state(registry: RegistryService, state: EventState) -> Event:
    registry.add_customer("acme", policy=Policy(auto_activate=state is not DISCOVERED))
    registry.record_seen("acme", HOUR, {"a": ("A", 1)})
    if state is PAUSED:
        registry.pause_event("acme", "a")
    if state is REMOVED:
        registry.remove_event("acme", "a")
    event = registry.get_event("acme", "a")
    assert event.state is state
    return event


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", EventState)
def test_every_action_in_every_state(registry: RegistryService, state: EventState, action: str) -> None:
    before = _in_state(registry, state)
    expected = TABLE[state][ACTIONS.index(action)]

    if expected is None:
        with pytest.raises(ConflictError, match=str(state)):
            getattr(registry, f"{action}_event")("acme", "a")
    else:
        after = getattr(registry, f"{action}_event")("acme", "a")
        assert after.state is expected
        assert after.revision == before.revision + (expected is not state)
    found = registry.get_event("acme", "a")
    assert found.state is (expected or state)
    assert found.seen_records == 1


def test_an_event_is_read_back_as_it_was_added(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    added = any_registry.add_event("acme", "注文完了", display_name="注文 完了 🛒", freshness_deadline_minutes=90)
    assert added == Event("acme", "注文完了", "注文 完了 🛒", ACTIVE, 90, START, None)
    assert any_registry.get_event("acme", "注文完了") == added


def test_a_change_on_an_old_revision_is_refused(registry: RegistryService) -> None:
    event = _in_state(registry, ACTIVE)
    registry.pause_event("acme", "a", expected_revision=event.revision)
    with pytest.raises(StaleRevisionError):
        registry.resume_event("acme", "a", expected_revision=event.revision)
    with pytest.raises(StaleRevisionError):
        registry.set_freshness_deadline("acme", "a", 30, expected_revision=event.revision)


def test_arriving_records_leave_the_revision_alone(registry: RegistryService) -> None:
    event = _in_state(registry, ACTIVE)
    registry.record_seen("acme", HOUR, {"a": ("A", 5)})
    assert registry.pause_event("acme", "a", expected_revision=event.revision).state is PAUSED


def test_a_deadline_is_set_and_cleared(registry: RegistryService) -> None:
    _in_state(registry, ACTIVE)
    assert registry.set_freshness_deadline("acme", "a", 30).freshness_deadline_minutes == 30
    assert registry.set_freshness_deadline("acme", "a", None).freshness_deadline_minutes is None
    with pytest.raises(InvalidRequestError):
        registry.set_freshness_deadline("acme", "a", 0)


def test_a_customer_never_sees_the_events_of_another(any_registry: RegistryService) -> None:
    for customer in ("acme", "acme_2"):
        any_registry.add_customer(customer)
        any_registry.record_seen(customer, HOUR, {"shared": ("Shared", 1), f"only_{customer}": ("Only", 1)})
    any_registry.remove_event("acme_2", "shared")

    assert [event.slug for event in any_registry.list_events("acme")] == ["only_acme", "shared"]
    assert any_registry.get_event("acme", "shared").state is ACTIVE
    assert {entry.customer for entry in any_registry.list_audit("acme")} == {"acme"}
    with pytest.raises(NotFoundError):
        any_registry.get_event("acme", "only_acme_2")


def test_listing_by_state_and_by_page(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    any_registry.record_seen("acme", HOUR, {slug: (slug, 1) for slug in "dbca"})
    any_registry.pause_event("acme", "b")
    any_registry.remove_event("acme", "c")

    assert [event.slug for event in any_registry.list_events("acme", [PAUSED, REMOVED])] == ["b", "c"]
    assert any_registry.list_events("acme", []) == []
    assert [event.slug for event in any_registry.list_events("acme", after="b", limit=1)] == ["c"]
    with pytest.raises(NotFoundError, match="nobody"):
        any_registry.list_events("nobody")


def test_first_sight_follows_the_policy(any_registry: RegistryService) -> None:
    any_registry.add_customer("eager")
    any_registry.add_customer("careful", policy=Policy(auto_activate=False))

    eager = any_registry.record_seen("eager", Hour.parse(HOUR), {"order_completed": ("Order Completed", 3)})
    careful = any_registry.record_seen("careful", HOUR, {"order_completed": ("Order Completed", 3)})

    expected = Event("eager", "order_completed", "Order Completed", ACTIVE, None, START, HOUR, 3, HOUR)
    assert eager == {"order_completed": expected}
    assert careful["order_completed"].state is DISCOVERED
    assert any_registry.get_event("careful", "order_completed") == careful["order_completed"]


def test_a_second_sight_counts_and_keeps_the_earliest_hour(any_registry: RegistryService, clock: FixedClock) -> None:
    any_registry.add_customer("acme")
    any_registry.record_seen("acme", "2026-11-22T08", {"a": ("A", 3)})
    clock.advance(timedelta(hours=5))
    any_registry.record_seen("acme", "2026-11-22T13", {"a": ("another spelling", 4), "b": ("B", 1)})
    seen = any_registry.record_seen("acme", "2026-11-21T23", {"a": ("A", 2)})

    assert seen == {"a": Event("acme", "a", "A", ACTIVE, None, START, "2026-11-21T23", 9, "2026-11-22T13")}
    assert any_registry.get_event("acme", "a") == seen["a"]
    assert any_registry.get_event("acme", "b").seen_records == 1


@pytest.mark.parametrize("policy", [Policy(auto_activate=True), Policy(auto_activate=False)])
def test_a_late_object_never_revives_a_tombstone(any_registry: RegistryService, policy: Policy) -> None:
    any_registry.add_customer("acme", policy=policy)
    any_registry.add_event("acme", "a")
    any_registry.remove_event("acme", "a")
    etag = any_registry.etag()

    for _ in range(2):
        assert any_registry.record_seen("acme", HOUR, {"a": ("A", 7)}, create_customer=True)["a"].state is REMOVED

    found = any_registry.get_event("acme", "a")
    assert (found.state, found.seen_records, found.first_seen_hour) == (REMOVED, 14, HOUR)
    assert any_registry.etag() != etag, "the first hour seen is content: a backfill starts there"


def test_a_late_object_never_revives_a_removed_customer(registry: RegistryService) -> None:
    registry.add_customer("acme")
    registry.add_event("acme", "a")
    registry.remove_customer("acme")

    seen = registry.record_seen("acme", HOUR, {"a": ("A", 1), "new": ("New", 1)}, create_customer=True)

    assert {event.state for event in seen.values()} == {REMOVED}
    assert registry.list_customers() == []


def test_an_unknown_customer_is_refused_or_created(registry: RegistryService) -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        registry.record_seen("nobody", HOUR, {"a": ("A", 1)})
    assert registry.record_seen("nobody", HOUR, {"a": ("A", 1)}, create_customer=True)["a"].state is ACTIVE
    assert registry.get_customer("nobody").policy == Policy()
    with pytest.raises(InvalidRequestError):
        registry.record_seen("No Slug", HOUR, {"a": ("A", 1)}, create_customer=True)


def test_one_impossible_event_leaves_all_unrecorded(registry: RegistryService) -> None:
    registry.add_customer("acme")
    for seen in ({"a": ("A", 1), "b": ("B", -1)}, {"a": ("A", 1), "No Slug": ("B", 1)}):
        with pytest.raises(InvalidRequestError):
            registry.record_seen("acme", HOUR, seen)
    with pytest.raises(InvalidNameError):
        registry.record_seen("acme", "yesterday", {"a": ("A", 1)})
    assert registry.list_events("acme") == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Order\0 Completed", "Order Completed"),
        ("half \ud83d pair", "half \N{REPLACEMENT CHARACTER} pair"),
        ("\0", "slug"),
        ("", "slug"),
        ("x" * 5_000, "x" * 1_000),
        ("'; DROP TABLE registry_events; -- %s %(a)s :b ?", "'; DROP TABLE registry_events; -- %s %(a)s :b ?"),
        ("\x1b[31m\u202e🛒", "\x1b[31m\u202e🛒"),
    ],
)
def test_no_name_stops_an_hour(any_registry: RegistryService, sent: str, kept: str) -> None:
    any_registry.add_customer("acme")
    assert any_registry.record_seen("acme", HOUR, {"slug": (sent, 1)})["slug"].display_name == kept
    assert any_registry.get_event("acme", "slug").display_name == kept


def test_a_thousand_events_in_one_call(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    seen = {f"event_{number}": (f"Event {number}", number) for number in range(1_000)}
    first = any_registry.record_seen("acme", HOUR, seen)
    second = any_registry.record_seen("acme", HOUR, seen)

    assert list(first) == list(second) == list(seen)
    assert {event.slug: event.seen_records for event in any_registry.list_events("acme")} == {
        slug: 2 * records for slug, (_, records) in seen.items()
    }
    assert len(any_registry.list_audit("acme", limit=2_000)) == 1_001
