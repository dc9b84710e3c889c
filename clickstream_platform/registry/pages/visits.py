"""A visit: one request of somebody who is logged in, with everything a page needs to answer it.

Belongs here: what pages share. Does not: who is let in (`gate`), what a page shows.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.registry.access import Permission, Principal
from clickstream_platform.registry.entities import ApiToken
from clickstream_platform.registry.pages.figures import KnownFigures
from clickstream_platform.registry.pages.limiting import LoginGuard
from clickstream_platform.registry.pages.rendering import render
from clickstream_platform.registry.ports import ContractProbe
from clickstream_platform.registry.service import RegistryService

COOKIE = "clickstream_registry"


class PageSettings(Protocol):
    """The settings that the pages read; `clickstream_platform.settings.Settings` has them."""

    @property
    def registry_collector_url(self) -> str:
        """Address of the collector in the tracking snippet."""
        ...

    @property
    def registry_secure_cookies(self) -> bool:
        """Whether the cookie travels over HTTPS only."""
        ...


@dataclass(frozen=True)
class Desk:
    """What all visits share."""

    registry: RegistryService
    settings: PageSettings
    figures: KnownFigures
    probe: ContractProbe | None
    clock: Clock
    guard: LoginGuard = field(default_factory=LoginGuard)


@dataclass(frozen=True)
class Visit:
    """One request to a page."""

    request: Request
    desk: Desk
    form: Mapping[str, str]
    """Fields of the form that was sent; empty for a GET."""
    session: str
    """The secret of the session; it never reaches a page."""
    token: ApiToken
    """The token that the session was opened with."""
    principal: Principal

    @property
    def registry(self) -> RegistryService:
        """The registry, acting as whoever is logged in."""
        return self.desk.registry.acting_as(self.principal.name)

    @property
    def csrf(self) -> str:
        """What every form carries to show that it came from a page of this session."""
        return csrf_token(self.session)

    def may(self, permission: str) -> bool:
        """Whether the token has a permission, such as `write_events`."""
        return self.principal.may(Permission(permission))

    def part(self, name: str) -> str:
        """Return a part of the path, such as the customer's slug."""
        return str(self.request.path_params[name])

    def asked(self, name: str, default: str = "") -> str:
        """Return a parameter of the query."""
        return self.request.query_params.get(name, default)

    def link(self, *parts: str, **query: str | int | None) -> str:
        """Return the address of a page: `link("customers", slug, page=2)`; a query of None is left out."""
        return page_address(self.request, *parts, **query)

    def show(self, template: str, *, status: int = 200, **values: Any) -> Response:  # noqa: ANN401 (a template's values)
        """Answer with a page."""
        shared = {"visit": self, "link": self.link, "may": self.may, "now": self.desk.clock.now(), "problem": ""}
        return render(template, self.request, status=status, **(shared | values))

    def go(self, *parts: str, **query: str | int | None) -> Response:
        """Answer by sending the browser to a page, after a change."""
        return RedirectResponse(self.link(*parts, **query), status_code=303)


def csrf_token(session: str) -> str:
    """Return the token of a session's forms; whoever knows it does not know the session."""
    return hmac.new(session.encode(), b"forms of the registry's page", hashlib.sha256).hexdigest()


def page_address(request: Request, *parts: str, **query: str | int | None) -> str:
    """Return the address of a page of this mount, whatever prefix a proxy adds."""
    path = "/".join([request.scope.get("root_path", ""), *(quote(part, safe="") for part in parts)])
    given = {name: value for name, value in query.items() if value is not None and value != ""}
    return f"{path}?{urlencode(given)}" if given else path
