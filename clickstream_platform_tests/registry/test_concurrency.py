"""Several processes and threads on one database: nothing is lost, nothing is created twice."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.entities import EventState
from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.refusals import ConflictError, StaleRevisionError
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.conftest import START

WORKERS, CALLS, EVENTS = 3, 15, 20


def _announce(url: str, worker: int) -> list[str]:
    """Open the registry and announce hours; give the states that were answered."""
    states: list[str] = []
    with open_registry(url, FixedClock(START)) as service:
        for call in range(CALLS):
            seen = {f"event_{number}": (f"from {worker}", 1) for number in range(EVENTS)}
            seen[f"own_{worker}_{call}"] = ("own", 1)
            answer = service.record_seen("acme", f"2026-11-22T{call:02}", seen, create_customer=True)
            states += [event.state.value for event in answer.values()]
    return states


def test_processes_that_start_at_once_on_a_new_database(database_url: str) -> None:
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        futures: list[Future[list[str]]] = [pool.submit(_announce, database_url, worker) for worker in range(WORKERS)]
        assert {state for future in futures for state in future.result()} == {"active"}

    with open_registry(database_url, FixedClock(START)) as service:
        events = {event.slug: event for event in service.list_events("acme")}
        shared = {slug: event.seen_records for slug, event in events.items() if slug.startswith("event_")}
        assert shared == {f"event_{number}": WORKERS * CALLS for number in range(EVENTS)}
        assert len(events) == EVENTS + WORKERS * CALLS
        logged = [entry.name for entry in service.list_audit(limit=1_000) if entry.action == "event.discover"]
        assert sorted(logged) == sorted(events), "each event is created once"


def test_threads_share_one_service(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: any_registry.record_seen("acme", "2026-11-22T09", {"a": ("A", 1)}), range(40)))
    assert any_registry.get_event("acme", "a").seen_records == 40


def test_of_two_people_who_read_the_same_one_wins(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    event = any_registry.add_event("acme", "a")

    def remove(_: int) -> bool:
        try:
            any_registry.remove_event("acme", "a", expected_revision=event.revision)
        except StaleRevisionError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(remove, range(4))) == [False, False, False, True]
    assert any_registry.get_event("acme", "a").revision == event.revision + 1


def test_a_customer_added_by_many_is_added_once(any_registry: RegistryService) -> None:
    def add(_: int) -> bool:
        try:
            any_registry.add_customer("acme")
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(add, range(4))) == [False, False, False, True]


def test_a_reader_waits_for_nobody_and_sees_one_state(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    any_registry.add_event("acme", "a")
    with any_registry._store.writing() as transaction:
        event = transaction.event("acme", "a")
        assert event is not None
        with ThreadPoolExecutor(1) as pool:
            snapshot = pool.submit(any_registry.snapshot).result(timeout=10)
        assert snapshot.events == (event,)
    assert event.state is EventState.ACTIVE


def test_a_failed_transaction_leaves_nothing(any_registry: RegistryService) -> None:
    customer = any_registry.add_customer("acme")

    def fail() -> None:
        with any_registry._store.writing() as transaction:
            transaction.update(replace(customer, isolated=True))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert any_registry.get_customer("acme") == customer
