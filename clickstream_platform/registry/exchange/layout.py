"""The document's layout: which fields there are, and what each may hold.

Belongs here: the grammar, and what a document must fulfil whatever registry it meets. Does not: YAML (`nodes`), the
rules of one value (`registry.rules`), and comparing with a registry (`planning`).

    version: 1
    destinations: {<name>: {kind, settings, secret_reference, schema}}
    customers: {<slug>: {display_name, destination, isolated, removed, policy,
                         events: {<slug>: {display_name, state, freshness_deadline_minutes, first_seen_hour,
                                           contract, contracts: [{version, mode, note, schema}]}},
                         write_keys: {<id>: {name, hint, hash, expires_at, revoked}}}}

A field that is left out is left alone, or has its default where the thing is new.
"""

from __future__ import annotations

import re
from dataclasses import asdict, fields, replace
from typing import Any, TypeAlias, get_args

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.hours import Hour
from clickstream_platform.registry import rules
from clickstream_platform.registry.entities import (
    ContractMode,
    Destination,
    DestinationKind,
    EventState,
    Policy,
    SchemaMode,
)
from clickstream_platform.registry.exchange.faults import DocumentError
from clickstream_platform.registry.exchange.fields import Grammar, Read
from clickstream_platform.registry.exchange.nodes import Node
from clickstream_platform.registry.refusals import InvalidRequestError

Document: TypeAlias = dict[str, Any]

VERSION = 1
MAX_CONTRACT_VERSION = 1_000_000
MAX_HINT_CHARACTERS = 20
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_HASH = re.compile(r"[0-9a-f]{64}")


def read_layout(node: Node) -> Document:
    """Return the document that a tree is, its times in UTC; raise DocumentError with everything that is wrong."""
    grammar = Grammar()
    read = grammar.record(
        {
            "version": grammar.value(int, _check_version),
            "destinations": grammar.table(_destination(grammar), lambda name: rules.check_slug("destination", name)),
            "customers": grammar.table(_customer(grammar), lambda name: rules.check_slug("customer", name)),
        },
        required=["version"],
    )
    document: Document = read(node, "")
    if not grammar.faults:
        _check_removed(grammar, node, document)
        _check_keys(grammar, node, document)
    if grammar.faults:
        raise DocumentError(grammar.faults)
    return document


def _destination(grammar: Grammar) -> Read:
    empty = Destination("any", "duckdb", {})
    return grammar.record(
        {
            "kind": grammar.choice(get_args(DestinationKind)),
            "settings": _settings(grammar, empty),
            "secret_reference": grammar.value(str, rules.check_secret_reference, optional=True),
            "schema": grammar.value(str, lambda name: rules.check_slug("schema", name), optional=True),
        }
    )


def _settings(grammar: Grammar, empty: Destination) -> Read:
    # Which names a setting may have, only the kind of warehouse knows.
    table = grammar.table(grammar.value(str), lambda _: None)

    def read(node: Node, path: str) -> Any:  # noqa: ANN401 - names and values of settings
        found = len(grammar.faults)
        settings = table(node, path)
        if len(grammar.faults) == found:
            try:
                rules.check_destination(replace(empty, settings=settings))
            except InvalidRequestError as error:
                grammar.fault(node, path, f"{error.cause}. {error.remedy}".rstrip("."))
        return settings

    return read


def _customer(grammar: Grammar) -> Read:
    return grammar.record(
        {
            "display_name": grammar.value(str, rules.check_display_name),
            "destination": grammar.value(str, lambda name: rules.check_slug("destination", name)),
            "isolated": grammar.value(bool),
            "removed": grammar.value(bool),
            "policy": grammar.record({each.name: _policy_field(grammar, each.name) for each in fields(Policy)}),
            "events": grammar.table(_event(grammar), lambda name: rules.check_slug("event", name)),
            "write_keys": grammar.table(_write_key(grammar), _check_key_id),
        }
    )


def _policy_field(grammar: Grammar, name: str) -> Read:
    if name == "schema_mode":
        return grammar.choice(get_args(SchemaMode))
    default = asdict(Policy())[name]
    kind = bool if isinstance(default, bool) else int
    return grammar.value(
        kind, lambda value: rules.check_policy(replace(Policy(), **{name: value})), optional=default is None
    )


