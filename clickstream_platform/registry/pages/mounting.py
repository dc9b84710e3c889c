"""Puts the pages below `/admin` of an application.

Belongs here: the routes as a whole, static files, the headers of every answer. Does not: the pages, who is let in
(`gate`), the raw tables (`data_admin`).
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.pages.audit_pages import AUDIT_ROUTES
from clickstream_platform.registry.pages.contract_pages import CONTRACT_ROUTES
from clickstream_platform.registry.pages.customer_pages import CUSTOMER_ROUTES
from clickstream_platform.registry.pages.data_admin import mount_data_admin
from clickstream_platform.registry.pages.destination_pages import DESTINATION_ROUTES
from clickstream_platform.registry.pages.event_pages import EVENT_ROUTES
from clickstream_platform.registry.pages.figures import KnownFigures
from clickstream_platform.registry.pages.gate import PageRoute, broken, gated, not_found, read_form
from clickstream_platform.registry.pages.headers import SecurityHeaders
from clickstream_platform.registry.pages.key_pages import KEY_ROUTES
from clickstream_platform.registry.pages.login_pages import log_in, log_out, show_login
from clickstream_platform.registry.pages.rendering import PACKAGE
from clickstream_platform.registry.pages.token_pages import TOKEN_ROUTES
from clickstream_platform.registry.pages.visits import Desk, PageSettings
from clickstream_platform.registry.ports import ContractProbe, LoadStatistics, StreamStates
from clickstream_platform.registry.service import RegistryService

__all__ = ["ROUTES", "PageSettings", "mount_pages"]

MOUNT_PATH = "/admin"
ROUTES: tuple[PageRoute, ...] = (
    *CUSTOMER_ROUTES,
    *EVENT_ROUTES,
    *CONTRACT_ROUTES,
    *KEY_ROUTES,
    *AUDIT_ROUTES,
    *DESTINATION_ROUTES,
    *TOKEN_ROUTES,
    PageRoute("POST", "/logout", Permission.READ, log_out),
)
"""Every page behind the login; the first route whose path fits answers."""


def mount_pages(
    app: FastAPI,
    registry: RegistryService,
    settings: PageSettings,
    statistics: LoadStatistics | None,
    probe: ContractProbe | None,
    clock: Clock,
    states: StreamStates | None = None,
) -> None:
    """Put the pages below `/admin`; without `statistics` or `probe` they say that these figures are not available."""
    desk = Desk(registry, settings, KnownFigures(statistics, states), probe, clock)
    mount_data_admin(app, registry, f"{MOUNT_PATH}/data")
    pages = Starlette(routes=_routes(desk), exception_handlers={Exception: _show_broken})
    # Around the whole application, so that the page of an unexpected error has the headers too.
    app.mount(MOUNT_PATH, SecurityHeaders(pages), name="pages")


async def _show_broken(request: Request, _error: Exception) -> Response:
    """Show that something unexpected happened; whoever serves the application gets the error itself, to log it."""
    return broken(request)


def _routes(desk: Desk) -> list[BaseRoute]:
    async def login(request: Request) -> Response:
        if request.method != "POST":
            return show_login(request)
        form = await read_form(request)
        return await run_in_threadpool(log_in, request, desk, form or {})

    async def nothing(request: Request) -> Response:
        return not_found(request)

    return [
        Mount("/static", StaticFiles(packages=[(PACKAGE, "static")]), name="static"),
        Route("/login", login, methods=["GET", "POST"]),
        *(Route(route.path, gated(route, desk), methods=[route.method]) for route in ROUTES),
        Route("/{rest:path}", nothing, methods=["GET", "POST"]),
    ]
