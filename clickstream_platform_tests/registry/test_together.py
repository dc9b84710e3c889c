"""Several operations as one change, and customers and events changed in one go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clickstream_platform.registry.entities import Policy
from clickstream_platform.registry.refusals import ConflictError, InvalidRequestError, StaleRevisionError
from clickstream_platform.registry.service import RegistryService


def test_all_of_them_happen(any_registry: RegistryService) -> None:
    with any_registry.together(expected_version=any_registry.version()):
        any_registry.add_customer("acme")
        any_registry.add_event("acme", "a")
        assert any_registry.get_event("acme", "a").slug == "a", "inside, one's own changes are seen"
    assert [event.slug for event in any_registry.list_events("acme")] == ["a"]
    assert len(any_registry.list_audit()) == 2


def test_or_none_of_them(any_registry: RegistryService) -> None:
    def add_twice() -> None:
        with any_registry.together():
            any_registry.add_customer("acme")
            assert any_registry.etag() != etag
            any_registry.add_customer("acme")

    etag, version = any_registry.etag(), any_registry.version()
    with pytest.raises(ConflictError):
        add_twice()
    assert (any_registry.etag(), any_registry.version(), any_registry.list_customers()) == (etag, version, [])
    assert any_registry.list_audit() == []
    any_registry.add_customer("other")
    assert any_registry.etag() == any_registry.snapshot().etag, "no etag of what was rolled back is remembered"


def test_a_plan_for_another_state_is_refused(any_registry: RegistryService) -> None:
    version = any_registry.version()
    any_registry.add_customer("meanwhile")
    with pytest.raises(StaleRevisionError), any_registry.together(expected_version=version):
        any_registry.add_customer("acme")
    assert [customer.slug for customer in any_registry.list_customers()] == ["meanwhile"]


def test_a_customer_is_changed_in_one_go(any_registry: RegistryService) -> None:
    before = any_registry.add_customer("acme")
    policy = Policy(load_threshold_percent=5, retention_days=10)
    after = any_registry.update_customer("acme", display_name="Acme", policy=policy, isolated=True, expected_revision=1)
    assert after == replace(before, display_name="Acme", policy=policy, isolated=True, revision=2)
    assert any_registry.get_customer("acme") == after
    assert any_registry.update_customer("acme") == after, "nothing given, nothing changed"
    for bad in (Policy(load_threshold_percent=101), Policy(retention_days=0), Policy(events_per_second=0)):
        with pytest.raises(InvalidRequestError):
            any_registry.update_customer("acme", policy=bad)


def test_an_event_is_changed_in_one_go(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    any_registry.add_event("acme", "a", freshness_deadline_minutes=30)
    assert any_registry.update_event("acme", "a", display_name="Ä").freshness_deadline_minutes == 30
    event = any_registry.update_event("acme", "a", freshness_deadline_minutes=None, expected_revision=2)
    assert (event.display_name, event.freshness_deadline_minutes, event.revision) == ("Ä", None, 3)