def _event(grammar: Grammar) -> Read:
    contract = grammar.record(
        {
            "version": grammar.value(int, _check_positive),
            "mode": grammar.choice(get_args(ContractMode)),
            "note": grammar.value(str, _check_note),
            "schema": grammar.anything(dict, lambda schema: rules.check_contract("evolve", schema, "")),
        },
        required=["version", "mode", "schema"],
    )
    return grammar.record(
        {
            "display_name": grammar.value(str, rules.check_display_name),
            "state": grammar.choice([state.value for state in EventState]),
            "freshness_deadline_minutes": grammar.value(int, rules.check_freshness_deadline, optional=True),
            "first_seen_hour": grammar.value(str, _check_hour, optional=True),
            "contract": grammar.value(int, _check_positive, optional=True),
            "contracts": grammar.items(contract),
        }
    )


def _write_key(grammar: Grammar) -> Read:
    return grammar.record(
        {
            "name": grammar.value(str, rules.check_display_name),
            "hint": grammar.value(str, _check_hint),
            "hash": grammar.value(str, _check_hash),
            "expires_at": grammar.time(),
            "revoked": grammar.value(bool),
        }
    )


def _check_removed(grammar: Grammar, node: Node, document: Document) -> None:
    """An event of a removed customer is removed."""
    for slug, customer in document.get("customers", {}).items():
        for name, event in customer.get("events", {}).items() if customer.get("removed") else ():
            if event.get("state", EventState.REMOVED) != EventState.REMOVED:
                path = ("customers", slug, "events", name)
                problem = f"the customer is removed, so the event cannot be {event['state']}"
                grammar.fault(_at(node, path), ".".join(path), problem)


def _check_keys(grammar: Grammar, node: Node, document: Document) -> None:
    """Every write key and every version of a contract is there once."""
    taken: dict[str, str] = {}
    path: tuple[str, ...]
    for slug, customer in document.get("customers", {}).items():
        for name, key in customer.get("write_keys", {}).items():
            path = ("customers", slug, "write_keys", name)
            for what in {name, key.get("hash", name)}:
                if what in taken:
                    grammar.fault(_at(node, path), ".".join(path), f"the key is there already, as {taken[what]}")
                taken[what] = ".".join(path)
        for name, event in customer.get("events", {}).items():
            versions = [contract["version"] for contract in event.get("contracts", [])]
            if len(versions) > len(set(versions)):
                path = ("customers", slug, "events", name, "contracts")
                grammar.fault(_at(node, path), ".".join(path), "a version is there twice")


def _at(node: Node, path: tuple[str, ...]) -> Node:
    for name in path:
        node = node.value[name] if isinstance(node.value, dict) else node
    return node


def _refuse(cause: str, remedy: str) -> InvalidRequestError:
    return InvalidRequestError("reading the registry's document", cause=cause, remedy=remedy)


def _check_version(version: int) -> None:
    if version != VERSION:
        raise _refuse(f"documents of version {version} are unknown here", f"Write version {VERSION}.")


def _check_positive(number: int) -> None:
    if not 1 <= number <= MAX_CONTRACT_VERSION:
        raise _refuse(f"{number} is no version of a contract", "They count from 1.")


def _check_note(text: str) -> None:
    if text:
        rules.check_display_name(text)


def _check_hour(text: str) -> None:
    try:
        rules.check_hour(str(Hour.parse(text)))
    except InvalidNameError as error:
        raise _refuse(f"{text!r:.80} is no hour", "Write it as 2026-11-22T09.") from error


def _check_key_id(text: str) -> None:
    if not _KEY_ID.fullmatch(text):
        raise _refuse("it is no id of a write key", "Take the id from an export.")


def _check_hint(text: str) -> None:
    rules.check_display_name(text)
    if len(text) > MAX_HINT_CHARACTERS:
        raise _refuse("it is no hint of a write key", f"Use at most {MAX_HINT_CHARACTERS} characters.")


def _check_hash(text: str) -> None:
    # The text is left out of the message: it may be a key that should have been hashed.
    if not _HASH.fullmatch(text):
        raise _refuse("it is no hash of a write key", "Take the 64 hexadecimal digits from an export.")
