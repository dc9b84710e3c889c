"""What a document would change inside one customer: events, their contracts, write keys.

Belongs here: comparing these. Does not: the customer itself and the order of everything (`planning`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clickstream_platform.registry.entities import EventState
from clickstream_platform.registry.exchange.comparing import Comparison, changed_fields, is_same
from clickstream_platform.registry.exchange.layout import Document
from clickstream_platform.registry.exchange.plans import Action, Change, FieldChange

_OWN_FIELDS = ("display_name", "freshness_deadline_minutes")
_NEW_EVENT: Mapping[str, Any] = {"state": EventState.ACTIVE.value, "freshness_deadline_minutes": None}
_NEW_KEY: Mapping[str, Any] = {"expires_at": None, "revoked": False}
_ACTIONS: Mapping[str, Mapping[str, Action]] = {
    EventState.ACTIVE: {
        EventState.DISCOVERED: "activate",
        EventState.PAUSED: "resume",
        EventState.REMOVED: "restore",
    },
    EventState.PAUSED: dict.fromkeys(EventState, "pause"),
    EventState.REMOVED: dict.fromkeys(EventState, "remove"),
}
"""What is done to an event by the state it is to be in and the state it is in."""


def compare_events(comparison: Comparison, customer: str, before: Document | None, after: Document) -> Iterator[Change]:
    """Yield the changes of a customer's events, each with those of its contracts."""
    current: Document = before["events"] if before is not None else {}
    wanted: Document = after.get("events", {})
    goes = bool(after.get("removed", before is not None and before["removed"]))
    for slug, event in current.items():
        if slug in wanted or goes:
            continue
        is_decided = event["state"] not in {EventState.REMOVED, EventState.DISCOVERED}
        if comparison.prune and "events" in after and is_decided:
            state = FieldChange("state", event["state"], EventState.REMOVED.value)
            yield Change("remove", "event", customer, slug, (state,))
        else:
            comparison.left_alone.append(("event", customer, slug))
    for slug, event in wanted.items():
        present = current.get(slug)
        if goes and event.get("state", EventState.REMOVED) != EventState.REMOVED:
            path = ("customers", customer, "events", slug, "state")
            comparison.fault(path, f"the customer is removed, so the event cannot be {event['state']}")
        if present is None:
            yield _new_event(customer, slug, event, goes)
        else:
            yield from _changed_event(customer, slug, present, event, goes)
        yield from _contracts(comparison, customer, slug, present, event)


def compare_write_keys(
    comparison: Comparison, customer: str, before: Document | None, after: Document
) -> Iterator[Change]:
    """Yield the changes of a customer's write keys."""
    current: Document = before["write_keys"] if before is not None else {}
    wanted: Document = after.get("write_keys", {})
    for name, key in current.items():
        if name in wanted:
            continue
        if comparison.prune and "write_keys" in after and not key["revoked"]:
            yield Change("revoke", "write_key", customer, name)
        else:
            comparison.left_alone.append(("write_key", customer, name))
    for name, key in wanted.items():
        yield from _write_key(comparison, customer, name, current.get(name), key)


def _new_event(customer: str, slug: str, wanted: Document, goes: bool) -> Change:
    event = {"display_name": slug, **_NEW_EVENT, **wanted}
    if goes:
        event["state"] = EventState.REMOVED.value
    names = ("display_name", "state", "freshness_deadline_minutes", "first_seen_hour")
    return Change(
        "add", "event", customer, slug, changed_fields(None, {name: event[name] for name in names if name in event})
    )


def _changed_event(customer: str, slug: str, present: Document, wanted: Document, goes: bool) -> Iterator[Change]:
    fields = changed_fields(present, {name: wanted[name] for name in _OWN_FIELDS if name in wanted})
    if fields:
        yield Change("change", "event", customer, slug, fields)
    state: str = wanted["state"] if "state" in wanted else present["state"]
    # An event that is discovered waits for a decision; a document that still calls it so has not made one. Those of a
    # customer that goes are removed with it.
    if goes or state in {present["state"], EventState.DISCOVERED}:
        return
    action = _ACTIONS[state][present["state"]]
    yield Change(action, "event", customer, slug, (FieldChange("state", present["state"], state),))


def _contracts(
    comparison: Comparison, customer: str, slug: str, present: Document | None, wanted: Document
) -> Iterator[Change]:
    known = {each["version"]: each for each in (present["contracts"] if present is not None else [])}
    path = ("customers", customer, "events", slug)
    for contract in sorted(wanted.get("contracts", []), key=lambda each: int(each["version"])):
        version = contract["version"]
        if version in known:
            if not is_same(known[version], known[version] | contract):
                comparison.fault(
                    (*path, "contracts"), f"version {version} is another one here; versions never change, add a new one"
                )
        elif version != len(known) + 1:
            comparison.fault((*path, "contracts"), f"version {version} cannot follow version {len(known)}")
        else:
            known[version] = contract
            content = {"mode": contract["mode"], "note": contract.get("note", ""), "schema": contract["schema"]}
            yield Change("add", "contract", customer, f"{slug}/{version}", changed_fields(None, content))
    before = present["contract"] if present is not None else None
    after = wanted.get("contract", before)
    if after is not None and after not in known:
        comparison.fault((*path, "contract"), f"there is no version {after}")
    elif after != before:
        yield Change("put_in_force", "contract", customer, slug, (FieldChange("contract", before, after),))


def _write_key(
    comparison: Comparison, customer: str, name: str, present: Document | None, wanted: Document
) -> Iterator[Change]:
    path = ("customers", customer, "write_keys", name)
    if present is None:
        missing = [field for field in ("name", "hint", "hash") if field not in wanted]
        if missing:
            comparison.fault(
                path,
                f"the write key is new here, so it needs {', '.join(missing)}; add it with "
                "`clickstream registry write-keys add` to get a new secret",
            )
        yield Change("add", "write_key", customer, name, changed_fields(None, {**_NEW_KEY, **wanted}))
        return
    for field in ("hint", "hash"):
        if wanted.get(field, present[field]) != present[field]:
            comparison.fault((*path, field), "the write key is another one here; a key never changes")
    if present["revoked"] and not wanted.get("revoked", True):
        comparison.fault((*path, "revoked"), "the write key was revoked, and stays so")
    fields = changed_fields(present, {field: wanted[field] for field in ("name", "expires_at") if field in wanted})
    if fields:
        yield Change("change", "write_key", customer, name, fields)
    if wanted.get("revoked", False) and not present["revoked"]:
        yield Change("revoke", "write_key", customer, name)
