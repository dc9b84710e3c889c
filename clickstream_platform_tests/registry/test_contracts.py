"""Contracts and samples in the registry: versions are kept, one is in force, and bad ones are refused."""

from __future__ import annotations

from typing import Any

import pytest

from clickstream_platform.registry.entities import EventSample, Policy
from clickstream_platform.registry.refusals import InvalidRequestError, NotFoundError, StaleRevisionError
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.conftest import START

HOUR = "2026-11-22T08"
SCHEMA = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}


@pytest.fixture
def acme(any_registry: RegistryService) -> RegistryService:
    """Give a registry with a customer and an event."""
    any_registry.add_customer("acme")
    any_registry.add_event("acme", "order")
    return any_registry


def test_versions_are_kept_and_one_is_in_force(acme: RegistryService) -> None:
    first = acme.add_contract("acme", "order", "freeze", SCHEMA, note="first try")
    second = acme.acting_as("jane").add_contract("acme", "order", "reject", {}, activate=False, expected_revision=2)
    assert (first.version, second.version, second.created_by) == (1, 2, "jane")
    assert acme.list_contracts("acme", "order") == [second, first]
    assert acme.contracts_in_force("acme") == {"order": first}
    assert acme.snapshot().contracts == (first,)

    assert acme.set_contract_version("acme", "order", 2).contract_version == 2
    assert acme.contracts_in_force("acme") == {"order": second}
    assert acme.set_contract_version("acme", "order", None).contract_version is None
    assert acme.contracts_in_force("acme") == {}
    assert acme.get_contract("acme", "order", 1) == first
    actions = [entry.action for entry in acme.list_audit("acme", limit=5)]
    assert actions == ["event.set_contract", "event.set_contract", "contract.add", "event.set_contract", "contract.add"]


def test_what_is_not_there_is_not_found(acme: RegistryService) -> None:
    with pytest.raises(NotFoundError):
        acme.add_contract("acme", "nothing", "evolve", {})
    with pytest.raises(NotFoundError):
        acme.get_contract("acme", "order", 1)
    with pytest.raises(NotFoundError):
        acme.set_contract_version("acme", "order", 1)
    with pytest.raises(StaleRevisionError):
        acme.add_contract("acme", "order", "evolve", {}, expected_revision=7)
    assert acme.list_contracts("acme", "order") == []


@pytest.mark.parametrize(
    ("mode", "schema"),
    [
        ("strict", {}),
        ("evolve", {"maximum": float("nan")}),
        ("evolve", {"maximum": 2**70}),
        ("evolve", {"const": "\ud800"}),
        ("evolve", {"enum": ["x" * 200_000]}),
        ("evolve", {"enum": {1, 2}}),
        ("evolve", {"type": "no such type"}),
        ("evolve", {"$ref": "https://example.com/schema.json"}),
    ],
)
def test_what_is_no_contract_is_refused(acme: RegistryService, mode: Any, schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        acme.add_contract("acme", "order", mode, schema)


def test_the_first_sample_of_an_event_is_kept(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme", policy=Policy(auto_activate=False))
    assert any_registry.sampled_events("acme") == set()
    any_registry.record_seen("acme", HOUR, {"a": ("A", 1), "b": ("B", 1)}, samples={"a": {"n": 1}, "unseen": {}})
    any_registry.record_seen(
        "acme", HOUR, {"a": ("A", 1), "b": ("B", 1)}, samples={"a": {"n": 2}, "b": {"x": "y" * 30_000}}
    )
    assert any_registry.get_sample("acme", "a") == EventSample("acme", "a", {"n": 1}, START)
    assert any_registry.get_sample("acme", "b") is None, "a very long one is not kept"
    assert any_registry.sampled_events("acme") == {"a"}
    with pytest.raises(NotFoundError):
        any_registry.get_sample("acme", "c")


def test_what_waits_is_counted_until_it_is_loaded(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme", policy=Policy(auto_activate=False))
    any_registry.record_seen("acme", HOUR, {"a": ("A", 3)})
    seen = any_registry.record_seen("acme", "2026-11-22T09", {"a": ("A", 4)})["a"]
    assert (seen.waiting_records, seen.last_seen_hour, seen.activation) == (7, "2026-11-22T09", 1)
    active = any_registry.activate_event("acme", "a")
    assert (active.waiting_records, active.activation) == (0, 2)
    assert any_registry.activate_event("acme", "a").activation == 2, "already active: nothing changes"
    assert any_registry.record_seen("acme", HOUR, {"a": ("A", 5)})["a"].waiting_records == 0
    any_registry.pause_event("acme", "a")
    assert any_registry.record_seen("acme", HOUR, {"a": ("A", 6)})["a"].waiting_records == 6
    assert any_registry.resume_event("acme", "a").activation == 3
    any_registry.remove_event("acme", "a")
    any_registry.record_seen("acme", HOUR, {"a": ("A", 1)})
    assert any_registry.get_event("acme", "a").waiting_records == 1
    again = any_registry.add_event("acme", "a")
    assert (again.activation, again.waiting_records) == (4, 0)
