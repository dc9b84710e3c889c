"""What one caller can never do to all others: block reading, lengthen the snapshot, or store what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from threading import Event as Signal
from typing import Any

import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry import rules
from clickstream_platform.registry.entities import Destination
from clickstream_platform.registry.refusals import InvalidRequestError, StaleRevisionError
from clickstream_platform.registry.service import RegistryService

HOUR = "2026-11-22T08"


@contextmanager
def somebody_writing(registry: RegistryService) -> Iterator[None]:
    """Hold the turn to write in another thread."""
    begun, done = Signal(), Signal()

    def write() -> None:
        with registry.together():
            begun.set()
            done.wait(60)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        assert begun.wait(60)
        try:
            yield
        finally:
            done.set()
            writing.result()


@pytest.mark.timeout(25)  # a writer's turn is waited for 30 seconds
def test_recognising_a_caller_waits_for_no_writer(any_registry: RegistryService, clock: FixedClock) -> None:
    token, text = any_registry.add_token("reader", "loader")
    with somebody_writing(any_registry):
        assert any_registry.authenticate(text).id == token.id
        assert any_registry.snapshot().customers == ()
    any_registry.authenticate(text)
    assert any_registry.get_token(token.id).last_used_at == clock.now()
    any_registry.add_customer("acme")  # and a writer waits for its turn as before


def test_expired_write_keys_leave_the_snapshot_and_count_no_more(
    any_registry: RegistryService, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_PER_PARENT", 3)
    any_registry.add_customer("acme")
    key, _ = any_registry.add_write_key("acme", "web")
    for _ in range(5):
        key, _ = any_registry.rotate_write_key("acme", key.id, grace_hours=1)
        clock.advance(timedelta(hours=1))
    assert any_registry.snapshot().write_keys == (key,)
    any_registry.add_write_key("acme", "second")


def test_the_contracts_of_one_customer_are_bounded_together(
    any_registry: RegistryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_CONTRACTS_BYTES", 250)
    any_registry.add_customer("acme")
    for event in ("a", "b"):
        any_registry.add_event("acme", event)
    schema = {"description": "x" * 100}
    any_registry.add_contract("acme", "a", "evolve", schema)
    any_registry.add_contract("acme", "a", "evolve", schema)
    any_registry.add_contract("acme", "b", "evolve", {"description": "y" * 200}, activate=False)
    with pytest.raises(InvalidRequestError):
        any_registry.set_contract_version("acme", "b", 1)
    any_registry.set_contract_version("acme", "a", None)
    any_registry.set_contract_version("acme", "b", 1)


def test_events_that_people_add_are_bounded_and_those_that_arrive_are_not(
    any_registry: RegistryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_EVENTS", 2)
    any_registry.add_customer("acme")
    any_registry.record_seen("acme", HOUR, {slug: (slug, 1) for slug in "abc"})
    with pytest.raises(InvalidRequestError):
        any_registry.add_event("acme", "d")


@pytest.mark.parametrize("hour", ["0001-01-01T00", "1999-12-31T23", "9999-12-31T23"])
def test_an_hour_of_another_age_is_refused_before_it_is_stored(any_registry: RegistryService, hour: str) -> None:
    any_registry.add_customer("acme")
    with pytest.raises(InvalidRequestError):
        any_registry.record_seen("acme", hour, {"a": ("A", 1)})
    assert any_registry.list_events("acme") == []


@pytest.mark.parametrize(
    "end", [datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-5))), datetime.max.replace(tzinfo=UTC)]
)
def test_an_end_beyond_what_can_be_stored_is_refused(any_registry: RegistryService, end: datetime) -> None:
    with pytest.raises(InvalidRequestError):
        any_registry.add_token("a", "admin", expires_at=end)


def test_an_event_that_is_not_there_has_no_revision(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    with pytest.raises(StaleRevisionError):
        any_registry.add_event("acme", "a", expected_revision=7)


@pytest.mark.parametrize("schema", [{"const": "\0"}, {"\0": {}}, {"const": "\\\0"}])
def test_a_contract_holds_no_nul(any_registry: RegistryService, schema: dict[str, Any]) -> None:
    any_registry.add_customer("acme")
    any_registry.add_event("acme", "a")
    with pytest.raises(InvalidRequestError):
        any_registry.add_contract("acme", "a", "evolve", schema)
    assert any_registry.add_contract("acme", "a", "evolve", {"pattern": r"^[^\u0000-\u001f]*$"}).version == 1


@pytest.mark.parametrize("reference", ["", "hunter2", "env:", "env:A\0B", "file:relative", "vault:main", "env:A\nB"])
def test_a_secret_in_place_of_its_reference_is_refused_and_not_repeated(
    any_registry: RegistryService, reference: str
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        any_registry.add_destination(Destination("main", "redshift", {}, reference))
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "settings", [{"dsn": "host=h"}, {"pwd": "x"}, {"api-key": "x"}, {"options": "host=h password=hunter2"}]
)
def test_settings_that_look_like_secrets_are_refused(any_registry: RegistryService, settings: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        any_registry.add_destination(Destination("main", "redshift", settings))
    assert "hunter2" not in str(refusal.value)
