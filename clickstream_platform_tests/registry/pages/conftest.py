"""A site with one customer, for every test its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.pages.site import Site, Visitor, running_site


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
