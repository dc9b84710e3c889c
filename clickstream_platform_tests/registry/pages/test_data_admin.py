"""The raw tables: for admins, to look at, and without the hash of any secret."""

from __future__ import annotations

import re
from typing import get_args

import pytest
import sqlalchemy as sa

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry import tables
from clickstream_platform.registry.access import Scope
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.pages.site import CUSTOMER_SCOPES, Site, Visitor, running_site, text_of

NAMES = [table.name.replace("_", "-") for table in tables.metadata.sorted_tables]


def fill(site: Site) -> list[str]:
    """Put a row into every table; return what no page may show."""
    registry = site.registry
    registry.add_contract("shop", "sale", "evolve", {"type": "object", "title": "<b>title</b>"})
    registry.record_seen("shop", "2026-11-22T07", {"wish": ("Wish", 1)}, samples={"wish": {"a": "text"}})
    key, secret = registry.add_write_key("shop", "web")
    token, text = registry.add_token("jane", "operator")
    session = registry.open_session(text)
    registry.keep_answer("token:jane", "key-1", "d" * 64, 201, '{"secret": "kept-body"}')
    with registry._store.engine.connect() as connection:
        hashes = [
            *connection.scalars(sa.select(tables.sessions.c.hash)),
            *connection.scalars(sa.select(tables.answers.c.hash)),
        ]
    return [key.hash, secret, token.hash, text, session, "d" * 64, "kept-body", *hashes]


def test_every_table_is_shown_without_a_secret(site: Site, admin: Visitor) -> None:
    hidden = fill(site)
    for name in NAMES:
        page = admin.get(f"/data/{name}/list")
        assert page.status_code == 200, name
        details = re.findall(rf'href="[^"]*/admin/(data/{name}/details/[^"]+)"', page.text)
        assert "Showing 1 to" in text_of(page), name
        pages = [page, *(admin.get(f"/{each}") for each in details[:3])]
        assert {each.status_code for each in pages} == {200}
        assert len(pages) > 1 or name in {"registry-sessions", "registry-answers"}
        for each in pages:
            assert [secret for secret in hidden if secret in each.text] == [], name
            assert "<b>title" not in each.text


@pytest.mark.parametrize("scope", [each for each in get_args(Scope) if each != "admin"])
def test_the_tables_are_for_admins(site: Site, scope: Scope) -> None:
    fill(site)
    with site.visitor(scope, "shop" if scope in CUSTOMER_SCOPES else None) as visitor:
        for path in ("/data/", "/data/registry-customers/list", "/data/registry-customers/details/shop"):
            page = visitor.get(path)
            assert page.status_code == 403, path
            assert "Shop" not in page.text


def test_nobody_is_sent_to_the_one_login(site: Site) -> None:
    with site.visitor(None) as nobody:
        for path in ("/data/", "/data/registry-tokens/list", "/data/login", "/data/registry-tokens/details/x"):
            assert nobody.get(path).url.path == "/admin/login", path
        assert nobody.post("/data/login", data={"username": "a", "password": "b"}).url.path == "/admin/login"
        assert nobody.get("/data/registry-tokens/export/csv").url.path == "/admin/login"


def test_nothing_can_be_changed_or_taken_away_there(site: Site, admin: Visitor) -> None:
    fill(site)
    before = site.registry.etag()
    for name in NAMES:
        answers = [
            admin.get(f"/data/{name}/create"),
            admin.post(f"/data/{name}/create", data={"slug": "new"}),
            admin.get(f"/data/{name}/edit/shop"),
            admin.post(f"/data/{name}/edit/shop", data={"display_name": "new"}),
            admin.delete(f"/data/{name}/delete?pks=shop"),
            admin.get(f"/data/{name}/export/csv"),
            admin.post(f"/data/{name}/import"),
        ]
        assert {answer.status_code for answer in answers} <= {403, 404, 405}, name
    assert site.registry.etag() == before


def test_logging_out_there_ends_the_session(site: Site, admin: Visitor) -> None:
    assert admin.get("/data/").status_code == 200
    assert admin.get("/data/logout").url.path == "/admin/login"
    assert admin.get("/customers").url.path == "/admin/login"


def test_a_table_is_searched(site: Site, admin: Visitor) -> None:
    site.registry.add_customer("other")
    page = text_of(admin.get("/data/registry-customers/list?search=oth"))
    assert "other" in page
    assert "The Shop" not in page


def test_both_databases_show_their_tables(any_registry: RegistryService, clock: FixedClock) -> None:
    any_registry.add_customer("shop", display_name="The Shop")
    any_registry.add_event("shop", "sale")
    with running_site(any_registry, clock) as site, site.visitor() as admin:
        fill(site)
        assert "The Shop" in text_of(admin.get("/customers"))
        for name in NAMES:
            page = admin.get(f"/data/{name}/list?search=sho")
            assert page.status_code == 200, name
        assert "The Shop" in text_of(admin.get("/data/registry-customers/list?search=SHO"))
        assert admin.get("/data/registry-events/details/shop;sale").status_code == 200
