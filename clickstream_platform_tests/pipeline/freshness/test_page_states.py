"""What the registry's page is told: at once, from the last look, and nothing that is not known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from clickstream_platform.errors import ObjectStoreUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.page_states import SHOWN_FOR, WatchedStates
from clickstream_platform.registry.entities import Customer
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.pipeline.freshness.parts import ledger_row, put, write_ledger
from clickstream_platform_tests.pipeline.stand_ins import NINE, NOW

SALE = Stream("acme", "sale")


@pytest.fixture
def wiring(tmp_path: Path) -> Iterator[Wiring]:
    clock = FixedClock(NINE.end)
    with Wiring(Settings(home=tmp_path, hours_lookback=12), clock) as opened:
        opened.__dict__["objects"] = MemoryObjectStore(clock)
        for customer in ("acme", "tiny"):
            opened.registry_service.add_customer(customer)
        opened.registry_service.add_event("acme", "sale", freshness_deadline_minutes=60)
        put(opened, SALE, NINE)
        clock.advance(NOW - clock.now())
        yield opened


@pytest.fixture
def acme(wiring: Wiring) -> Customer:
    return wiring.registry_service.get_customer("acme")


def words(states: WatchedStates, customer: Customer, expected: dict[str, str]) -> dict[str, str]:
    """Ask until the answer is the expected one, or for ten seconds."""
    deadline = time.monotonic() + 10
    while True:
        found = {event: state.status.value for event, state in states.of_customer(customer).items()}
        if found == expected or time.monotonic() > deadline:
            return found
        time.sleep(0.01)


def test_the_first_page_knows_nothing_and_the_next_one_does(wiring: Wiring, acme: Customer) -> None:
    with closing(WatchedStates(wiring)) as states:
        assert states.of_customer(acme) == {}
        assert words(states, acme, {"sale": "late"}) == {"sale": "late"}
        assert states.of_customer(wiring.registry_service.get_customer("tiny")) == {}
        write_ledger(Path(wiring.settings.duckdb), [ledger_row(SALE, NINE)])
        clock = wiring.clock
        assert isinstance(clock, FixedClock)
        clock.advance(timedelta(seconds=61))
        assert words(states, acme, {"sale": "fresh"}) == {"sale": "fresh"}


def test_a_look_that_fails_leaves_the_last_states_for_some_minutes(wiring: Wiring, acme: Customer) -> None:
    clock, objects = wiring.clock, wiring.objects
    assert isinstance(clock, FixedClock)
    assert isinstance(objects, MemoryObjectStore)
    with closing(WatchedStates(wiring)) as states:
        assert words(states, acme, {"sale": "late"}) == {"sale": "late"}
        for _ in range(20):
            objects.fail_next("list_objects", ObjectStoreUnavailableError("listing"))
        clock.advance(timedelta(minutes=5))
        assert words(states, acme, {"sale": "late"}) == {"sale": "late"}
        clock.advance(SHOWN_FOR + timedelta(seconds=1))
        states.of_customer(acme)
        assert words(states, acme, {}) == {}
