"""Follows the registry: what a change of customers and events means for partitions, runs and back-fills.

Belongs here: comparing a snapshot with what is remembered, and what follows from a difference, on ports. Does not: how
partitions and runs are made (`defs.orchestrator`), which hours a back-fill has (`backfills`).

Everything compares what is with what should be, so that a tick that was lost, or cut, is made up for by the next one.
A customer of whom nothing changed costs a fingerprint and no question to anybody.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import Protocol

from clickstream_platform.pipeline.registry_memory import (
    MAX_BACKFILLS,
    MAX_CUSTOMER_BACKFILLS,
    Backfill,
    RegistryMemory,
)
from clickstream_platform.registry.entities import Event, EventState, Snapshot

IN_USE = frozenset({EventState.ACTIVE, EventState.PAUSED})
FINGERPRINT_DIGITS = 8
REMOVED_CUSTOMER = "removed"
# The other sensor may have begun to ask for runs before an event went: a tick ends within a minute, its runs are
# submitted after that.
LEAVING = timedelta(minutes=2)
# A tick must end within 60 seconds; customers that are left have their turn in the next one.
SYNC_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A run that waits or works. `event` is the one event that it loads, None when it loads several."""

    run_id: str
    customer: str
    event: str | None
    is_cancelable: bool


class Orchestrator(Protocol):
    """Who keeps partitions and runs: Dagster's instance."""

    def list_events(self, customer: str) -> Sequence[str]:
        """Return the events that have partitions."""
        ...

    def add_events(self, customer: str, events: Collection[str]) -> None:
        """Make partitions of events that have none, in one call."""
        ...

    def delete_event(self, customer: str, event: str) -> None:
        """Take an event's partitions away; their history stays."""
        ...

    def unfinished_runs(self) -> tuple[Sequence[UnfinishedRun], bool]:
        """Return runs of customers that wait or work, and whether these are all."""
        ...

    def cancel(self, run: UnfinishedRun) -> bool:
        """End a run; False when it could not be told to."""
        ...


@dataclass(slots=True)
class SyncTick:
    """What a tick changed, by customer.

    `is_cut` says that customers are left for the next one, `is_old` that nothing was followed, because something newer
    was followed before.
    """

    added: dict[str, list[str]] = field(default_factory=dict)
    deleted: dict[str, list[str]] = field(default_factory=dict)
    cancelled: dict[str, list[str]] = field(default_factory=dict)
    backfills: list[Backfill] = field(default_factory=list)
    is_cut: bool = False
    is_old: bool = False

    @property
    def changes(self) -> int:
        """How many partitions and runs it touched."""
        return sum(len(each) for part in (self.added, self.deleted, self.cancelled) for each in part.values())


def fingerprint_of(events: Iterable[Event]) -> str:
    """Return 8 hex digits that change with everything about a customer's events that is followed."""
    lines = (f"{each.slug}\n{each.state}\n{each.activation}" for each in events)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:FINGERPRINT_DIGITS]


