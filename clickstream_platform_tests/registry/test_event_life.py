"""The life of a customer's events under any sequence of actions and arrivals, against a model of a few lines."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.entities import EventState, Policy
from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.refusals import ConflictError, NotFoundError
from clickstream_platform_tests.registry.conftest import START
from clickstream_platform_tests.registry.examples import examples

SLUGS = st.sampled_from(["a", "b", "注文"])
ALLOWED: dict[str, dict[str | None, str]] = {
    "add": {None: "active", "discovered": "active", "removed": "active"},
    "activate": {"discovered": "active", "active": "active"},
    "pause": {"active": "paused", "paused": "paused"},
    "resume": {"paused": "active", "active": "active"},
    "remove": {"active": "removed", "paused": "removed", "discovered": "removed", "removed": "removed"},
}


class EventLife(RuleBasedStateMachine):
    """Compare the registry with a dictionary of states and counts; a second customer must stay as it was."""

    def __init__(self) -> None:
        """Start with nothing known."""
        super().__init__()
        self.registry = open_registry("sqlite://", FixedClock(START))
        self.states: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.waiting: dict[str, int] = {}
        self.activations: dict[str, int] = {}
        self.in_force: dict[str, int] = {}
        self.versions: dict[str, int] = {}
        self.auto_activate = True
        self.etag = ""

    @initialize(auto_activate=st.booleans())
    def customers(self, auto_activate: bool) -> None:
        """Add the customer under test and its neighbour."""
        self.auto_activate = auto_activate
        self.registry.add_customer("acme", policy=Policy(auto_activate=auto_activate))
        self.registry.add_customer("neighbour")
        self.neighbours = self.registry.record_seen("neighbour", "2026-11-22T09", {"a": ("A", 1)})

    @rule(slug=SLUGS, action=st.sampled_from(sorted(ALLOWED)))
    def act(self, slug: str, action: str) -> None:
        """Do what a person may ask for."""
        before = self.states.get(slug)
        expected = ALLOWED[action].get(before)
        try:
            event = getattr(self.registry, f"{action}_event")("acme", slug)
        except NotFoundError:
            assert before is None
        except ConflictError:
            assert expected is None
        else:
            assert event.state.value == expected
            if expected == "active" and before != "active":
                self.activations[slug] = self.activations.get(slug, 0) + 1
                self.waiting[slug] = 0
            self.states[slug] = event.state.value
            self.counts.setdefault(slug, 0)

    @rule(seen=st.dictionaries(SLUGS, st.integers(0, 10)))
    def arrive(self, seen: dict[str, int]) -> None:
        """Announce an hour."""
        announced = {slug: (slug, count) for slug, count in seen.items()}
        answer = self.registry.record_seen("acme", "2026-11-22T09", announced)
        for slug, count in seen.items():
            self.states.setdefault(slug, "active" if self.auto_activate else "discovered")
            self.counts[slug] = self.counts.get(slug, 0) + count
            self.activations.setdefault(slug, 1)
            waits = self.states[slug] != "active"
            self.waiting[slug] = self.waiting.get(slug, 0) + (count if waits else 0)
        assert {slug: event.state.value for slug, event in answer.items()} == {slug: self.states[slug] for slug in seen}

    @rule(auto_activate=st.booleans())
    def change_policy(self, auto_activate: bool) -> None:
        """Change what becomes of new events; known ones stay as they are."""
        self.registry.update_customer_policy("acme", Policy(auto_activate=auto_activate))
        self.auto_activate = auto_activate

    @rule(slug=SLUGS, activate=st.booleans())
    def agree_on_a_contract(self, slug: str, activate: bool) -> None:
        """Add the next version, in force or not; whatever the event's state is."""
        if slug not in self.states:
            return
        contract = self.registry.add_contract("acme", slug, "freeze", {"title": slug}, activate=activate)
        self.versions[slug] = self.versions.get(slug, 0) + 1
        assert contract.version == self.versions[slug]
        if activate:
            self.in_force[slug] = contract.version

    @rule(slug=SLUGS, version=st.none() | st.integers(1, 3))
    def choose_a_version(self, slug: str, version: int | None) -> None:
        """Put an older version in force again, or none."""
        if slug not in self.states or (version or 0) > self.versions.get(slug, 0):
            return
        self.registry.set_contract_version("acme", slug, version)
        self.in_force.pop(slug, None)
        if version is not None:
            self.in_force[slug] = version

    @rule()
    def remove_and_restore_the_customer(self) -> None:
        """Leave tombstones of all its events."""
        self.registry.remove_customer("acme")
        self.registry.restore_customer("acme")
        self.states = dict.fromkeys(self.states, EventState.REMOVED.value)

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        """Compare states, counts and the neighbour."""
        events = self.registry.list_events("acme") if hasattr(self, "neighbours") else []
        assert {event.slug: event.state.value for event in events} == self.states
        assert {event.slug: event.seen_records for event in events} == self.counts
        assert {event.slug: event.waiting_records for event in events} == {
            s: self.waiting.get(s, 0) for s in self.states
        }
        assert {event.slug: event.activation for event in events} == self.activations
        if hasattr(self, "neighbours"):
            found = self.registry.contracts_in_force("acme")
            assert {slug: contract.version for slug, contract in found.items()} == self.in_force
        if hasattr(self, "neighbours"):
            assert self.registry.list_events("neighbour") == list(self.neighbours.values())

    @invariant()
    def the_cheap_etag_is_the_true_one(self) -> None:
        """Compare the etag kept for polls with that of a snapshot built anew."""
        assert self.registry.etag() == self.registry.snapshot().etag

    def teardown(self) -> None:
        """Close the registry."""
        self.registry.close()


TestEventLife = EventLife.TestCase
TestEventLife.settings = settings(
    max_examples=examples(12), stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
