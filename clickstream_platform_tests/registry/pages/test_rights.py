"""Who may open which page: every route that is mounted, with every scope, against a table written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.access import Scope
from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.pages import mount_pages
from clickstream_platform.registry.pages.headers import SecurityHeaders
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.conftest import START
from clickstream_platform_tests.registry.pages.site import (
    CUSTOMER_SCOPES,
    Site,
    SiteSettings,
    Visitor,
    buttons_of,
    running_site,
    targets_of,
    text_of,
)

ALL: frozenset[Scope] = frozenset({"admin", "operator", "customer_read", "customer_write"})
WRITERS = ALL - {"customer_read"}
OPERATORS: frozenset[Scope] = frozenset({"admin", "operator"})
ADMINS: frozenset[Scope] = frozenset({"admin"})
C, E = "/customers/{customer}", "/customers/{customer}/events/{event}"
TABLE: dict[tuple[str, str], frozenset[Scope]] = {
    ("GET", "/"): ALL,
    ("GET", "/customers"): ALL,
    ("GET", "/customers/add-customer"): OPERATORS,
    ("POST", "/customers/add-customer"): OPERATORS,
    ("GET", C): ALL,
    ("GET", f"{C}/settings"): ALL,
    ("POST", f"{C}/settings"): OPERATORS,
    ("GET", f"{C}/remove"): OPERATORS,
    ("POST", f"{C}/remove"): OPERATORS,
    ("POST", f"{C}/restore"): OPERATORS,
    ("GET", f"{C}/audit"): ALL,
    ("GET", f"{C}/events/add-event"): WRITERS,
    ("POST", f"{C}/events/add-event"): WRITERS,
    ("GET", E): ALL,
    ("POST", E): WRITERS,
    ("POST", f"{E}/pause"): WRITERS,
    ("POST", f"{E}/resume"): WRITERS,
    ("POST", f"{E}/activate"): WRITERS,
    ("POST", f"{E}/bring-back"): WRITERS,
    ("GET", f"{E}/remove"): WRITERS,
    ("POST", f"{E}/remove"): WRITERS,
    ("GET", f"{E}/contract"): ALL,
    ("POST", f"{E}/contract"): WRITERS,
    ("POST", f"{E}/contract/version"): WRITERS,
    ("GET", f"{E}/contract/versions/{{version}}"): ALL,
    ("GET", f"{C}/keys"): ALL,
    ("POST", f"{C}/keys"): WRITERS,
    ("GET", f"{C}/keys/{{key}}"): WRITERS,
    ("POST", f"{C}/keys/{{key}}/rotate"): WRITERS,
    ("POST", f"{C}/keys/{{key}}/revoke"): WRITERS,
    ("GET", "/audit"): OPERATORS,
    ("GET", "/destinations"): OPERATORS,
    ("GET", "/destinations/add-destination"): ADMINS,
    ("POST", "/destinations/add-destination"): ADMINS,
    ("GET", "/destinations/{destination}"): ADMINS,
    ("POST", "/destinations/{destination}"): ADMINS,
    ("GET", "/tokens"): ADMINS,
    ("POST", "/tokens"): ADMINS,
    ("GET", "/tokens/{token}/revoke"): ADMINS,
    ("POST", "/tokens/{token}/revoke"): ADMINS,
    ("POST", "/logout"): ALL,
}
WITHOUT_LOGIN = {("GET", "/login"), ("POST", "/login")}
ANSWERS_NOT_FOUND = {("GET", "/{rest:path}"), ("POST", "/{rest:path}")}
ROUTES = sorted(TABLE)


def mounted_routes(registry: RegistryService) -> Iterator[tuple[str, str]]:
    """Yield method and path of everything the application answers below `/admin`, static files and tables apart."""
    app = FastAPI()
    mount_pages(app, registry, SiteSettings(), None, None, FixedClock(START))
    (pages,) = [route for route in app.routes if isinstance(route, Mount) and route.name == "pages"]
    assert isinstance(pages.app, SecurityHeaders)
    assert isinstance(pages.app.app, Starlette)
    routes: list[BaseRoute] = pages.app.app.routes
    for route in routes:
        if isinstance(route, Route):
            yield from ((method, route.path) for method in (route.methods or set()) - {"HEAD"})
        else:
            assert isinstance(route, Mount)
            assert route.path == "/static"


def test_the_table_names_every_route(registry: RegistryService) -> None:
    assert set(mounted_routes(registry)) == set(TABLE) | WITHOUT_LOGIN | ANSWERS_NOT_FOUND


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path_factory.mktemp('registry') / 'registry.db'}"
    clock = FixedClock(START)
    with open_registry(url, clock) as registry:
        for slug in ("shop", "rival"):
            registry.add_customer(slug)
            registry.add_event(slug, "sale")
            registry.add_contract(slug, "sale", "evolve", {"type": "object"})
            registry.add_write_key(slug, "web")
        registry.add_token("somebody", "operator")
        with running_site(registry, clock) as running:
            yield running


def filled(site: Site, path: str, customer: str = "shop") -> str:
    """Return a path with the names of things that exist."""
    registry = site.registry
    token = next(each for each in registry.list_tokens() if each.name == "somebody")
    values = {"key": registry.list_write_keys(customer)[0].id, "token": token.id}
    return path.format(customer=customer, event="sale", version=1, destination="default", **values)


def ask(visitor: Visitor, method: str, path: str) -> tuple[int, str, str]:
    """Ask for a page or send an empty form; return status, where to, and the text."""
    visitor.follow_redirects = False
    answer = visitor.get(path) if method == "GET" else visitor.send_form(path)
    return answer.status_code, answer.headers.get("location", ""), text_of(answer)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_scope_opens_its_pages_and_no_other(site: Site, method: str, path: str) -> None:
    for scope in get_args(Scope):
        customer = "shop" if scope in CUSTOMER_SCOPES else None
        with site.visitor(scope, customer) as visitor:
            before = site.registry.etag()
            status, location, text = ask(visitor, method, filled(site, path))
        if scope in TABLE[method, path]:
            assert status in {200, 303, 409, 422}, (scope, status, text)
            assert not location.endswith("/admin/login")
        else:
            assert status == 403, (scope, status, text)
            assert "does not allow this" in text
            assert site.registry.etag() == before


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nobody_is_sent_to_the_login(site: Site, method: str, path: str) -> None:
    before = site.registry.etag()
    with site.visitor(None) as nobody:
        status, location, _ = ask(nobody, method, filled(site, path))
    assert (status, location.partition("?")[0]) == (303, "/admin/login")
    assert site.registry.etag() == before


@pytest.mark.parametrize(("method", "path"), [each for each in ROUTES if "{customer}" in each[1]])
def test_another_customer_is_as_if_it_did_not_exist(site: Site, method: str, path: str) -> None:
    before = site.registry.etag()
    for scope in CUSTOMER_SCOPES:
        with site.visitor(scope, "shop") as visitor:
            other = ask(visitor, method, filled(site, path, "rival"))
            unknown = ask(visitor, method, filled(site, path, "rival").replace("rival", "nobody"))
            assert other == unknown
            assert other[0] == 404
    assert site.registry.etag() == before


@pytest.mark.parametrize("scope", CUSTOMER_SCOPES)
def test_a_token_for_one_customer_never_reads_the_name_of_another(site: Site, scope: Scope) -> None:
    with site.visitor(scope, "shop") as visitor:
        for method, path in ROUTES:
            if method == "GET":
                answer = visitor.get(filled(site, path))
                assert "rival" not in answer.text, path
        assert visitor.get("/").url.path == "/admin/customers/shop"
        assert visitor.get("/customers?q=rival").url.path == "/admin/customers/shop"


def test_only_buttons_that_work_are_shown(site: Site) -> None:
    with site.visitor("customer_read", "shop") as reader:
        for path in ("", "/events/sale", "/events/sale/contract", "/keys", "/settings"):
            page = reader.get(f"/customers/shop{path}")
            assert targets_of(page) - {"/admin/logout"} <= {
                "/admin/customers/shop",
                "/admin/customers/shop/settings",
                "/admin/customers/shop/events/sale",
                "/admin/customers/shop/events/sale/contract",
            }
            assert buttons_of(page) <= {"Log out", "Search", "Copy"}, path
    with site.visitor("customer_write", "shop") as writer:
        assert {"Pause", "Remove", "Add an event"} <= buttons_of(writer.get("/customers/shop"))
        assert "Make key" in buttons_of(writer.get("/customers/shop/keys"))
        assert buttons_of(writer.get("/customers/shop/settings")) <= {"Log out"}
    with site.visitor("operator") as operator:
        assert "Remove…" in buttons_of(operator.get("/customers/shop/settings"))
        assert "Add a destination" not in buttons_of(operator.get("/destinations"))
        assert "Tokens" not in text_of(operator.get("/customers"))