@dataclass
class RegistrySync:
    """One tick. `loaded` are the customers with assets: only they can be back-filled."""

    orchestrator: Orchestrator
    memory: RegistryMemory
    loaded: Collection[str]
    timer: Callable[[], float] = time.monotonic
    tick: SyncTick = field(default_factory=SyncTick)
    _now: datetime = field(init=False)

    def follow(self, snapshot: Snapshot, now: datetime) -> SyncTick:
        """Bring partitions, runs and the list of back-fills to what the snapshot says; updates the memory."""
        self._now = now
        taken_at = self.memory.taken_at
        # While the registry is away, another machine may have kept an older state: it would undo what was done since.
        if taken_at and snapshot.etag != self.memory.etag and snapshot.taken_at < datetime.fromisoformat(taken_at):
            self.tick.is_old = True
            return self.tick
        self.memory.taken_at, self.memory.etag = snapshot.taken_at.isoformat(), snapshot.etag
        events = _by_customer(snapshot)
        self._drop_stale_backfills(events)
        started = self.timer()
        for customer in sorted(events.keys() | self.memory.followed.keys()):
            if self.timer() - started >= SYNC_SECONDS:
                self.tick.is_cut = True
                break
            self._follow_customer(customer, events.get(customer))
        return self.tick

    def _follow_customer(self, customer: str, events: Mapping[str, Event] | None) -> None:
        memory = self.memory
        known = memory.followed.get(customer)
        fingerprint = REMOVED_CUSTOMER if events is None else fingerprint_of(events.values())
        if known == fingerprint and customer not in memory.waiting:
            return
        if known != fingerprint:
            memory.leaving[customer] = self._now.isoformat()
        is_done = self._settle(customer, events)
        if events is not None:
            is_done &= self._ask_for_backfills(customer, events)
        memory.followed[customer] = fingerprint
        if is_done:
            memory.leaving.pop(customer, None)
        if not is_done:
            memory.waiting.add(customer)
        elif events is None:
            memory.forget(customer)
        else:
            memory.waiting.discard(customer)

    def _settle(self, customer: str, events: Mapping[str, Event] | None) -> bool:
        """Add and take away partitions; False when something must wait for runs to end."""
        keys = self.orchestrator.list_events(customer)
        in_use = {slug for slug, each in (events or {}).items() if each.state in IN_USE}
        if added := sorted(in_use - set(keys)):
            self.orchestrator.add_events(customer, added)
            self.tick.added[customer] = added
        # Keys that the registry does not have are those of lines without an event, or newer than the snapshot.
        gone = [key for key in keys if events is None or (key in events and events[key].state is EventState.REMOVED)]
        if not gone:
            return True
        unfinished, are_all = self._runs
        runs = [run for run in unfinished if run.customer == customer]
        self._cancel(customer, [run for run in runs if events is None or run.event in gone])
        since = datetime.fromisoformat(self.memory.leaving.get(customer, self._now.isoformat()))
        if runs or not are_all or self._now - since < LEAVING:
            return False  # a run over a range of events needs both ends of it to the last
        for key in gone:
            self.orchestrator.delete_event(customer, key)
        self.tick.deleted[customer] = gone
        return True

    @cached_property
    def _runs(self) -> tuple[Sequence[UnfinishedRun], bool]:
        """The unfinished runs, asked for only when an event with partitions went."""
        return self.orchestrator.unfinished_runs()

    def _cancel(self, customer: str, runs: Sequence[UnfinishedRun]) -> None:
        cancelled = [run.run_id for run in runs if run.is_cancelable and self.orchestrator.cancel(run)]
        if cancelled:
            self.tick.cancelled[customer] = cancelled

    def _ask_for_backfills(self, customer: str, events: Mapping[str, Event]) -> bool:
        """Note the events that came into use again; False when they have to wait."""
        memory = self.memory
        filled = memory.filled.get(customer, {})
        for slug in [slug for slug, done in filled.items() if slug in events and events[slug].activation < done]:
            del filled[slug]  # the registry was made anew, and counts from the beginning
        going_on = {(each.customer, each.event) for each in memory.backfills}
        missing = [
            Backfill(customer, each.slug, each.activation)
            for each in events.values()
            if each.state is EventState.ACTIVE
            and not memory.is_filled(customer, each.slug, each.activation)
            and (customer, each.slug) not in going_on
        ]
        if not missing:
            return True
        own = sum(each.customer == customer for each in memory.backfills)
        room = min(MAX_BACKFILLS - len(memory.backfills), MAX_CUSTOMER_BACKFILLS - own)
        if customer not in self.loaded or room <= 0:
            return False
        memory.backfills += missing[:room]
        self.tick.backfills += missing[:room]
        return len(missing) <= room

    def _drop_stale_backfills(self, events: Mapping[str, Mapping[str, Event]]) -> None:
        """Drop back-fills of events that are no longer active, or came into use once more: these begin anew."""

        def is_current(backfill: Backfill) -> bool:
            event = events.get(backfill.customer, {}).get(backfill.event)
            return (
                event is not None
                and event.state is EventState.ACTIVE
                and event.activation == backfill.activation
                and backfill.customer in self.loaded
            )

        kept = [each for each in self.memory.backfills if is_current(each)]
        # What was dropped is noted again by its customer's turn, where it is still wanted.
        self.memory.waiting |= {each.customer for each in self.memory.backfills if not is_current(each)}
        self.memory.backfills = kept


def _by_customer(snapshot: Snapshot) -> dict[str, dict[str, Event]]:
    """Return the events of every customer by slug; those of one customer follow each other in a snapshot."""
    found: dict[str, dict[str, Event]] = {customer.slug: {} for customer in snapshot.customers}
    for customer, events in groupby(snapshot.events, key=lambda event: event.customer):
        if customer in found:
            found[customer].update((event.slug, event) for event in events)
    return found
