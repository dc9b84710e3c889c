"""A site with one customer, for every test its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.conftest import START
from clickstream_platform_tests.registry.pages.site import Site, Visitor, running_site


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a migrated database without content, to copy: migrating takes longer than most of these tests."""
    path = tmp_path_factory.mktemp("empty") / "registry.db"
    open_registry(f"sqlite:///{path}", FixedClock(START)).close()
    return path


@pytest.fixture
def registry(empty_database: Path, tmp_path: Path, clock: FixedClock) -> Iterator[RegistryService]:
    """Give an empty registry in a SQLite file."""
    copy = shutil.copy(empty_database, tmp_path / "registry.db")
    with open_registry(f"sqlite:///{copy}", clock) as service:
        yield service


@pytest.fixture
def site(registry: RegistryService, clock: FixedClock) -> Iterator[Site]:
    """Give pages with a customer `shop` and its active event `sale`."""
    registry.add_customer("shop", display_name="The Shop")
    registry.add_event("shop", "sale", display_name="Sale", freshness_deadline_minutes=60)
    with running_site(registry, clock) as running:
        yield running


@pytest.fixture
def admin(site: Site) -> Iterator[Visitor]:
    """Give somebody with an admin's token."""
    with site.visitor() as visitor:
        yield visitor
