"""Fixtures of the HTTP API's tests."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.http.app import ApiSettings, create_app
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.http.serving import Api, add_tokens, serving

SETTINGS = ApiSettings(rate_limit="100000/minute")


@pytest.fixture
def api(registry: RegistryService, clock: FixedClock) -> Iterator[Api]:
    """Give a served API over a SQLite file."""
    yield from _served(registry, clock)


@pytest.fixture
def any_api(any_registry: RegistryService, clock: FixedClock) -> Iterator[Api]:
    """Give a served API over each kind of database."""
    yield from _served(any_registry, clock)


def _served(registry: RegistryService, clock: FixedClock) -> Iterator[Api]:
    app = create_app(registry, SETTINGS, clock=clock)
    with serving(app) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield Api(app, registry, client, add_tokens(registry))
