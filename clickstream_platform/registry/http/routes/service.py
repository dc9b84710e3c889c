"""What watches the service: health, readiness, metrics, and the description of the API itself.

Belongs here: these routes. Does not: counting (`measures`).

Metrics ask for a token that sees all customers: how much is asked of the registry tells a customer about the others.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse

from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.http.dependencies import Needs
from clickstream_platform.registry.http.documenting import documented
from clickstream_platform.registry.http.documents import Health
from clickstream_platform.registry.http.problems import Problem
from clickstream_platform.registry.http.routing import ApiRoute

router = APIRouter(route_class=ApiRoute, tags=["service"])
OPEN = documented(Problem.NOT_ACCEPTABLE, Problem.TOO_MANY)


@router.get("/healthz", response_model=Health, responses=OPEN)
async def is_alive() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "alive"}


@router.get("/readyz", response_model=Health, responses={**OPEN, **documented(Problem.UNAVAILABLE)})
def is_ready(request: Request) -> dict[str, str]:
    """Say that the database answers."""
    request.app.state.registry.version()
    return {"status": "ready"}


@router.get(
    "/metrics", dependencies=[Depends(Needs(Permission.SNAPSHOT))], response_class=PlainTextResponse, tags=["service"]
)
def read_metrics(request: Request) -> Response:
    """Read the metrics in Prometheus's text format."""
    return Response(request.app.state.measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/openapi.json", dependencies=[Depends(Needs(None))], include_in_schema=False)
async def describe(request: Request) -> dict[str, Any]:
    """Read the OpenAPI document."""
    description: dict[str, Any] = request.app.openapi()
    return description
