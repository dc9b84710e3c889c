"""The registry's HTTP service, put together.

Belongs here: which parts there are and in which order a request meets them. Does not: any of the parts.
"""

from __future__ import annotations

from threading import BoundedSemaphore
from typing import Any

from fastapi import FastAPI

from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.registry.http.api_settings import ApiSettings, OidcSettings
from clickstream_platform.registry.http.authentication import Authenticator
from clickstream_platform.registry.http.documenting import ProblemDocument
from clickstream_platform.registry.http.measures import Measures
from clickstream_platform.registry.http.middleware import OPEN_PATHS, AccessMiddleware, EnvelopeMiddleware
from clickstream_platform.registry.http.oidc import OidcVerifier
from clickstream_platform.registry.http.rate_limits import RateLimits
from clickstream_platform.registry.http.refusing import add_refusals
from clickstream_platform.registry.http.routes import ROUTERS
from clickstream_platform.registry.http.snapshot_cache import SnapshotCache
from clickstream_platform.registry.pages import mount_pages
from clickstream_platform.registry.ports import ContractProbe, LoadStatistics, StreamStates
from clickstream_platform.registry.service import RegistryService

__all__ = ["ApiSettings", "OidcSettings", "create_app"]

MAX_PROBES = 2
"""Contracts that are tried out at the same time."""
_DESCRIPTION = "Customers, their events, contracts and write keys, and destinations. See docs/registry-api.md."


def create_app(
    registry: RegistryService,
    settings: ApiSettings,
    *,
    clock: Clock,
    statistics: LoadStatistics | None = None,
    probe: ContractProbe | None = None,
    states: StreamStates | None = None,
) -> FastAPI:
    """Return the service over a registry, which the caller closes after it.

    Without `statistics` the pages show no figures, without `states` the freshness that the ledger alone tells; without
    `probe` contracts cannot be tried out or inferred. Raises ConfigurationError for a rate limit or an issuer that
    cannot be used.
    """
    measures = Measures()
    oidc = None if settings.oidc is None else OidcVerifier(settings.oidc)
    limits = RateLimits(settings.rate_limit, clock)
    app = FastAPI(
        title="Clickstream registry",
        description=_DESCRIPTION,
        version="1",
        openapi_url=None,  # behind a token, see routes.service
        docs_url=None,  # its page would be loaded from elsewhere
        redoc_url=None,
    )
    app.state.registry, app.state.clock, app.state.probe = registry, clock, probe
    app.state.measures, app.state.snapshots = measures, SnapshotCache(registry, measures)
    app.state.under_way, app.state.probing = set(), BoundedSemaphore(MAX_PROBES)
    for router in ROUTERS:
        app.include_router(router)
    mount_pages(app, registry, settings, statistics, probe, clock, states)
    add_refusals(app)
    # The last one added is the outermost.
    app.add_middleware(AccessMiddleware, authenticator=Authenticator(registry, oidc), limits=limits, measures=measures)
    app.add_middleware(EnvelopeMiddleware, measures=measures, settings=settings)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Complete the OpenAPI document with the problem document and the way to authenticate."""
    described = app.openapi()
    components = described.setdefault("components", {})
    schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    components.setdefault("schemas", {}).update({**schema.pop("$defs"), "ProblemDocument": schema})
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    described["security"] = [{"bearer": []}]
    paths: dict[str, dict[str, Any]] = described["paths"]
    for path in OPEN_PATHS & set(paths):
        for operation in paths[path].values():
            operation["security"] = []
    # FastAPI documents its own form of this answer, which is not ours.
    components["schemas"].pop("HTTPValidationError", None)
    components["schemas"].pop("ValidationError", None)
