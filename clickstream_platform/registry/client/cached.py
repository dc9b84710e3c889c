"""The registry as other parts see it: its API while that answers, the last good snapshot when it does not.

Every question is answered from a snapshot that is confirmed every few seconds. Without the API: known events keep the
state they have in it, an unknown one is decided by its customer's policy as the registry would, and what arrived waits
in the outbox. Belongs here: that behaviour. Does not: the parts it is made of (`api`, `cache`, `copies`, `outbox`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from threading import RLock
from types import TracebackType
from typing import Self

from clickstream_platform.errors import ClickstreamError, ConfigurationError, RegistryError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.registry.client.api import HttpRegistry
from clickstream_platform.registry.client.cache import SnapshotCache
from clickstream_platform.registry.client.copies import SharedCopy
from clickstream_platform.registry.client.kept import KeptSnapshot, header_of
from clickstream_platform.registry.client.outbox import Announcement, Outbox
from clickstream_platform.registry.client.status import ClientStatus, Source
from clickstream_platform.registry.client.view import View
from clickstream_platform.registry.entities import Contract, Customer, Destination, Event, EventState, Snapshot
from clickstream_platform.registry.refusals import RegistryUnavailableError
from clickstream_platform.registry.sightings import NO_SAMPLES, Samples, Seen, check_seen, plan_samples, plan_sightings

REFRESH_SECONDS = 5.0
"""A snapshot that was confirmed so recently is not asked about again."""
RETRY_SECONDS = 15.0
"""After a failure the API is left alone for so long, so that a silent one costs one time limit and not one per hour."""
DELIVERY_SECONDS = 10.0
"""Announcements that waited are delivered for so long at once; a sensor's tick must end within 60 s."""
_logger = logging.getLogger(__name__)


