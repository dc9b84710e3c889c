"""Operations on events: add, list, the changes of state, and taking note of what arrived.

Belongs here: one method per operation, one transaction each. Does not: which change of state is allowed (`rules`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final, Literal

from clickstream_platform.model.hours import Hour
from clickstream_platform.registry import refusals, rules
from clickstream_platform.registry.entities import (
    DEFAULT_DESTINATION,
    Customer,
    Event,
    EventSample,
    EventState,
    Policy,
)
from clickstream_platform.registry.operations import (
    Operations,
    check_assignment,
    check_revision,
    find_customer,
    find_event,
    find_live_customer,
)
from clickstream_platform.registry.sightings import (
    NO_SAMPLES,
    Samples,
    Seen,
    check_seen,
    plan_samples,
    plan_sightings,
)
from clickstream_platform.registry.transactions import Transaction

UNCHANGED: Final = "unchanged"
Unchanged = Literal["unchanged"]
"""Given for a value that may itself be None, to leave it as it is."""


class EventOperations(Operations):
    """What can be asked about events and done to them."""

    def add_event(
        self,
        customer: str,
        slug: str,
        *,
        display_name: str | None = None,
        freshness_deadline_minutes: int | None = None,
        expected_revision: int | None = None,
    ) -> Event:
        """Add an event as active, or bring a discovered or removed one into use; raise ConflictError for any other."""
        rules.check_slug("event", slug)
        rules.check_display_name(display_name or slug)
        rules.check_freshness_deadline(freshness_deadline_minutes)
        with self._store.writing() as transaction:
            find_live_customer(transaction, customer)
            before = transaction.event(customer, slug)
            if before is None:
                if expected_revision is not None:
                    raise refusals.stale_revision("event", slug, expected_revision, 0)
                rules.check_count("events", customer, transaction.count_events(customer), rules.MAX_EVENTS)
                shown, now = display_name or slug, self._clock.now()
                event = Event(customer, slug, shown, EventState.ACTIVE, freshness_deadline_minutes, now, None)
                return self._write(transaction, "add", None, event)
            check_revision(before, expected_revision)
            moved = _in_state(before, rules.next_state(before.state, "add", f"{customer}/{slug}"))
            after = replace(
                moved,
                display_name=display_name or before.display_name,
                freshness_deadline_minutes=freshness_deadline_minutes or before.freshness_deadline_minutes,
            )
            return self._write(transaction, "add", before, after)

    def update_event(
        self,
        customer: str,
        slug: str,
        *,
        display_name: str | None = None,
        freshness_deadline_minutes: int | Unchanged | None = UNCHANGED,
        expected_revision: int | None = None,
    ) -> Event:
        """Change what is given, as one change; a deadline of None is the platform's."""
        if display_name is not None:
            rules.check_display_name(display_name)
        if freshness_deadline_minutes != UNCHANGED:
            rules.check_freshness_deadline(freshness_deadline_minutes)
        with self._store.writing() as transaction:
            find_live_customer(transaction, customer)
            before = find_event(transaction, customer, slug)
            check_revision(before, expected_revision)
            after = replace(before, display_name=before.display_name if display_name is None else display_name)
            if freshness_deadline_minutes != UNCHANGED:
                after = replace(after, freshness_deadline_minutes=freshness_deadline_minutes)
            return self._write(transaction, "update", before, after)

    def get_sample(self, customer: str, slug: str) -> EventSample | None:
        """Return the masked sample record of an event, None while there is none; raise NotFoundError."""
        with self._store.reading() as transaction:
            find_event(transaction, customer, slug)
            return transaction.sample(customer, slug)

    def sampled_events(self, customer: str) -> set[str]:
        """Return the customer's events that have a sample record."""
        with self._store.reading() as transaction:
            return transaction.sampled_events(customer)

    def get_event(self, customer: str, slug: str) -> Event:
        """Return an event in whatever state; raise NotFoundError."""
        with self._store.reading() as transaction:
            return find_event(transaction, customer, slug)

    def list_events(
        self,
        customer: str,
        states: Collection[EventState] | None = None,
        *,
        after: str = "",
        limit: int | None = None,
    ) -> list[Event]:
        """Return one customer's events by slug, in these states or in all; pages as in `list_customers`."""
        with self._store.reading() as transaction:
            find_customer(transaction, customer)
            return transaction.events(customer, states, after, limit)

    def activate_event(self, customer: str, slug: str, *, expected_revision: int | None = None) -> Event:
        """Load a discovered event from now on; its history is to be back-filled from `first_seen_hour`."""
        return self._move_event(customer, slug, "activate", expected_revision)

    def pause_event(self, customer: str, slug: str, *, expected_revision: int | None = None) -> Event:
        """Stop loading an active event; its raw objects are kept."""
        return self._move_event(customer, slug, "pause", expected_revision)

    def resume_event(self, customer: str, slug: str, *, expected_revision: int | None = None) -> Event:
        """Load a paused event again."""
        return self._move_event(customer, slug, "resume", expected_revision)

    def remove_event(self, customer: str, slug: str, *, expected_revision: int | None = None) -> Event:
        """Turn an event into a tombstone that no late object revives; its table stays."""
        return self._move_event(customer, slug, "remove", expected_revision)

    def set_freshness_deadline(
        self, customer: str, slug: str, minutes: int | None, *, expected_revision: int | None = None
    ) -> Event:
        """Set the minutes after an hour's end by which it must be loaded; None for nobody watching."""
        rules.check_freshness_deadline(minutes)
        with self._store.writing() as transaction:
            find_live_customer(transaction, customer)
            before = find_event(transaction, customer, slug)
            check_revision(before, expected_revision)
            after = replace(before, freshness_deadline_minutes=minutes)
            return self._write(transaction, "set_freshness_deadline", before, after)

    def record_seen(
        self,
        customer: str,
        hour: Hour | str,
        seen: Seen,
        *,
        samples: Samples = NO_SAMPLES,
        skipped: Collection[str] = frozenset(),
        create_customer: bool = False,
    ) -> dict[str, Event]:
        """Take note of one customer-hour's events, `{slug: (name as sent, records)}`, and return them as they now are.

        An event seen for the first time is added as active or discovered by the customer's policy, and as removed for a
        removed customer; a known one keeps its state. Counts add up and are advisory: an hour announced twice counts
        twice. Of `samples`, masked records by event, the first of each event is kept; `skipped` are
        events that were decided without the registry, and not loaded. Raises NotFoundError for an
        unknown customer unless `create_customer`, which adds it with the default
        policy and destination.
        """
        first_hour = str(Hour.parse(str(hour)))
        rules.check_hour(first_hour)
        check_seen(seen)
        with self._store.writing() as transaction:
            owner = transaction.customer(customer)
            if owner is None:
                owner = self._create_customer(transaction, customer, create_customer)
            known = transaction.events_named(customer, tuple(seen))
            plan = plan_sightings(owner, first_hour, seen, known, self._clock.now(), skipped)
            transaction.insert(plan.new)
            transaction.update_sightings(plan.known)
            discovered = [(None, event) for event in plan.new]
            transaction.record_changes(self._clock.now(), self._actor, "discover", discovered)
            if plan.changes_content and not plan.new:
                transaction.bump_version()
            if samples:
                sampled = transaction.sampled_events(customer)
                transaction.insert_samples(plan_samples(customer, samples, seen, sampled, self._clock.now()))
        now_known = {event.slug: event for event in (*plan.new, *plan.known)}
        return {slug: now_known[slug] for slug in seen}

    def _move_event(self, customer: str, slug: str, action: rules.Action, expected_revision: int | None) -> Event:
        with self._store.writing() as transaction:
            find_live_customer(transaction, customer)
            before = find_event(transaction, customer, slug)
            check_revision(before, expected_revision)
            state = rules.next_state(before.state, action, f"{customer}/{slug}")
            return self._write(transaction, action, before, _in_state(before, state))

    def _create_customer(self, transaction: Transaction, slug: str, is_allowed: bool) -> Customer:
        if not is_allowed:
            raise refusals.unknown_customer(slug)
        rules.check_slug("customer", slug)
        check_assignment(transaction, slug, DEFAULT_DESTINATION)
        customer = Customer(slug, slug, Policy(), DEFAULT_DESTINATION, False, self._clock.now())
        return self._write(transaction, "add", None, customer)


def _in_state(event: Event, state: EventState) -> Event:
    """Return the event in a state; one that comes into use counts it, and nothing of it waits any more."""
    if state is EventState.ACTIVE and event.state is not EventState.ACTIVE:
        return replace(event, state=state, activation=event.activation + 1, waiting_records=0)
    return replace(event, state=state)
