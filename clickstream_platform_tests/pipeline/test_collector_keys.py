"""The registry's write keys as a collector asks for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from clickstream_platform.errors import ObjectNotFoundError, RegistryError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.pipeline.collector_keys import NoCopies, RegistryKeys
from clickstream_platform.registry import RegistryService, open_registry
from clickstream_platform.registry.entities import Policy, Snapshot
from clickstream_platform.registry.secret_texts import hash_of
from clickstream_platform_tests.collector.running import NOW


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryService]:
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}", FixedClock(NOW)) as service:
        service.add_customer("acme")
        yield service


def test_keys_of_the_registry(registry: RegistryService) -> None:
    keys = RegistryKeys(registry.snapshot)
    assert not keys.is_ready()
    keys.refresh()
    assert not keys.is_ready()  # nobody could send anything
    key, secret = registry.add_write_key("acme", "web", expires_at=NOW + timedelta(hours=1))
    keys.refresh()
    holder = keys.find(hash_of(secret), NOW)
    assert holder is not None
    assert (holder.customer, holder.key_id, keys.is_ready()) == ("acme", key.id, True)
    assert keys.find(hash_of(secret), NOW + timedelta(hours=2)) is None
    assert keys.find(hash_of("other"), NOW) is None
    registry.add_write_key("acme", "app")
    registry.revoke_write_key("acme", key.id)
    keys.refresh()
    assert keys.find(hash_of(secret), NOW) is None


def test_keys_stay_while_the_registry_is_away(registry: RegistryService) -> None:
    _, secret = registry.add_write_key("acme", "web")
    is_away = False

    def read() -> Snapshot:
        if is_away:
            raise RegistryError("asking the registry", cause="it is away", remedy="Wait.")
        return replace(registry.snapshot())

    keys = RegistryKeys(read, refresh_seconds=0.01)
    keys.start()
    deadline = time.monotonic() + 5
    while not keys.is_ready() and time.monotonic() < deadline:
        time.sleep(0.01)
    is_away = True
    time.sleep(0.05)
    assert keys.find(hash_of(secret), NOW) is not None
    keys.stop()


def test_no_failure_ends_the_reading_for_good(registry: RegistryService) -> None:
    """Without its thread a revoked key would be valid for ever, and a new one unknown."""
    registry.add_write_key("acme", "web")
    failures = [RuntimeError("a defect"), RegistryError("asking the registry", cause="it is away", remedy="Wait.")]

    def read() -> Snapshot:
        if failures:
            raise failures.pop(0)
        return registry.snapshot()

    keys = RegistryKeys(read, refresh_seconds=0.01)
    keys.start()
    deadline = time.monotonic() + 5
    while not keys.is_ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    keys.stop()


def test_write_keys_never_reach_the_object_store() -> None:
    copies = NoCopies()
    copies.put("registry", b"hashes")
    with pytest.raises(ObjectNotFoundError):
        copies.get_range("registry", 0, 1)


def test_the_rate_limit_of_a_policy_is_that_of_its_keys(registry: RegistryService) -> None:
    _, secret = registry.add_write_key("acme", "web")
    keys = RegistryKeys(registry.snapshot)
    for limit in (None, 50, None):
        registry.update_customer_policy("acme", Policy(events_per_second=limit))
        keys.refresh()
        holder = keys.find(hash_of(secret), NOW)
        assert holder is not None
        assert holder.events_per_second == limit
