"""Logging in and out, the cookie, forms of other sites, headers, and the limit on wrong tokens."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.pages import mount_pages
from clickstream_platform.registry.pages.limiting import FAILURES
from clickstream_platform.registry.pages.visits import COOKIE, csrf_token
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.pages.site import Site, SiteSettings, Visitor, running_site, text_of
from clickstream_platform_tests.registry.served_apps import serving


def test_a_token_opens_the_pages_and_logging_out_closes_them(site: Site) -> None:
    _, text = site.registry.add_token("jane", "admin")
    with site.visitor(None) as visitor:
        login = visitor.get("/customers/shop?state=active")
        assert login.url.path == "/admin/login"
        page = visitor.post("/login", data={"token": f" {text}\n", "to": "/customers/shop"})
        assert page.url.path == "/admin/customers/shop"
        assert "jane" in text_of(page)
        session = visitor.cookies[COOKIE]
        assert text not in page.text
        assert session not in page.text
        out = visitor.send_form("/logout")
        assert "You are logged out." in text_of(out)
        assert COOKIE not in visitor.cookies
        visitor.cookies.set(COOKIE, session)
        assert visitor.get("/customers").url.path == "/admin/login", "the session itself is over"


@pytest.mark.parametrize("is_secure", [False, True])
def test_the_cookie_is_out_of_reach(registry: RegistryService, clock: FixedClock, is_secure: bool) -> None:
    _, text = registry.add_token("jane", "admin")
    with (
        running_site(registry, clock, SiteSettings(registry_secure_cookies=is_secure)) as site,
        httpx.Client(verify=False) as client,
    ):
        answer = client.post(f"{site.url}/admin/login", data={"token": text})
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert text not in name
    wanted = {"httponly", "samesite=strict", "path=/admin", "max-age=43200"} | ({"secure"} if is_secure else set())
    assert {each.lower() for each in attributes} == wanted


def test_a_session_ends_with_its_time_and_with_its_token(site: Site, clock: FixedClock) -> None:
    with site.visitor(name="first") as first, site.visitor(name="second") as second:
        assert first.get("/customers").url.path == "/admin/customers"
        (token,) = [each for each in site.registry.list_tokens() if each.name == "first"]
        site.registry.revoke_token(token.id)
        assert first.get("/customers").url.path == "/admin/login"
        clock.advance(timedelta(hours=11))
        assert second.get("/customers").url.path == "/admin/customers"
        clock.advance(timedelta(hours=2))
        answer = second.get("/customers")
        assert answer.url.path == "/admin/login"
        assert "Your session is over" in text_of(answer)


@pytest.mark.parametrize(
    "to", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "x"]
)
def test_the_login_sends_nobody_to_another_site(site: Site, to: str) -> None:
    _, text = site.registry.add_token("jane", "admin")
    with site.visitor(None) as visitor:
        visitor.follow_redirects = False
        assert visitor.post("/login", data={"token": text, "to": to}).headers["location"] == "/admin/"


@pytest.mark.parametrize("scope", ["collector", "loader"])
def test_a_token_of_a_service_opens_no_page(site: Site, scope: str) -> None:
    _, text = site.registry.add_token("service", scope)  # type: ignore[arg-type]
    with site.visitor(None) as visitor:
        answer = visitor.post("/login", data={"token": text})
    assert answer.status_code == 403
    assert "for a service" in text_of(answer)
    assert "set-cookie" not in answer.headers


def test_wrong_tokens_are_taken_ten_times(site: Site) -> None:
    _, text = site.registry.add_token("jane", "admin")
    with site.visitor(None) as visitor:
        for _ in range(FAILURES):
            answer = visitor.post("/login", data={"token": "wrong"})
            assert answer.status_code == 401
            assert "opens nothing" in text_of(answer)
        answer = visitor.post("/login", data={"token": text})
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "300"
        assert COOKIE not in visitor.cookies


def test_an_empty_login_is_a_wrong_one(site: Site) -> None:
    with site.visitor(None) as visitor:
        assert visitor.post("/login").status_code == 401


# Forged forms


def state_of_sale(site: Site) -> str:
    return site.registry.get_event("shop", "sale").state


@pytest.mark.parametrize("csrf", [None, "", "wrong", csrf_token("another session"), "é"])
def test_a_form_without_the_token_of_its_session_changes_nothing(site: Site, admin: Visitor, csrf: str | None) -> None:
    fields = {"revision": "1"} if csrf is None else {"revision": "1", "csrf": csrf}
    answer = admin.post("/customers/shop/events/sale/pause", data=fields)
    assert answer.status_code == 403
    assert "Nothing was changed" in text_of(answer)
    assert state_of_sale(site) == "active"


def test_a_form_from_another_site_changes_nothing(site: Site, admin: Visitor) -> None:
    admin.headers["sec-fetch-site"] = "cross-site"
    assert admin.send_form("/customers/shop/events/sale/pause", revision=1).status_code == 403
    _, text = site.registry.add_token("jane", "admin")
    assert admin.post("/login", data={"token": text}).status_code == 403
    admin.headers["sec-fetch-site"] = "same-origin"
    assert admin.send_form("/customers/shop/events/sale/pause", revision=1).status_code == 200
    assert state_of_sale(site) == "paused"


def test_a_link_changes_nothing(site: Site, admin: Visitor) -> None:
    for action in ("pause", "remove", "resume", "activate"):
        admin.get(f"/customers/shop/events/sale/{action}?revision=1")
    assert state_of_sale(site) == "active"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"revision": 1}'),
        ("text/plain", b"revision=1"),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 1_000_001),
        ("application/x-www-form-urlencoded", b"a=1&" * 101),
        ("application/x-www-form-urlencoded", b"a=%ff"),
        ("application/x-www-form-urlencoded", "a=é".encode()),
    ],
)
def test_what_is_no_form_is_refused(admin: Visitor, content_type: str, body: bytes) -> None:
    answer = admin.post("/customers/add-customer", content=body, headers={"content-type": content_type})
    assert answer.status_code == 400


# Headers


def test_every_answer_says_what_a_browser_may_do(site: Site, admin: Visitor) -> None:
    admin.follow_redirects = False
    paths = ("/", "/login", "/customers", "/customers/shop/keys", "/nothing", "/static/style.css", "/tokens", "/data/")
    for path in paths:
        headers = admin.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'self'; ")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        is_static = path.startswith("/static")
        assert headers["cache-control"] == ("public, max-age=86400" if is_static else "no-store"), path


def test_no_page_has_a_script_or_style_of_its_own(admin: Visitor) -> None:
    for path in ("/customers", "/customers/shop", "/customers/shop/keys", "/customers/shop/events/sale/contract"):
        text = admin.get(path).text
        assert text.count("<script") == 1
        assert '<script src="/admin/static/page.js' in text
        assert "<style" not in text
        assert " style=" not in text
        assert " on" + "click=" not in text


def test_pages_work_behind_a_proxy_that_adds_a_prefix(registry: RegistryService, clock: FixedClock) -> None:
    _, text = registry.add_token("jane", "admin")
    inner, outer = FastAPI(), FastAPI()
    mount_pages(inner, registry, SiteSettings(), None, None, clock)
    outer.mount("/registry", inner)
    with serving(outer) as url, httpx.Client(follow_redirects=True, verify=False) as client:
        page = client.get(f"{url}/registry/admin/customers")
        assert page.url.path == "/registry/admin/login"
        page = client.post(page.url, data={"token": text})
        assert page.url.path == "/registry/admin/customers"
        assert 'href="/registry/admin/customers"' in page.text
        assert client.get(f"{url}/registry/admin/data/").status_code == 200
