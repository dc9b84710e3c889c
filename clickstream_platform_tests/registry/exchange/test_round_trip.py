"""A registry that was exported and imported is the same; importing again changes nothing."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa
from hypothesis import given, settings

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry import rules, tables
from clickstream_platform.registry.entities import Destination
from clickstream_platform.registry.exchange import apply_plan, export_document, from_yaml, plan_changes, to_yaml
from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.refusals import InvalidRequestError
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.conftest import START
from clickstream_platform_tests.registry.examples import examples
from clickstream_platform_tests.registry.exchange.documents import documents


@cache
def _registry() -> RegistryService:
    # One for all examples: migrating takes longer than they do.
    return open_registry("sqlite://", FixedClock(START))


def _emptied() -> RegistryService:
    registry = _registry()
    with registry._store.begin_writing() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            if table is not tables.version:
                connection.execute(sa.delete(table))
    registry.add_destination(Destination("default", "duckdb", {}))
    return registry


def _import(registry: RegistryService, document: dict[str, Any], *, prune: bool = False) -> None:
    apply_plan(registry, plan_changes(registry, document, prune=prune))


@settings(deadline=None, max_examples=examples(25))
@given(documents())
def test_what_is_imported_is_exported(document: dict[str, Any]) -> None:
    registry = _emptied()
    _import(registry, from_yaml(to_yaml(document)))
    assert export_document(registry) == document
    assert plan_changes(registry, document, prune=True).changes == ()


@settings(deadline=None, max_examples=examples(25))
@given(documents(), documents())
def test_any_registry_becomes_what_a_document_says_unless_that_is_refused(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    _keep_possible(before["customers"], after["customers"])
    registry = _emptied()
    _import(registry, before)
    _import(registry, after)
    assert plan_changes(registry, after).changes == ()
    left = export_document(registry)
    for slug, customer in after["customers"].items():
        for name in ("display_name", "policy", "isolated", "destination", "removed"):
            assert left["customers"][slug][name] == customer[name]
    _import(registry, after, prune=True)
    assert plan_changes(registry, after, prune=True).changes == ()
    live = [each.slug for each in registry.list_customers()]
    assert live == [slug for slug, customer in after["customers"].items() if not customer["removed"]]


def _keep_possible(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Leave out what is refused: a key of a known id, another contract of a known version, a changed tombstone."""
    known = {name for customer in before.values() for name in customer["write_keys"]}
    for slug, customer in after.items():
        customer["write_keys"] = {name: key for name, key in customer["write_keys"].items() if name not in known}
        if slug not in before:
            continue
        customer["removed"] = False
        for name in before[slug]["events"]:
            customer["events"].get(name, {}).update(contract=None, contracts=[])


NAUGHTY = [
    "no", "null", "~", "1e3", "'", '"', "\\", "# x", "a: b", "- x", "? x", "*x", "&x", "!x", "%x", "@x", "`x", "{", "]",
    " leading", "trailing ", "two\nlines", "\ttab", "\x85 next \u2028 line \u2029", "\ufeffbom", "\u202edrow",
    "注文 🛒", "e\u0301", "\x7f\x1b[31m", "<script>", "${HOME}", "'; DROP TABLE x; --", "|", ">", "=", "<<", "---",
    "...",
]  # fmt: skip


def test_naughty_names_survive_on_each_database(any_registry: RegistryService) -> None:
    events = {f"e{number}": _event(name) for number, name in enumerate(NAUGHTY)}
    keys = {f"k{number}": _key(name, number) for number, name in enumerate(NAUGHTY)}
    wanted = {"version": 1, "customers": {"acme": {"display_name": NAUGHTY[7], "events": events, "write_keys": keys}}}
    _import(any_registry, from_yaml(to_yaml(wanted)))

    exported = from_yaml(to_yaml(export_document(any_registry)))
    acme = exported["customers"]["acme"]
    assert [acme["events"][f"e{number}"]["display_name"] for number in range(len(NAUGHTY))] == NAUGHTY
    contracts = [acme["events"][f"e{number}"]["contracts"][0] for number in range(len(NAUGHTY))]
    assert [(contract["note"], contract["schema"]) for contract in contracts] == [
        (n, {n: [n, 1, 1.0]}) for n in NAUGHTY
    ]
    assert [acme["write_keys"][f"k{number}"]["name"] for number in range(len(NAUGHTY))] == NAUGHTY
    assert plan_changes(any_registry, exported, prune=True).changes == ()


def test_the_deepest_contract_that_is_taken_survives(registry: RegistryService) -> None:
    schema: dict[str, Any] = {}
    depth = 0
    while True:
        deeper = {"not": schema}
        try:
            rules.check_contract("evolve", deeper, "")
        except InvalidRequestError:
            break
        schema, depth = deeper, depth + 1
    assert 50 < depth < 1_000
    registry.add_customer("acme")
    registry.add_event("acme", "a")
    registry.add_contract("acme", "a", "evolve", schema)
    document = export_document(registry)
    assert from_yaml(to_yaml(document)) == document


def _event(name: str) -> dict[str, Any]:
    contract = {"version": 1, "mode": "evolve", "note": name, "schema": {name: [name, 1, 1.0]}}
    return {"display_name": name, "contracts": [contract]}


def _key(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "hint": "abc", "hash": f"{number:064x}"}
