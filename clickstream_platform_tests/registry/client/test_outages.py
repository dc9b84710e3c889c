"""Any sequence of arrivals, outages, restarts and changes: nothing fails, and in the end client and registry agree."""

from __future__ import annotations

import gzip
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.registry import RegistryService, open_registry
from clickstream_platform.registry.client.api import Fetched, HttpRegistry
from clickstream_platform.registry.client.cache import SnapshotCache
from clickstream_platform.registry.client.cached import REFRESH_SECONDS, RETRY_SECONDS, CachedRegistry
from clickstream_platform.registry.client.copies import SharedCopy
from clickstream_platform.registry.client.outbox import Outbox
from clickstream_platform.registry.client.transport import Transport
from clickstream_platform.registry.documents import snapshot_document
from clickstream_platform.registry.entities import Customer, Event, Policy
from clickstream_platform.registry.refusals import ConflictError, NotFoundError, RegistryUnavailableError
from clickstream_platform.registry.sightings import Samples, Seen
from clickstream_platform_tests.registry.client.conftest import NOW
from clickstream_platform_tests.registry.examples import examples

SLUGS = st.sampled_from(["a", "b", "注文"])
HOURS = st.integers(0, 5).map(lambda hour: f"2026-11-22T{hour:02}")


class Wire(HttpRegistry):
    """The API without a network: away when told, and its answers can get lost behind what they did."""

    def __init__(self, service: RegistryService) -> None:
        super().__init__(Transport("http://registry", lambda: "token", timeout_seconds=1))
        self.service, self.is_away, self.loses_answers = service, False, False

    def fetch_snapshot(self, tag: str | None = None) -> Fetched | None:
        self._pass()
        snapshot = self.service.snapshot()
        body = gzip.compress(orjson.dumps(snapshot_document(snapshot)), mtime=0)
        return None if tag == snapshot.etag else Fetched(body, snapshot.etag)

    def announce(
        self,
        customer: str,
        hour: str,
        seen: Seen,
        samples: Samples,
        *,
        skipped: Collection[str] = frozenset(),
        create_customer: bool = False,
    ) -> dict[str, Event]:
        self._pass()
        events = self.service.record_seen(customer, hour, seen, skipped=skipped, create_customer=create_customer)
        if self.loses_answers:
            raise RegistryUnavailableError("announcing", cause="the answer got lost", remedy="Wait.")
        return events

    def add_customer(self, slug: str) -> Customer:
        self._pass()
        return self.service.add_customer(slug)

    def _pass(self) -> None:
        if self.is_away:
            raise RegistryUnavailableError("asking", cause="it is away", remedy="Wait.")


def certain(event: Event) -> Event:
    """Return an event without what is advisory: counts alone are no reason for another snapshot."""
    return replace(event, seen_records=0, waiting_records=0, last_seen_hour=None)


class Outages(RuleBasedStateMachine):
    """One customer, a client that is restarted now and then, and what must be true of both ends."""

    def __init__(self) -> None:
        """Start with a registry that answers."""
        super().__init__()
        self.folder, self.clock, self.objects = TemporaryDirectory(), FixedClock(NOW), MemoryObjectStore()
        self.service = open_registry("sqlite://", self.clock)
        self.wire = Wire(self.service)
        self.hours: dict[str, set[str]] = {}
        self.records: dict[str, int] = {}

    @initialize(auto_activate=st.booleans())
    def customer(self, auto_activate: bool) -> None:
        """Add the customer, and let the client see it once."""
        self.service.add_customer("acme", policy=Policy(auto_activate=auto_activate))
        self.restart(keeps_disk=True)
        self.client.snapshot()

    @rule(keeps_disk=st.booleans())
    def restart(self, keeps_disk: bool) -> None:
        """Start another process; a new machine has no snapshot on its disk, but the outbox of the old one stays."""
        folder = Path(self.folder.name)
        if not keeps_disk:
            for path in folder.glob("*.gz"):
                path.unlink()
        parts = (SnapshotCache(folder, "pipeline"), SharedCopy(lambda: self.objects), Outbox(folder), self.clock)
        self.client = CachedRegistry(self.wire, *parts, timer=lambda: self.clock.now().timestamp())

    @rule(seconds=st.sampled_from([1.0, REFRESH_SECONDS, RETRY_SECONDS, 3_600.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(seconds=seconds))

    @rule(is_away=st.booleans(), loses_answers=st.booleans())
    def connect(self, is_away: bool, loses_answers: bool) -> None:
        """Take the API away, or bring it back."""
        self.wire.is_away, self.wire.loses_answers = is_away, loses_answers

    @rule(hour=HOURS, seen=st.dictionaries(SLUGS, st.integers(0, 9), min_size=1))
    def arrive(self, hour: str, seen: dict[str, int]) -> None:
        """Announce an hour, which never fails."""
        answer = self.client.record_seen("acme", hour, {slug: (slug, count) for slug, count in seen.items()})
        assert list(answer) == list(seen)
        known = {event.slug: event.state for event in self.client.list_events("acme")}
        assert {slug: event.state for slug, event in answer.items()} == {slug: known[slug] for slug in seen}
        for slug, count in seen.items():
            self.hours.setdefault(slug, set()).add(hour)
            self.records[slug] = self.records.get(slug, 0) + count

    @rule(slug=SLUGS, action=st.sampled_from(["pause", "resume", "remove", "add"]))
    def change(self, slug: str, action: str) -> None:
        """Change an event in the registry, whether the client can see it or not."""
        try:
            getattr(self.service, f"{action}_event")("acme", slug)
        except (NotFoundError, ConflictError):
            return

    @rule(auto_activate=st.booleans())
    def change_policy(self, auto_activate: bool) -> None:
        """Change what becomes of new events."""
        self.service.update_customer_policy("acme", Policy(auto_activate=auto_activate))

    @invariant()
    def the_client_answers(self) -> None:
        """Whatever happens, a client answers."""
        if hasattr(self, "client"):
            assert self.client.get_customer("acme").slug == "acme"
            assert self.client.age_seconds() >= 0

    def teardown(self) -> None:
        """Bring the API back: now both know the same, and nothing that arrived was lost."""
        try:
            if hasattr(self, "client"):
                self.come_back()
        finally:
            self.service.close()
            self.folder.cleanup()

    def come_back(self) -> None:
        """Let the client and the registry agree."""
        self.connect(is_away=False, loses_answers=False)
        self.wait(RETRY_SECONDS)
        known, true = self.client.list_events("acme"), self.service.list_events("acme")
        assert [certain(event) for event in known] == [certain(event) for event in true]
        assert self.client.status().waiting == 0
        for slug, hours in self.hours.items():
            event = self.service.get_event("acme", slug)
            assert (event.first_seen_hour, event.last_seen_hour) == (min(hours), max(hours))
            assert event.seen_records >= self.records[slug], "an answer that got lost may count twice, never none"


TestOutages = Outages.TestCase
TestOutages.settings = settings(max_examples=examples(20), stateful_step_count=25, deadline=None)
