"""What a document changes in a registry, in which order, and what it is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from clickstream_platform.registry.entities import Destination, EventState, Policy
from clickstream_platform.registry.exchange import (
    DocumentError,
    apply_plan,
    export_document,
    plan_changes,
    plan_document,
)
from clickstream_platform.registry.refusals import ConflictError, StaleRevisionError
from clickstream_platform.registry.service import RegistryService

Document = dict[str, Any]


def _document(**customers: Document) -> Document:
    return {"version": 1, "customers": customers}


def _steps(registry: RegistryService, document: Document, *, prune: bool = False) -> list[str]:
    plan = plan_changes(registry, document, prune=prune)
    return [f"{change.action} {change.kind} {change.customer or ''}/{change.name}" for change in plan.changes]


def _apply(registry: RegistryService, document: Document, *, prune: bool = False) -> None:
    """Apply it, and see that it says nothing new the second time."""
    apply_plan(registry, plan_changes(registry, document, prune=prune))
    assert plan_changes(registry, document, prune=prune).changes == ()


def _faults(registry: RegistryService, document: Document) -> list[str]:
    before = registry.version()
    with pytest.raises(DocumentError) as caught:
        plan_changes(registry, document)
    assert registry.version() == before
    return [str(fault) for fault in caught.value.faults]


def test_a_plan_says_what_is_before_and_after(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme", display_name="Acme")
    wanted = _document(acme={"display_name": "Acme Inc.", "policy": {"column_limit": 300, "auto_activate": True}})
    plan = plan_changes(any_registry, wanted)
    assert plan_document(plan) == {
        "version": any_registry.version(),
        "changes": [
            {
                "action": "change",
                "kind": "customer",
                "customer": "acme",
                "name": "acme",
                "fields": [
                    {"field": "display_name", "before": "Acme", "after": "Acme Inc."},
                    {"field": "policy.column_limit", "before": 1600, "after": 300},
                ],
            }
        ],
        "left_alone": [{"kind": "destination", "customer": None, "name": "default"}],
    }
    apply_plan(any_registry, plan)
    customer = any_registry.get_customer("acme")
    assert (customer.display_name, customer.policy) == ("Acme Inc.", Policy(column_limit=300))
    assert customer.revision == 2, "one change, however many fields"


def test_what_is_not_named_is_left_alone(registry: RegistryService) -> None:
    registry.add_customer("acme", display_name="Acme", isolated=True)
    registry.add_customer("other")
    registry.add_event("acme", "a", freshness_deadline_minutes=5)
    registry.add_event("acme", "b")
    key, _ = registry.add_write_key("acme", "web")
    before = export_document(registry)
    wanted = _document(acme={"events": {"a": {"display_name": "A"}, "c": {}}})
    plan = plan_changes(registry, wanted)
    assert set(plan.left_alone) == {
        ("destination", None, "default"),
        ("customer", "other", "other"),
        ("event", "acme", "b"),
        ("write_key", "acme", key.id),
    }
    _apply(registry, wanted)
    after = export_document(registry)
    assert after["customers"]["acme"]["events"].pop("c")["state"] == "active"
    before["customers"]["acme"]["events"]["a"]["display_name"] = "A"
    assert after == before


def test_prune_turns_the_rest_into_tombstones(any_registry: RegistryService) -> None:
    for slug in ("acme", "gone"):
        any_registry.add_customer(slug, policy=Policy(auto_activate=False))
        any_registry.add_event(slug, "a")
        any_registry.add_event(slug, "b")
    any_registry.record_seen("acme", "2026-11-22T09", {"waiting": ("waiting", 3)})
    kept, _ = any_registry.add_write_key("acme", "kept")
    lost, _ = any_registry.add_write_key("acme", "lost")
    wanted = _document(acme={"events": {"a": {}}, "write_keys": {kept.id: {}}})
    assert _steps(any_registry, wanted) == []
    assert _steps(any_registry, wanted, prune=True) == [
        "remove customer gone/gone",
        "remove event acme/b",
        f"revoke write_key acme/{lost.id}",
    ]
    _apply(any_registry, wanted, prune=True)
    states = {event.slug: event.state for event in any_registry.list_events("acme")}
    assert states == {"a": EventState.ACTIVE, "b": EventState.REMOVED, "waiting": EventState.DISCOVERED}
    assert any_registry.get_customer("gone").removed_at is not None
    assert {event.state for event in any_registry.list_events("gone")} == {EventState.REMOVED}
    assert any_registry.get_write_key("acme", lost.id).revoked_at is not None
    assert any_registry.get_write_key("acme", kept.id).revoked_at is None


def test_prune_spares_what_the_document_has_no_section_for(registry: RegistryService) -> None:
    registry.add_customer("acme")
    registry.add_event("acme", "a")
    registry.add_write_key("acme", "web")
    assert _steps(registry, {"version": 1}, prune=True) == []
    assert _steps(registry, _document(acme={}), prune=True) == []
    assert _steps(registry, _document(acme={"events": {}}), prune=True) == ["remove event acme/a"]
    assert _steps(registry, {"version": 1, "customers": {}}, prune=True) == ["remove customer acme/acme"]


@pytest.mark.parametrize(
    ("before", "wanted", "action"),
    [
        ("active", "active", None),
        ("active", "paused", "pause"),
        ("active", "removed", "remove"),
        ("active", "discovered", None),
        ("paused", "active", "resume"),
        ("paused", "removed", "remove"),
        ("paused", "discovered", None),
        ("removed", "active", "restore"),
        ("removed", "paused", "pause"),
        ("removed", "discovered", None),
        ("discovered", "active", "activate"),
        ("discovered", "paused", "pause"),
        ("discovered", "removed", "remove"),
        ("discovered", "discovered", None),
    ],
)
def test_an_event_moves_from_every_state_to_every_other(
    registry: RegistryService, before: str, wanted: str, action: str | None
) -> None:
    _apply(registry, _document(acme={"events": {"a": {"state": before}}}))
    assert registry.get_event("acme", "a").state == before
    document = _document(acme={"events": {"a": {"state": wanted}}})
    assert _steps(registry, document) == ([f"{action} event acme/a"] if action else [])
    _apply(registry, document)
    assert registry.get_event("acme", "a").state == (wanted if action else before)


def test_an_event_comes_back_as_if_a_person_brought_it(registry: RegistryService) -> None:
    registry.add_customer("acme")
    registry.add_event("acme", "a")
    registry.pause_event("acme", "a")
    registry.record_seen("acme", "2026-11-22T09", {"a": ("a", 7)})
    assert registry.get_event("acme", "a").waiting_records == 7
    _apply(registry, _document(acme={"events": {"a": {"state": "active"}}}))
    event = registry.get_event("acme", "a")
    assert (event.activation, event.waiting_records) == (2, 0)


def test_contracts_are_added_before_they_are_in_force(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    any_registry.add_event("acme", "a")
    any_registry.add_contract("acme", "a", "evolve", {"type": "object"})
    second = {"version": 2, "mode": "reject", "note": "n", "schema": {"type": "object", "maxProperties": 1.0}}
    wanted = _document(acme={"events": {"a": {"contract": 2, "contracts": [second]}}})
    assert _steps(any_registry, wanted) == ["add contract acme/a/2", "put_in_force contract acme/a"]
    _apply(any_registry, wanted)
    assert any_registry.get_event("acme", "a").contract_version == 2
    assert any_registry.get_contract("acme", "a", 2).schema == second["schema"]
    _apply(any_registry, _document(acme={"events": {"a": {"contract": None}}}))
    assert any_registry.get_event("acme", "a").contract_version is None


def test_write_keys_keep_their_hash_and_change_their_name(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    key, _ = any_registry.add_write_key("acme", "web")
    new = {"name": "ios", "hint": "abc", "hash": "a" * 64, "expires_at": "2026-12-01T00:00:00+01:00"}
    changed = {"name": "site", "expires_at": "2027-01-01T00:00:00Z"}
    wanted = _document(acme={"write_keys": {key.id: changed, "wk_other": new}})
    assert _steps(any_registry, wanted) == [f"change write_key acme/{key.id}", "add write_key acme/wk_other"]
    _apply(any_registry, wanted)
    assert any_registry.get_write_key("acme", "wk_other").hash == "a" * 64
    site = any_registry.get_write_key("acme", key.id)
    assert (site.name, site.hash, str(site.expires_at)) == ("site", key.hash, "2027-01-01 00:00:00+00:00")
    _apply(any_registry, _document(acme={"write_keys": {key.id: {"revoked": True}}}))
    assert any_registry.get_write_key("acme", key.id).revoked_at is not None


def test_the_log_has_every_change_as_if_made_alone(registry: RegistryService) -> None:
    wanted = {
        "version": 1,
        "destinations": {"lake": {"kind": "duckdb"}},
        "customers": {
            "acme": {"destination": "lake", "events": {"a": {"state": "paused"}, "b": {}}},
            "gone": {"removed": True, "events": {"c": {}}},
        },
    }
    apply_plan(registry.acting_as("anna"), plan_changes(registry, wanted))
    entries = list(reversed(registry.list_audit()))
    assert [(entry.action, entry.name) for entry in entries if entry.name != "default"] == [
        ("destination.add", "lake"),
        ("customer.add", "acme"),
        ("customer.add", "gone"),
        ("event.add", "a"),
        ("event.add", "b"),
        ("event.add", "c"),
        ("customer.remove", "gone"),
    ]
    assert {entry.actor for entry in entries if entry.name != "default"} == {"anna"}
    assert entries[-1].before is not None


def test_a_fixed_schema_is_handed_over(registry: RegistryService) -> None:
    registry.add_destination(Destination("own", "duckdb", {}, schema="only"))
    registry.add_customer("acme", destination="own")
    registry.add_customer("zeta")
    # By name, zeta's change would come last and acme's first; the other way round it is the same.
    for taker, giver in (("zeta", "acme"), ("acme", "zeta")):
        _apply(registry, _document(**{taker: {"destination": "own"}, giver: {"destination": "default"}}))
        assert registry.get_customer(taker).destination == "own"
    _apply(registry, {**_document(zeta={"destination": "own"}, acme={"removed": True})})
    assert registry.get_customer("zeta").destination == "own"


def test_a_destination_gets_a_fixed_schema_when_the_others_have_left(registry: RegistryService) -> None:
    registry.add_destination(Destination("lake", "duckdb", {}))
    registry.add_customer("acme", destination="lake")
    registry.add_customer("zeta", destination="lake")
    wanted = {
        "version": 1,
        "destinations": {"lake": {"schema": "only"}},
        "customers": {"acme": {"destination": "default"}},
    }
    _apply(registry, wanted)
    assert registry.get_destination("lake").schema == "only"


def test_all_or_nothing(any_registry: RegistryService) -> None:
    any_registry.add_destination(Destination("own", "duckdb", {}, schema="only"))
    any_registry.add_customer("acme", destination="own")
    before, version = export_document(any_registry), any_registry.version()
    entries = any_registry.list_audit()
    plan = plan_changes(any_registry, _document(first={"events": {"a": {}}}, zeta={"destination": "own"}))
    with pytest.raises(ConflictError, match="would be shared by acme, zeta"):
        apply_plan(any_registry, plan)
    assert (export_document(any_registry), any_registry.version()) == (before, version)
    assert any_registry.list_audit() == entries


def test_a_plan_is_for_the_registry_it_was_made_for(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    plan = plan_changes(any_registry, _document(acme={"display_name": "Acme"}))
    any_registry.add_event("acme", "a")
    with pytest.raises(StaleRevisionError, match="somebody changed it since"):
        apply_plan(any_registry, plan)
    assert any_registry.get_customer("acme").display_name == "acme"


def test_of_two_who_apply_a_plan_at_once_one_is_told(any_registry: RegistryService) -> None:
    plan = plan_changes(any_registry, _document(acme={"events": {"a": {}, "b": {"state": "paused"}}}))

    def apply(_: int) -> str:
        try:
            apply_plan(any_registry, plan)
        except StaleRevisionError:
            return "told"
        return "applied"

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(apply, range(4))) == ["applied", "told", "told", "told"]
    assert [entry.action for entry in any_registry.list_audit("acme")] == ["event.add", "event.add", "customer.add"]


def test_arriving_records_do_not_outdate_a_plan(registry: RegistryService) -> None:
    registry.add_customer("acme")
    registry.record_seen("acme", "2026-11-22T09", {"a": ("a", 1)})
    plan = plan_changes(registry, _document(acme={"display_name": "Acme"}))
    registry.record_seen("acme", "2026-11-22T10", {"a": ("a", 1)})
    apply_plan(registry, plan)
    assert registry.get_customer("acme").display_name == "Acme"


def test_a_removed_customer_comes_back_with_what_the_document_says(registry: RegistryService) -> None:
    registry.add_customer("acme")
    registry.add_event("acme", "a")
    registry.add_event("acme", "b")
    registry.remove_customer("acme")
    wanted = _document(acme={"removed": False, "display_name": "Acme", "events": {"a": {"state": "active"}}})
    assert _steps(registry, wanted) == [
        "restore customer acme/acme",
        "change customer acme/acme",
        "restore event acme/a",
    ]
    _apply(registry, wanted)
    assert registry.get_customer("acme").removed_at is None
    assert registry.get_event("acme", "b").state is EventState.REMOVED


def test_everything_impossible_is_said_at_once(registry: RegistryService) -> None:
    for slug in ("acme", "gone", "quiet"):
        registry.add_customer(slug)
        registry.add_event(slug, "a")
    registry.add_contract("acme", "a", "evolve", {"type": "object"})
    key, _ = registry.add_write_key("acme", "web")
    registry.revoke_write_key("acme", key.id)
    registry.remove_customer("gone")
    registry.remove_customer("quiet")
    known = {"version": 1, "mode": "reject", "schema": {"type": "object"}}
    wanted = {
        "version": 1,
        "destinations": {"lake": {"settings": {}}},
        "customers": {
            "acme": {
                "destination": "nowhere",
                "events": {
                    "a": {"contract": 7, "contracts": [known]},
                    "b": {"contracts": [{"version": 2, "mode": "evolve", "schema": {}}]},
                },
                "write_keys": {key.id: {"hash": "b" * 64, "revoked": False}, "wk_new": {"name": "n"}},
            },
            "gone": {"display_name": "Gone"},
            "new": {"write_keys": {"wk_copy": {"name": "n", "hint": "h", "hash": key.hash}}},
            "quiet": {"events": {"a": {"state": "active"}}},
        },
    }
    # The key's id is random, so its place among the others is too.
    assert sorted(_faults(registry, wanted)) == sorted(
        [
            "customers.acme.destination: there is no destination 'nowhere'",
            "customers.acme.events.a.contract: there is no version 7",
            "customers.acme.events.a.contracts: version 1 is another one here; versions never change, add a new one",
            "customers.acme.events.b.contracts: version 2 cannot follow version 0",
            f"customers.acme.write_keys.{key.id}.hash: the write key is another one here; a key never changes",
            f"customers.acme.write_keys.{key.id}.revoked: the write key was revoked, and stays so",
            "customers.acme.write_keys.wk_new: the write key is new here, so it needs hint, hash; add it with "
            "`clickstream registry write-keys add` to get a new secret",
            "customers.gone: the customer is removed; it can be changed with `removed: false`",
            "customers.new.write_keys.wk_copy: another write key here has its id or hash",
            "customers.quiet.events.a.state: the customer is removed, so the event cannot be active",
            "destinations.lake: the destination is new, so the field kind is needed",
        ]
    )


def test_the_document_holds_no_token_and_no_key(registry: RegistryService) -> None:
    registry.add_customer("acme")
    token, text = registry.add_token("ci", "admin")
    _, secret = registry.add_write_key("acme", "web")
    written = repr(export_document(registry))
    assert token.id not in written
    assert text not in written
    assert token.hash not in written
    assert secret not in written
