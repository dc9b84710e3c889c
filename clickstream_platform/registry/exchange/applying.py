"""Carrying out a plan: all of it, or nothing.

Belongs here: which operation makes which change. Does not: the operations, their rules and their entries in the log of
changes (`registry.service`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

from clickstream_platform.registry.entities import Destination, Event, EventState, Policy, WriteKey
from clickstream_platform.registry.exchange.plans import Action, Change, Kind, Plan
from clickstream_platform.registry.exchange.reading import Exchange
from clickstream_platform.registry.service import RegistryService


def apply_plan(registry: RegistryService, plan: Plan) -> None:
    """Make all changes of a plan as one; each is logged as if it had been made alone.

    Raises StaleRevisionError when the registry changed since the plan was made, and whatever an operation refuses;
    either way nothing is changed.
    """
    applying = _Applying(registry)
    with registry.together(expected_version=plan.version):
        for (kind, action), changes in groupby(plan.changes, key=lambda change: (change.kind, change.action)):
            if (kind, action) == ("event", "add"):
                applying.add_events(changes)  # a first import has tens of thousands
                continue
            for change in changes:
                applying.make(change)


class _Applying:
    """Makes single changes, inside somebody else's transaction."""

    def __init__(self, registry: RegistryService) -> None:
        self._registry, self._exchange = registry, Exchange.of(registry)
        self._makers: Mapping[tuple[Kind, Action], Callable[[str, str, Mapping[str, Any]], object]] = {
            ("destination", "add"): self._add_destination,
            ("destination", "change"): self._change_destination,
            ("customer", "add"): self._add_customer,
            ("customer", "change"): self._change_customer,
            ("customer", "restore"): lambda customer, _, __: registry.restore_customer(customer),
            ("customer", "remove"): lambda customer, _, __: registry.remove_customer(customer),
            ("event", "change"): lambda customer, slug, after: registry.update_event(customer, slug, **after),
            ("event", "restore"): lambda customer, slug, _: registry.add_event(customer, slug),
            ("event", "activate"): lambda customer, slug, _: registry.activate_event(customer, slug),
            ("event", "resume"): lambda customer, slug, _: registry.resume_event(customer, slug),
            ("event", "pause"): self._pause_event,
            ("event", "remove"): lambda customer, slug, _: registry.remove_event(customer, slug),
            ("contract", "add"): self._add_contract,
            ("contract", "put_in_force"): lambda customer, slug, after: registry.set_contract_version(
                customer, slug, after["contract"]
            ),
            ("write_key", "add"): self._add_write_key,
            ("write_key", "change"): self._change_write_key,
            ("write_key", "revoke"): lambda customer, name, _: registry.revoke_write_key(customer, name),
        }

    def make(self, change: Change) -> None:
        """Make one change."""
        self._makers[change.kind, change.action](change.customer or "", change.name, change.after())

    def add_events(self, changes: Iterable[Change]) -> None:
        """Add many events at once."""
        self._exchange.add_events([_new_event(change, self._exchange.now()) for change in changes])

    def _add_destination(self, _: str, name: str, after: Mapping[str, Any]) -> None:
        self._registry.add_destination(Destination(name, **after))

    def _change_destination(self, _: str, name: str, after: Mapping[str, Any]) -> None:
        self._registry.replace_destination(replace(self._registry.get_destination(name), **after))

    def _add_customer(self, slug: str, _: str, after: Mapping[str, Any]) -> None:
        own, policy = _divided(after)
        self._registry.add_customer(slug, policy=Policy(**policy), **own)

    def _change_customer(self, slug: str, _: str, after: Mapping[str, Any]) -> None:
        own, policy = _divided(after)
        before = self._registry.get_customer(slug)
        self._registry.update_customer(slug, policy=replace(before.policy, **policy), **own)

    def _pause_event(self, customer: str, slug: str, _: Mapping[str, Any]) -> None:
        if self._registry.get_event(customer, slug).state is not EventState.ACTIVE:
            self._registry.add_event(customer, slug)
        self._registry.pause_event(customer, slug)

    def _add_contract(self, customer: str, name: str, after: Mapping[str, Any]) -> None:
        event = name.partition("/")[0]
        self._registry.add_contract(customer, event, after["mode"], after["schema"], note=after["note"], activate=False)

    def _add_write_key(self, customer: str, name: str, after: Mapping[str, Any]) -> None:
        now = self._exchange.now()
        expires_at, revoked_at = _moment(after["expires_at"]), now if after["revoked"] else None
        key = WriteKey(name, customer, after["name"], after["hash"], after["hint"], now, expires_at, revoked_at)
        self._registry.restore_write_key(key)

    def _change_write_key(self, customer: str, name: str, after: Mapping[str, Any]) -> None:
        before = self._registry.get_write_key(customer, name)
        moments = {"expires_at": _moment(after["expires_at"])} if "expires_at" in after else {}
        self._exchange.update_write_key(replace(before, **{**after, **moments}))


def _new_event(change: Change, now: datetime) -> Event:
    after = change.after()
    return Event(
        change.customer or "",
        change.name,
        after["display_name"],
        EventState(after["state"]),
        after["freshness_deadline_minutes"],
        now,
        after.get("first_seen_hour"),
    )


def _divided(after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a customer's own fields and those of its policy."""
    own, policy = {}, {}
    for name, value in after.items():
        outer, _, inner = name.partition(".")
        if inner:
            policy[inner] = value
        else:
            own[outer] = value
    return own, policy


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
