"""The registry's tables as they are, to look at: sqladmin, for admins only.

Belongs here: which columns are shown, and who may see them. Does not: the pages that change anything (their rules are
the registry's, which a table editor would go around), why it is sqladmin (docs/decisions/0009-registry-http.md).

A column that holds a hash of a secret is not mapped at all: it is never read, let alone shown.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI
from sqladmin import Admin, ModelView
from sqladmin.authentication import AuthenticationBackend
from sqlalchemy import orm
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.registry import tables
from clickstream_platform.registry.pages.gate import error_page, not_found, refuse
from clickstream_platform.registry.pages.headers import CONTENT_SECURITY_POLICY, SecurityHeaders
from clickstream_platform.registry.pages.visits import COOKIE
from clickstream_platform.registry.refusals import UnauthenticatedError
from clickstream_platform.registry.service import RegistryService

# Its style sheet draws arrows and ticks from `data:` pictures.
POLICY = f"{CONTENT_SECURITY_POLICY}; img-src 'self' data:"
SECRET_COLUMNS = frozenset({"hash", "request_digest", "body"})
_SHOWN: Sequence[tuple[str, str, sa.Table, Sequence[str]]] = (
    ("Customer", "Customers", tables.customers, ("slug",)),
    ("Event", "Events", tables.events, ("customer", "slug")),
    ("Sample record", "Sample records", tables.samples, ("customer", "event")),
    ("Contract", "Contracts", tables.contracts, ("customer", "event", "version")),
    ("Write key", "Write keys", tables.write_keys, ("id",)),
    ("Destination", "Destinations", tables.destinations, ("name",)),
    ("API token", "API tokens", tables.tokens, ("id",)),
    ("Session", "Sessions", tables.sessions, ("token", "expires_at")),
    ("Kept answer", "Kept answers", tables.answers, ("kept_until",)),
    ("Change", "Log of changes", tables.audit, ("number",)),
    ("Version", "Version", tables.version, ("id",)),
)
"""What a row and the table are called, the table, and what names a row on the page."""


class SessionOfThePages(AuthenticationBackend):
    """Lets in whoever is logged in to the pages with an admin's token."""

    def __init__(self, registry: RegistryService, base: str) -> None:
        """Ask the registry who a session is for; `base` is the path of the tables below the application's own."""
        # Without the session middleware of the base class: there is one cookie, that of the pages.
        self.middlewares = []
        self._registry, self._base = registry, base

    async def authenticate(self, request: Request) -> Response | bool:
        """See `AuthenticationBackend`."""
        try:
            token = await run_in_threadpool(self._registry.session_token, request.cookies.get(COOKIE, ""))
        except UnauthenticatedError:
            return RedirectResponse(f"{self._pages(request)}/login", status_code=303)
        except ClickstreamError as error:
            return error_page(request, error)
        if token.scope != "admin":
            return refuse(request, 403, "Your token does not allow this.", "Ask whoever gave you the token.")
        return True

    async def login(self, request: Request) -> Response | bool:
        """See `AuthenticationBackend`: there is one login, that of the pages."""
        return RedirectResponse(f"{self._pages(request)}/login", status_code=303)

    async def logout(self, request: Request) -> Response | bool:
        """See `AuthenticationBackend`; the cookie comes from this site's own pages only, so a link may log out."""
        await run_in_threadpool(self._registry.close_session, request.cookies.get(COOKIE, ""))
        return RedirectResponse(f"{self._pages(request)}/login?said=out", status_code=303)

    def _pages(self, request: Request) -> str:
        """Return the path of the pages, whatever prefix a proxy adds."""
        return str(request.scope.get("root_path", "")).removesuffix("/data")


class TablesAdmin(Admin):
    """The library's application without its own login page."""

    async def login(self, request: Request) -> Response:
        """Send to the login of the pages."""
        backend = self.authentication_backend
        answer = await backend.login(request) if backend is not None else False
        return answer if isinstance(answer, Response) else RedirectResponse("/", status_code=303)

    async def list(self, request: Request) -> Response:
        """Show a page of a table; a search that the database cannot make finds nothing."""
        return await _or_nothing(request, super().list)

    async def details(self, request: Request) -> Response:
        """Show a row; what can be no identity of one is not found."""
        return await _or_nothing(request, super().details)


async def _or_nothing(request: Request, show: Callable[[Request], Awaitable[Response]]) -> Response:
    try:
        return await show(request)
    except (ValueError, TypeError, OverflowError, sa.exc.StatementError):
        return not_found(request)


def mount_data_admin(app: FastAPI, registry: RegistryService, path: str) -> None:
    """Put the tables below `path`; nothing can be changed there."""
    admin = TablesAdmin(
        app,
        # The engine of the service itself: it sets what a connection to either database needs.
        engine=registry.engine,
        base_url=path,
        title="Registry tables",
        favicon_url=f"{path.removesuffix('/data')}/static/icon.svg",
        templates_dir=str(Path(__file__).parent / "templates"),
        middlewares=[Middleware(SecurityHeaders, policy=POLICY)],
        authentication_backend=SessionOfThePages(registry, path),
    )
    mappings = orm.registry()
    for name, plural, table, identity in _SHOWN:
        admin.add_view(_view(name, plural, _mapped(mappings, table, identity)))


def _mapped(mappings: orm.registry, table: sa.Table, identity: Sequence[str]) -> type:
    """Return a class of the table's rows without the secret columns, identified by columns that are none."""
    model = type(table.name.title().replace("_", ""), (), {})
    mappings.map_imperatively(
        model,
        table,
        exclude_properties=SECRET_COLUMNS & set(table.columns.keys()),
        primary_key=[table.c[name] for name in identity],
    )
    return model


def _view(name: str, plural: str, model: type) -> type[ModelView]:
    """Return a view in which a mapped class can be read and searched, and nothing else."""
    mapper: orm.Mapper[Any] = sa.inspect(model)
    columns = [column.key for column in mapper.column_attrs]
    searchable = [each for each in ("slug", "customer", "name", "display_name", "event") if each in columns]
    attributes: dict[str, Any] = {
        "name": name,
        "name_plural": plural,
        "column_list": columns,
        "column_details_list": columns,
        "column_searchable_list": searchable,
        "column_sortable_list": columns,
        "can_create": False,
        "can_edit": False,
        "can_delete": False,
        "can_export": False,
        "can_import": False,
        "page_size": 50,
        "page_size_options": [50, 100],
        "__doc__": f"{plural}, to look at.",
    }
    # The library's metaclass takes the model as a keyword, as in `class View(ModelView, model=…)`.
    return types.new_class(
        f"{model.__name__}View", (ModelView,), {"model": model}, lambda namespace: namespace.update(attributes)
    )
