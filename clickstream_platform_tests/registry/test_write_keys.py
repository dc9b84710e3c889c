"""Write keys: what is stored, rotation with a grace, revoking, and what a snapshot has of them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.refusals import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    StaleRevisionError,
)
from clickstream_platform.registry.secret_texts import hash_of
from clickstream_platform.registry.service import RegistryService


@pytest.fixture
def acme(any_registry: RegistryService) -> RegistryService:
    """Give a registry with two customers."""
    any_registry.add_customer("acme")
    any_registry.add_customer("other")
    return any_registry


def test_the_text_of_a_key_is_seen_once_and_stored_nowhere(acme: RegistryService) -> None:
    key, text = acme.add_write_key("acme", "web shop")
    assert len(text) == 32
    assert text.isalnum()
    assert key.hash == hash_of(text)
    assert text.startswith(key.hint)
    assert acme.list_write_keys("acme") == [key]
    assert acme.list_write_keys("other") == []
    assert text not in repr(acme.list_audit())
    assert key.hash not in repr(acme.list_audit())


def test_a_rotated_key_is_taken_for_the_grace(acme: RegistryService, clock: FixedClock) -> None:
    old, _ = acme.add_write_key("acme", "web")
    new, text = acme.rotate_write_key("acme", old.id, grace_hours=2, expected_revision=1)
    assert (new.name, new.hash) == ("web", hash_of(text))
    old = acme.get_write_key("acme", old.id)
    assert old.is_valid(clock.now() + timedelta(minutes=119))
    assert not old.is_valid(clock.now() + timedelta(hours=2))
    clock.advance(timedelta(hours=2))
    with pytest.raises(ConflictError):
        acme.rotate_write_key("acme", old.id)


def test_rotating_twice_does_not_lengthen_a_life(acme: RegistryService) -> None:
    old, _ = acme.add_write_key("acme", "web")
    acme.rotate_write_key("acme", old.id, grace_hours=1)
    ends = acme.get_write_key("acme", old.id).expires_at
    acme.rotate_write_key("acme", old.id, grace_hours=48)
    assert acme.get_write_key("acme", old.id).expires_at == ends


def test_a_revoked_key_leaves_the_snapshot_at_once(acme: RegistryService, clock: FixedClock) -> None:
    key, _ = acme.add_write_key("acme", "web")
    assert acme.snapshot().write_keys == (key,)
    revoked = acme.revoke_write_key("acme", key.id)
    assert not revoked.is_valid(clock.now())
    assert acme.snapshot().write_keys == ()
    assert acme.revoke_write_key("acme", key.id) == revoked, "revoking twice changes nothing"


def test_keys_of_a_removed_customer_are_in_no_snapshot(acme: RegistryService) -> None:
    acme.add_write_key("acme", "web")
    acme.remove_customer("acme")
    assert acme.snapshot().write_keys == ()
    with pytest.raises(ConflictError):
        acme.add_write_key("acme", "again")


def test_another_customers_key_is_not_found(acme: RegistryService) -> None:
    key, _ = acme.add_write_key("acme", "web")
    for ask in (acme.get_write_key, acme.revoke_write_key, acme.rotate_write_key):
        with pytest.raises(NotFoundError):
            ask("other", key.id)


def test_a_stale_revision_is_refused(acme: RegistryService) -> None:
    key, _ = acme.add_write_key("acme", "web")
    acme.rotate_write_key("acme", key.id)
    with pytest.raises(StaleRevisionError):
        acme.revoke_write_key("acme", key.id, expected_revision=1)


@pytest.mark.parametrize(("name", "expires_in_hours"), [("", None), ("a\0b", None), ("web", -1)])
def test_a_name_or_time_out_of_bounds_is_refused(
    acme: RegistryService, clock: FixedClock, name: str, expires_in_hours: int | None
) -> None:
    expires_at = None if expires_in_hours is None else clock.now() + timedelta(hours=expires_in_hours)
    with pytest.raises(InvalidRequestError):
        acme.add_write_key("acme", name, expires_at=expires_at)
    with pytest.raises(InvalidRequestError):
        acme.add_write_key("acme", "web", expires_at=datetime(2099, 1, 1))  # noqa: DTZ001 - without a zone on purpose