class CachedRegistry:
    """Answers as the registry's service does, without ever depending on it; shared by the threads of a process.

    Removed customers are not in a snapshot, so they are unknown here. Any method may raise RegistryUnavailableError,
    but only when no snapshot was ever kept.
    """

    def __init__(
        self,
        api: HttpRegistry,
        cache: SnapshotCache,
        copy: SharedCopy,
        outbox: Outbox,
        clock: Clock,
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """Put the parts together; nothing is asked or read yet. `timer` counts seconds."""
        self._api, self._cache, self._copy, self._outbox = api, cache, copy, outbox
        self._clock, self._timer, self._lock = clock, timer, RLock()
        self._kept: KeptSnapshot | None = None
        self._view: View | None = None
        self._source = Source.NOWHERE
        self._trouble: ClickstreamError | None = None
        self._next_check = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; asking again opens new ones."""
        self._api.close()

    def get_customer(self, slug: str) -> Customer:
        """Return a customer; raise NotFoundError for an unknown or removed one."""
        with self._lock:
            return self._current().customer(slug)

    def list_customers(self) -> list[Customer]:
        """Return all customers by slug."""
        with self._lock:
            return list(self._current().customers.values())

    def list_events(self, customer: str, states: Collection[EventState] | None = None) -> list[Event]:
        """Return one customer's events by slug, in these states or in all."""
        with self._lock:
            events = self._current().events(customer)
        return [event for event in events if states is None or event.state in states]

    def contracts_in_force(self, customer: str) -> Mapping[str, Contract]:
        """Return the contracts that one customer's records are held to, by event."""
        with self._lock:
            return self._current().contracts[customer]

    def get_destination(self, name: str) -> Destination:
        """Return a destination; raise NotFoundError."""
        with self._lock:
            return self._current().destination(name)

    def snapshot(self) -> Snapshot:
        """Return all live customers with their events, and all destinations."""
        with self._lock:
            return self._current().snapshot()

    def add_customer(self, slug: str) -> Customer:
        """Add a customer with the default policy and destination, which only the registry itself can do.

        Raises ConflictError when there is one or a tombstone of one, ConfigurationError when the token may not.
        """
        with self._lock:
            added = self._api.add_customer(slug)
            self._next_check = float("-inf")
            return added

    def record_seen(
        self,
        customer: str,
        hour: Hour | str,
        seen: Seen,
        *,
        samples: Samples = NO_SAMPLES,
        create_customer: bool = False,
    ) -> dict[str, Event]:
        """Take note of one customer-hour's events and return them as they now are; see `RegistryService.record_seen`.

        Without the API the events are decided here and the announcement waits; a customer can't be created then.
        """
        first_hour = str(Hour.parse(str(hour)))
        check_seen(seen)
        kept = plan_samples(customer, samples, seen, (), self._clock.now())
        announcement = Announcement(customer, first_hour, dict(seen), {each.event: each.sample for each in kept})
        with self._lock:
            view = self._current()
            if self._trouble is None:
                try:
                    return self._announce(view, announcement, create_customer)
                except (RegistryUnavailableError, ConfigurationError) as error:
                    if create_customer and customer not in view.customers:
                        raise
                    self._lose(error)
            if create_customer and customer not in view.customers:
                raise self._unavailable(f"adding the customer {customer!r}")
            return self._decide(view, announcement)

    def age_seconds(self) -> float:
        """Return how long ago the registry last confirmed what this answers from."""
        return self.status().age_seconds or 0.0

    def describe_age(self) -> str:
        """Say in one line how old what this answers from is, and whether the registry answers; never raises."""
        try:
            return self.status().describe()
        except RegistryUnavailableError as error:
            return str(error)

    def status(self) -> ClientStatus:
        """Return what this answers from, asking the API first if that is due."""
        with self._lock:
            self._current()
            confirmed_at = self._kept.header.confirmed_at if self._kept else None
            age = None if confirmed_at is None else max((self._clock.now() - confirmed_at).total_seconds(), 0.0)
            trouble = "" if self._trouble is None else " ".join(str(self._trouble).split())
            return ClientStatus(self._api.url, self._source, age, len(self._outbox.waiting()), trouble)

    def _current(self) -> View:
        """Return the state to answer from, confirmed by the API if that is due."""
        if self._view is None:
            self._take(self._cache.load(), Source.DISK)
        if self._timer() >= self._next_check:
            self._refresh()
        if self._view is None:
            raise self._unavailable("asking the registry") from self._trouble
        return self._view

    def _refresh(self) -> None:
        try:
            self._fetch()
            if self._deliver():
                self._fetch()  # what was delivered may have changed it
        except ClickstreamError as error:
            self._lose(error)
            return
        if self._trouble is not None:
            _logger.info("The registry's API answers again")
        self._trouble, self._next_check = None, self._timer() + REFRESH_SECONDS

    def _fetch(self) -> None:
        """Ask whether the snapshot is still the current one, take the new one if not, and keep it."""
        kept = self._kept
        fetched = self._api.fetch_snapshot(kept.header.tag if kept else None)
        now = self._clock.now()
        if fetched is not None:
            kept = KeptSnapshot(header_of(fetched.tag, now, fetched.body), fetched.body)
            self._show(View(kept.parse()))
        if kept is not None:
            header = replace(kept.header, confirmed_at=now)
            shared_at = self._copy.share(replace(kept, header=header))
            self._kept = replace(kept, header=replace(header, shared_at=shared_at))
            self._source = Source.API
            self._cache.save(self._kept)

    def _deliver(self) -> int:
        """Send what waits, for a while; return how much was sent. What stops it does not make the snapshot older."""
        deadline = self._timer() + DELIVERY_SECONDS
        try:
            return self._outbox.deliver(self._send, lambda: self._timer() < deadline)
        except ClickstreamError as error:
            _logger.warning("Announcements go on waiting: %s", error)
            return 0

    def _send(self, announcement: Announcement) -> None:
        try:
            self._api.announce(
                announcement.customer,
                announcement.hour,
                announcement.seen,
                announcement.samples,
                skipped=announcement.skipped,
            )
        except RegistryError as error:
            # It would be refused every time, and hold back all that follow.
            _logger.warning("An announcement that waited is refused and dropped: %s", error)

    def _lose(self, error: ClickstreamError) -> None:
        """Go on without the API for a while, with whatever snapshot is the latest."""
        is_first = self._trouble is None
        self._trouble, self._next_check = error, self._timer() + RETRY_SECONDS
        if is_first or self._view is None:
            self._take_newer_copy()
        if is_first and self._kept is not None:
            _logger.warning("Going on with the registry's snapshot of %s: %s", self._kept.header.confirmed_at, error)

    def _take_newer_copy(self) -> None:
        known_at = self._kept.header.confirmed_at if self._kept else None
        if known_at is not None:
            header = self._copy.header()
            if header is None or header.confirmed_at <= known_at:
                return
        copy = self._copy.load()
        self._take(copy, Source.COPY)
        if copy is not None and self._kept is copy:
            self._cache.save(copy)

    def _take(self, kept: KeptSnapshot | None, source: Source) -> None:
        """Answer from a kept snapshot, unless it can't be read."""
        if kept is None:
            return
        try:
            self._show(View(kept.parse()))
        except RegistryError as error:
            _logger.warning("The registry's snapshot %s is ignored: %s", source, error)
            return
        self._kept, self._source = kept, source

    def _show(self, view: View) -> None:
        if self._view is not None:
            view.learn_unknown(self._view)
        self._view = view

    def _announce(self, view: View, announcement: Announcement, create_customer: bool) -> dict[str, Event]:
        customer, hour = announcement.customer, announcement.hour
        events = self._api.announce(
            customer, hour, announcement.seen, announcement.samples, create_customer=create_customer
        )
        view.learn(events.values())
        if customer not in view.customers:
            self._next_check = float("-inf")
        return events

    def _decide(self, view: View, announcement: Announcement) -> dict[str, Event]:
        """Do what the registry would, here; it is told later and has the last word."""
        owner, seen, now = view.customer(announcement.customer), announcement.seen, self._clock.now()
        plan = plan_sightings(owner, announcement.hour, seen, view.events_named(owner.slug, seen), now)
        decided_here = (*plan.new, *plan.known)
        skipped = tuple(event.slug for event in decided_here if event.state is not EventState.ACTIVE)
        self._outbox.put(replace(announcement, skipped=skipped), now, has_new_events=bool(plan.new))
        view.learn((*plan.new, *plan.known))
        decided = {event.slug: event for event in (*plan.new, *plan.known)}
        return {slug: decided[slug] for slug in seen}

    def _unavailable(self, asking: str) -> RegistryUnavailableError:
        cause = "its API does not answer, and no snapshot was kept on disk or in the object store"
        if self._view is not None:
            cause = "its API does not answer, and this can't wait"
        if self._trouble is not None:
            cause = f"{cause} ({self._trouble})"
        remedy = "Start the registry, or mend the way to it; `clickstream doctor` tells more."
        return RegistryUnavailableError(asking, where=self._api.url, cause=cause, remedy=remedy)
