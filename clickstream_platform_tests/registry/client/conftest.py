"""A registry on a file, an API in front of it, and clients whose time the test decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.registry import RegistryService, open_registry
from clickstream_platform.registry.client.api import HttpRegistry
from clickstream_platform.registry.client.cache import SnapshotCache
from clickstream_platform.registry.client.cached import CachedRegistry
from clickstream_platform.registry.client.copies import SharedCopy
from clickstream_platform.registry.client.outbox import Outbox
from clickstream_platform.registry.client.transport import Transport
from clickstream_platform.registry.entities import Policy
from clickstream_platform_tests.registry.client.scripted_api import TOKEN, ScriptedApi, serving

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


@dataclass
class Machine:
    """A disk, an object store and a clock; `client` is a process that starts there."""

    url: str
    folder: Path | None
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    objects: MemoryObjectStore = field(default_factory=MemoryObjectStore)
    clients: list[CachedRegistry] = field(default_factory=list)
    token: str = TOKEN

    def client(self, component: str = "pipeline", folder: Path | None = None) -> CachedRegistry:
        """Open a client with nothing in its memory."""
        place = folder or self.folder
        transport = Transport(self.url, lambda: self.token, timeout_seconds=2)
        client = CachedRegistry(
            HttpRegistry(transport),
            SnapshotCache(place, component),
            SharedCopy(lambda: self.objects),
            Outbox(place),
            self.clock,
            timer=lambda: self.clock.now().timestamp(),
        )
        self.clients.append(client)
        return client

    def wait(self, **duration: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**duration))


@pytest.fixture
def service(registry_url: str) -> Iterator[RegistryService]:
    """Give a registry with `acme`, whose events are active at once, and `careful`, whose events wait."""
    with open_registry(registry_url, FixedClock(NOW)) as opened:
        opened.add_customer("acme")
        opened.add_customer("careful", policy=Policy(auto_activate=False))
        opened.add_event("acme", "sale")
        yield opened


@pytest.fixture
def api(service: RegistryService) -> Iterator[ScriptedApi]:
    """Give a server in front of that registry."""
    with serving(service) as served:
        yield served


@pytest.fixture
def machine(api: ScriptedApi, tmp_path: Path) -> Iterator[Machine]:
    """Give a machine that knows the server's address."""
    folder = tmp_path / "cache"
    folder.mkdir()
    made = Machine(api.url, folder)
    yield made
    for client in made.clients:
        client.close()


@pytest.fixture
def make_machine(api: ScriptedApi, tmp_path: Path) -> Iterator[Callable[[MemoryObjectStore], Machine]]:
    """Give a maker of other machines that share an object store."""
    made: list[Machine] = []

    def make(objects: MemoryObjectStore) -> Machine:
        folder = tmp_path / f"machine-{len(made)}"
        folder.mkdir()
        made.append(Machine(api.url, folder, objects=objects))
        return made[-1]

    yield make
    for machine in made:
        for client in machine.clients:
            client.close()
