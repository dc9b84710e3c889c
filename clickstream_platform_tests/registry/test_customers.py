"""Customers and destinations: adding, changing, removing, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.entities import Customer, Destination, EventState, Policy
from clickstream_platform.registry.refusals import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    StaleRevisionError,
)
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.conftest import START


def test_a_customer_is_read_back_as_it_was_added(any_registry: RegistryService) -> None:
    policy = Policy(auto_activate=False, schema_mode="freeze", dedup_window_hours=48, column_limit=200)

    added = any_registry.add_customer("acme", display_name="Acme 注文 [bold] 'x\"; --", policy=policy, isolated=True)

    assert added == Customer("acme", "Acme 注文 [bold] 'x\"; --", policy, "default", True, START)
    assert any_registry.get_customer("acme") == added
    assert any_registry.list_customers() == [added]


@pytest.mark.parametrize("slug", ["", "Acme", "acme inc", "a|b", "a/b", "a,b", "a...b", "a" * 101, "a\0b", "..", "_"])
def test_a_customer_without_a_slug_is_refused(registry: RegistryService, slug: str) -> None:
    with pytest.raises(InvalidRequestError, match="not a slug"):
        registry.add_customer(slug)
    assert registry.list_customers() == []


@pytest.mark.parametrize("name", [" ", "a\0b", "\ud800", "x" * 1_001])
def test_a_display_name_that_cannot_be_kept_is_refused(registry: RegistryService, name: str) -> None:
    with pytest.raises(InvalidRequestError):
        registry.add_customer("acme", display_name=name)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(schema_mode="other"),  # type: ignore[arg-type]
        Policy(dedup_window_hours=0),
        Policy(column_limit=1_601),
    ],
)
def test_a_policy_outside_its_limits_is_refused(registry: RegistryService, policy: Policy) -> None:
    with pytest.raises(InvalidRequestError):
        registry.add_customer("acme", policy=policy)
    registry.add_customer("acme")
    with pytest.raises(InvalidRequestError):
        registry.update_customer_policy("acme", policy)


def test_a_customer_is_added_once(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    with pytest.raises(ConflictError, match="exists already"):
        any_registry.add_customer("acme")


def test_pages_follow_the_order_of_bytes(any_registry: RegistryService) -> None:
    slugs = ["b", "_a", "注文", "a1", "a_", "é"]
    for slug in slugs:
        any_registry.add_customer(slug)

    pages, after = [], ""
    while page := any_registry.list_customers(after=after, limit=2):
        pages.append([customer.slug for customer in page])
        after = page[-1].slug

    assert [slug for page in pages for slug in page] == sorted(slugs, key=str.encode)
    assert [len(page) for page in pages] == [2, 2, 2]


def test_a_change_on_an_old_revision_is_refused(any_registry: RegistryService) -> None:
    read = any_registry.add_customer("acme")
    first = any_registry.update_customer_policy("acme", Policy(column_limit=100), expected_revision=read.revision)
    assert first.revision == read.revision + 1

    with pytest.raises(StaleRevisionError, match="revision 2, not 1"):
        any_registry.update_customer_policy("acme", Policy(column_limit=200), expected_revision=read.revision)
    assert any_registry.get_customer("acme").policy.column_limit == 100


def test_a_change_to_what_is_so_already_changes_nothing(registry: RegistryService) -> None:
    before = registry.add_customer("acme")
    logged = registry.list_audit()

    assert registry.update_customer_policy("acme", before.policy) == before
    assert registry.set_isolated("acme", before.isolated) == before
    assert registry.set_destination("acme", "default") == before
    assert registry.list_audit() == logged


def test_removing_a_customer_makes_tombstones_of_it_and_its_events(
    any_registry: RegistryService, clock: FixedClock
) -> None:
    any_registry.add_customer("acme")
    any_registry.add_customer("other")
    for event in ("a", "b"):
        any_registry.add_event("acme", event)
        any_registry.add_event("other", event)
    removed_at = clock.advance(timedelta(hours=1))

    removed = any_registry.remove_customer("acme")

    assert removed.removed_at == removed_at
    assert any_registry.remove_customer("acme") == removed
    assert [each.slug for each in any_registry.list_customers()] == ["other"]
    assert [each.slug for each in any_registry.list_customers(include_removed=True)] == ["acme", "other"]
    assert {event.state for event in any_registry.list_events("acme")} == {EventState.REMOVED}
    assert {event.state for event in any_registry.list_events("other")} == {EventState.ACTIVE}
    assert all(event.customer == "other" for event in any_registry.snapshot().events)
    with pytest.raises(ConflictError, match="restore"):
        any_registry.add_customer("acme")
    with pytest.raises(ConflictError, match="removed"):
        any_registry.add_event("acme", "c")


def test_a_restored_customer_has_its_events_still_removed(registry: RegistryService) -> None:
    registry.add_customer("acme")
    registry.add_event("acme", "a")
    registry.remove_customer("acme")

    assert registry.restore_customer("acme").removed_at is None
    assert registry.get_event("acme", "a").state is EventState.REMOVED
    assert registry.add_event("acme", "a").state is EventState.ACTIVE


def test_a_destination_is_read_back_and_replaced(any_registry: RegistryService) -> None:
    destination = Destination("main", "redshift", {"host": "h", "port": "5439"}, "env:REDSHIFT_LOGIN", None)
    added = any_registry.add_destination(destination)
    assert added == destination == any_registry.get_destination("main")
    with pytest.raises(ConflictError, match="exists already"):
        any_registry.add_destination(destination)

    replaced = any_registry.replace_destination(replace(added, settings={"host": "other"}))

    assert replaced == replace(added, settings={"host": "other"}, revision=2)
    with pytest.raises(StaleRevisionError):
        any_registry.replace_destination(replace(added, settings={}))
    assert any_registry.list_destinations() == [any_registry.get_destination("default"), replaced]


@pytest.mark.parametrize(
    "settings",
    [
        {"password": "x"},
        {"dbPassword": "x"},
        {"client_secret": "x"},
        {"aws_session_token": "x"},
        {"secretAccessKey": "x"},
        {"apikey": "x"},
        {"url": "redshift://user:hunter2@host/db"},
    ],
)
def test_a_secret_is_refused_and_not_repeated(registry: RegistryService, settings: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError, match="secret") as refusal:
        registry.add_destination(Destination("main", "redshift", settings))
    assert "hunter2" not in str(refusal.value)


def test_an_unknown_kind_of_destination_is_refused(registry: RegistryService) -> None:
    with pytest.raises(InvalidRequestError, match="unknown kind"):
        registry.add_destination(Destination("main", "oracle", {}))  # type: ignore[arg-type]


def test_a_customer_needs_a_destination_that_exists(registry: RegistryService) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        registry.add_customer("acme", destination="nowhere")
    registry.add_customer("acme")
    with pytest.raises(NotFoundError, match="nowhere"):
        registry.set_destination("acme", "nowhere")


def test_two_customers_never_share_a_fixed_schema(registry: RegistryService) -> None:
    fixed = registry.add_destination(Destination("fixed", "redshift", {}, schema="reports"))
    registry.add_customer("acme", destination="fixed")
    with pytest.raises(ConflictError, match="shared"):
        registry.add_customer("other", destination="fixed")
    registry.add_customer("other")
    with pytest.raises(ConflictError, match="shared"):
        registry.set_destination("other", "fixed")

    registry.replace_destination(replace(fixed, schema=None))
    registry.set_destination("other", "fixed")
    with pytest.raises(ConflictError, match="acme, other"):
        registry.replace_destination(replace(fixed, revision=2))


def test_a_removed_customer_gives_its_fixed_schema_free_but_cannot_take_it_back(registry: RegistryService) -> None:
    registry.add_destination(Destination("fixed", "redshift", {}, schema="reports"))
    registry.add_customer("acme", destination="fixed")
    registry.remove_customer("acme")
    registry.add_customer("other", destination="fixed")
    with pytest.raises(ConflictError, match="shared"):
        registry.restore_customer("acme")
