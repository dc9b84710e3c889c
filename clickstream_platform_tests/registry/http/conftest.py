"""Fixtures of the HTTP API's tests."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.http.app import ApiSettings, OidcSettings, create_app
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.http.issuing import AUDIENCE, Issuer
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


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """Give an issuer that runs."""
    running = Issuer()
    yield running
    running.close()


@pytest.fixture
def trusting(registry: RegistryService, clock: FixedClock, issuer: Issuer) -> Iterator[Api]:
    """Give an API that takes the issuer's tokens."""
    oidc = OidcSettings(issuer=issuer.address, audience=AUDIENCE)
    app = create_app(registry, ApiSettings(oidc=oidc), clock=clock)
    with serving(app) as address, httpx.Client(base_url=address) as client:
        yield Api(app, registry, client, add_tokens(registry))


def _served(registry: RegistryService, clock: FixedClock) -> Iterator[Api]:
    app = create_app(registry, SETTINGS, clock=clock)
    with serving(app) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield Api(app, registry, client, add_tokens(registry))
