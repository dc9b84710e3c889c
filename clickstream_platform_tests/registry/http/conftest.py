"""Fixtures of the HTTP API's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.http import app as app_module
from clickstream_platform.registry.http.app import ApiSettings, OidcSettings, create_app
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.http.issuing import AUDIENCE, Issuer
from clickstream_platform_tests.registry.http.serving import Api, add_tokens
from clickstream_platform_tests.registry.served_apps import serving

SETTINGS = ApiSettings(rate_limit="100000/minute")


@pytest.fixture(scope="session", autouse=True)
def _described_once() -> Iterator[None]:
    """Make the OpenAPI document once: it takes longer than most of these tests, and each application's is the same."""
    describe, made = app_module._describe, list[dict[str, Any]]()

    def describe_once(app: FastAPI) -> None:
        if not made:
            describe(app)
            made.append(app.openapi())
        app.openapi_schema = made[0]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(app_module, "_describe", describe_once)
        yield


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
    with serving(app) as address, httpx.Client(base_url=address, verify=False) as client:
        yield Api(app, registry, client, add_tokens(registry))


def _served(registry: RegistryService, clock: FixedClock) -> Iterator[Api]:
    app = create_app(registry, SETTINGS, clock=clock)
    with serving(app) as address, httpx.Client(base_url=address, timeout=30, verify=False) as client:
        yield Api(app, registry, client, add_tokens(registry))
