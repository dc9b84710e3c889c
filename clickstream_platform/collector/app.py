"""The collector's routes: the Segment tracking API with RudderStack's variants, health, metrics.

Belongs here: paths, CORS, turning errors into answers. Does not: what a tracking request goes through (`collecting`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from clickstream_platform.collector import sdk_config
from clickstream_platform.collector.answers import OK, document, refused
from clickstream_platform.collector.collecting import Collecting
from clickstream_platform.collector.delivery import Delivery, OverloadedError
from clickstream_platform.collector.options import HttpOptions
from clickstream_platform.collector.ports import KeyDirectory
from clickstream_platform.collector.requests import RefusedRequestError, key_of_request
from clickstream_platform.collector.skew import written
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.observe.collector_metrics import CollectorMetrics

_Handler = Callable[[Request], Awaitable[Response]]
# Path -> record type that it stands for; None for a batch.
TRACKING_PATHS: dict[str, str | None] = {
    **{f"/v1/{kind}": kind for kind in ("track", "identify", "page", "screen", "group", "alias")},
    **{f"/v1/{kind[0]}": kind for kind in ("track", "identify", "page", "screen", "group", "alias")},
    **dict.fromkeys(("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch")),
}
_ALLOWED_ORIGINS = ".*"  # a write key is public by nature, and nothing here depends on cookies
_PREFLIGHT_SECONDS = 7200
_INTERNAL = "The request failed; repeat it."  # what happened is in the log only
# Code of an answer -> which limit it met, in the metrics.
_REFUSED_LIMITS = {"starting": "keys", "overloaded": "requests", "rate_limited": "rate"}
_logger = logging.getLogger(__name__)


def make_app(
    *,
    keys: KeyDirectory,
    delivery: Delivery,
    clock: Clock,
    options: HttpOptions,
    metrics: CollectorMetrics,
) -> Starlette:
    """Return the application; it starts the delivery when it starts, and drains it when it stops."""
    routes = _Routes(keys, delivery, clock, options, metrics)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        delivery.start()
        try:
            yield
        finally:
            await delivery.close()

    paths = [
        Route(path + end, routes.tracking(path, kind), methods=["POST"])
        for path, kind in TRACKING_PATHS.items()
        for end in ("", "/")  # some clients add one; a redirect would lose their keys and bodies
    ]
    return Starlette(
        routes=[
            *paths,
            Route("/v1/m", routes.sdk_metrics, methods=["POST"]),
            Route("/sourceConfig", routes.source_config, methods=["GET"]),
            Route("/sourceConfig/", routes.source_config, methods=["GET"]),
            Route("/v1/projects/{write_key}/settings", routes.project_settings, methods=["GET"]),
            Route("/healthz", routes.health, methods=["GET"]),
            Route("/readyz", routes.readiness, methods=["GET"]),
            Route("/metrics", routes.metrics_page, methods=["GET"]),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origin_regex=_ALLOWED_ORIGINS,
                allow_credentials=True,  # sendBeacon sends cookies, wanted or not, and takes no other answer
                allow_methods=["GET", "POST", "OPTIONS"],
                allow_headers=["*"],
                expose_headers=["Retry-After"],
                max_age=_PREFLIGHT_SECONDS,
            )
        ],
        exception_handlers={HTTPException: _http_error, Exception: _failure},
        lifespan=lifespan,
    )


class _Routes:
    """The endpoints."""

    def __init__(
        self, keys: KeyDirectory, delivery: Delivery, clock: Clock, options: HttpOptions, metrics: CollectorMetrics
    ) -> None:
        self._keys, self._delivery, self._clock = keys, delivery, clock
        self._options, self._metrics = options, metrics
        self._collecting = Collecting(keys, delivery, clock, options, metrics)

    def tracking(self, path: str, kind: str | None) -> _Handler:
        """Return the endpoint of one tracking path."""
        duration = self._metrics.request_duration.labels(path)

        async def endpoint(request: Request) -> Response:
            started = time.perf_counter()
            try:
                answer = await self._answer(request, kind)
            except Exception:  # here and not further out, so that it is counted and a browser may read it
                _logger.exception("Request to %s failed", path)
                answer = refused(500, "internal", _INTERNAL)
            self._metrics.requests.labels(path, answer.status_code).inc()
            duration.observe(time.perf_counter() - started)
            return answer

        return endpoint

    async def _answer(self, request: Request, kind: str | None) -> Response:
        try:
            return await self._collecting.collect(request, kind)
        except RefusedRequestError as error:
            if error.reason in _REFUSED_LIMITS:
                self._metrics.refused.labels(_REFUSED_LIMITS[error.reason]).inc()
            return refused(error.status, error.reason, error.detail, error.retry_after)
        except OverloadedError as error:
            self._metrics.refused.labels("draining" if self._delivery.is_closing else "storage").inc()
            return refused(503, "overloaded", error.cause, error.retry_after)

    async def sdk_metrics(self, request: Request) -> Response:
        """Take the metrics that SDKs send about themselves; nobody's events, so nothing is kept."""
        with suppress(TimeoutError, ClientDisconnect):
            async with asyncio.timeout(self._options.body_seconds):
                async for _ in request.stream():
                    await asyncio.sleep(0)
        return Response(OK, media_type="application/json")

    async def source_config(self, request: Request) -> Response:
        """Tell a RudderStack SDK that its source is enabled."""
        key = key_of_request(request)
        try:
            holder = self._collecting.holder_of(key)
        except RefusedRequestError as error:
            return refused(error.status, error.reason, error.detail, error.retry_after)
        now = written(self._clock.now())
        return document(sdk_config.rudderstack_source(key or "", holder.customer, self._base_url(request), now))

    async def project_settings(self, request: Request) -> Response:
        """Tell a Segment SDK where to send."""
        key = str(request.path_params["write_key"])
        try:
            self._collecting.holder_of(key)
        except RefusedRequestError as error:
            return refused(error.status, error.reason, error.detail, error.retry_after)
        return document(sdk_config.segment_settings(key, self._base_url(request)))

    async def health(self, _: Request) -> Response:
        """Say that the process runs; nothing else can make this fail, for a restart mends nothing else."""
        return document({"status": "ok"})

    async def readiness(self, _: Request) -> Response:
        """Say whether requests would be taken."""
        if not self._keys.is_ready():
            return refused(503, "starting", "the write keys are not read yet")
        if not self._delivery.can_store:
            return refused(503, "overloaded", "nothing more can be stored, or the collector is stopping")
        return document({"status": "ready"})

    async def metrics_page(self, _: Request) -> Response:
        """Return the metrics in Prometheus's text form."""
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)

    def _base_url(self, request: Request) -> str:
        return self._options.public_url or str(request.base_url).rstrip("/")


async def _http_error(_: Request, error: Exception) -> Response:
    """Answer an unknown path or method in the form of every other error."""
    assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker
    answer = refused(error.status_code, error.detail.lower().replace(" ", "_"), error.detail)
    answer.headers.update(error.headers or {})
    return answer


async def _failure(request: Request, error: Exception) -> Response:
    """Answer what nobody expected so that the SDK repeats it."""
    path = str(request.scope["path"])
    for value in request.path_params.values():  # a write key
        path = path.replace(str(value), "…")
    _logger.error("Request to %s failed: %r", path, error, exc_info=error)
    return refused(500, "internal", _INTERNAL)
