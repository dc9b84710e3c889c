"""Keys, tokens, destinations and the log of changes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.registry.entities import Destination
from clickstream_platform.registry.refusals import UnauthenticatedError
from clickstream_platform_tests.registry.pages.site import COLLECTOR, Site, Visitor, buttons_of, text_of

KEYS = "/customers/shop/keys"


def secret_on(page: str) -> str:
    """Return the secret that a page shows."""
    found = re.search(r'<pre id="secret"[^>]*>([^<]+)</pre>', page)
    assert found is not None
    return found[1]


# Write keys


def test_a_key_is_made_and_its_secret_is_shown_once(site: Site, admin: Visitor) -> None:
    page = admin.send_form(KEYS, name="Web shop", expires="2026-12-31")
    secret = secret_on(page.text)
    assert page.headers["cache-control"] == "no-store"
    assert str(page.url).endswith("/admin/customers/shop/keys")
    assert page.text.count(secret) > 4, "the secret, and the snippets with it"
    (key,) = site.registry.list_write_keys("shop")
    assert (key.name, key.expires_at) == ("Web shop", datetime(2027, 1, 1, tzinfo=UTC))
    assert "Web shop new" in text_of(page)
    for path in (KEYS, "/customers/shop/audit", "/audit", "/customers/shop"):
        later = admin.get(path)
        assert secret not in later.text
        assert key.hash not in later.text
    assert "YOUR_WRITE_KEY" in text_of(admin.get(KEYS))
    assert COLLECTOR.removeprefix("https://") in text_of(admin.get(KEYS))


def test_a_key_is_rotated_and_both_are_taken_for_a_while(site: Site, admin: Visitor) -> None:
    key, _ = site.registry.add_write_key("shop", "web")
    question = admin.get(f"{KEYS}/{key.id}")
    assert {"Rotate key", "Revoke key"} <= buttons_of(question)
    page = admin.send_form(f"{KEYS}/{key.id}/rotate", revision=key.revision, grace_hours=6)
    assert secret_on(page.text)
    assert "taken until 22 Nov 2026, 15:30" in text_of(page)
    old = site.registry.get_write_key("shop", key.id)
    assert old.expires_at == site.clock.now() + timedelta(hours=6)
    assert len(site.registry.list_write_keys("shop")) == 2
    stale = admin.send_form(f"{KEYS}/{key.id}/rotate", revision=key.revision, grace_hours=6)
    assert stale.status_code == 409
    assert "Somebody else changed this" in text_of(stale)
    assert '<pre id="secret"' not in stale.text
    assert len(site.registry.list_write_keys("shop")) == 2


def test_a_key_is_revoked(site: Site, admin: Visitor) -> None:
    key, _ = site.registry.add_write_key("shop", "web")
    page = admin.send_form(f"{KEYS}/{key.id}/revoke", revision=key.revision)
    assert "The key is revoked." in text_of(page)
    assert "web" in text_of(page)
    assert "Rotate or revoke" not in buttons_of(page)
    assert site.registry.get_write_key("shop", key.id).revoked_at == site.clock.now()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": ""}, "Name: it is empty."),
        ({"name": "x", "expires": "31.12."}, "is not a date"),
        ({"name": "x", "expires": "2020-01-01"}, "has passed"),
    ],
)
def test_a_key_that_cannot_be_made_is_refused(site: Site, admin: Visitor, fields: dict[str, str], problem: str) -> None:
    page = admin.send_form(KEYS, **fields)
    assert page.status_code == 422
    assert problem in text_of(page)
    assert site.registry.list_write_keys("shop") == []


# Tokens


def test_a_token_is_made_shown_once_and_revoked(site: Site, admin: Visitor) -> None:
    page = admin.send_form("/tokens", name="analyst", scope="customer_read", customer="shop", expires="")
    text = secret_on(page.text)
    token = site.registry.authenticate(text)
    assert (token.name, token.scope, token.customer) == ("analyst", "customer_read", "shop")
    assert "analyst new customer read: shop" in text_of(page)
    assert text not in admin.get("/tokens").text
    assert token.hash not in admin.get("/tokens").text + admin.get("/audit").text
    question = text_of(admin.get(f"/tokens/{token.id}/revoke"))
    assert "cannot be undone" in question
    assert "logged in with" not in question
    page = admin.send_form(f"/tokens/{token.id}/revoke", revision=token.revision)
    assert "The token is revoked." in text_of(page)
    with pytest.raises(UnauthenticatedError):
        site.registry.authenticate(text)


def test_revoking_the_own_token_ends_the_session(site: Site, admin: Visitor) -> None:
    (own,) = [token for token in site.registry.list_tokens() if token.name == "tester"]
    assert "It is the token you are logged in with." in text_of(admin.get(f"/tokens/{own.id}/revoke"))
    page = admin.send_form(f"/tokens/{own.id}/revoke", revision=own.revision)
    assert page.url.path == "/admin/login"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "x", "scope": "god"}, "Unknown scope."),
        ({"name": "x", "scope": "customer_read"}, "It is for one customer."),
        ({"name": "x", "scope": "admin", "customer": "shop"}, "It is for all customers."),
        ({"name": "x", "scope": "customer_read", "customer": "nobody"}, "The registry has none of this name."),
    ],
)
def test_a_token_that_cannot_be_made_is_refused(
    site: Site, admin: Visitor, fields: dict[str, str], problem: str
) -> None:
    before = len(site.registry.list_tokens())
    page = admin.send_form("/tokens", **fields)
    assert page.status_code in {404, 422}
    assert problem in text_of(page)
    assert len(site.registry.list_tokens()) == before


# Destinations


def test_a_destination_is_added_and_replaced(site: Site, admin: Visitor) -> None:
    fields = {"kind": "redshift", "settings": "host = h.example\nport=5439", "secret_reference": "env:SECRET"}
    page = admin.send_form("/destinations/add-destination", name="big", **fields, schema="")
    assert "The destination is added." in text_of(page)
    found = site.registry.get_destination("big")
    assert found == Destination("big", "redshift", {"host": "h.example", "port": "5439"}, "env:SECRET")
    assert "host = h.example\nport = 5439</textarea>" in admin.get("/destinations/big").text
    page = admin.send_form("/destinations/big", **(fields | {"settings": "host = two"}), schema="s", revision=1)
    assert "The destination is saved." in text_of(page)
    assert site.registry.get_destination("big").settings == {"host": "two"}
    stale = admin.send_form("/destinations/big", **fields, schema="", revision=1)
    assert stale.status_code == 409
    assert site.registry.get_destination("big").settings == {"host": "two"}


def test_a_secret_is_not_taken_as_a_setting(site: Site, admin: Visitor) -> None:
    page = admin.send_form("/destinations/add-destination", name="big", kind="redshift", settings="password = hunter2")
    assert page.status_code == 422
    assert "holds a secret, by its look" in text_of(page)
    with pytest.raises(ClickstreamError):
        site.registry.get_destination("big")


# The log of changes


def test_the_log_says_who_changed_what(site: Site, admin: Visitor) -> None:
    admin.send_form("/customers/shop/events/sale/pause", revision=1)
    for path in ("/customers/shop/audit", "/audit"):
        page = text_of(admin.get(path))
        assert re.search(r"event: pause (shop )?sale 22 Nov 2026, 09:30 by token:tester", page)
        assert "state from active → to paused" in page


def test_a_long_log_has_pages(site: Site, admin: Visitor) -> None:
    for number in range(60):
        site.registry.add_event("shop", f"e{number:02d}")
    newest = admin.get("/customers/shop/audit")
    assert "e59" in text_of(newest)
    assert "e09" not in text_of(newest)
    older = re.search(r'href="/admin(/customers/shop/audit\?before=\d+)"', newest.text)
    assert older is not None
    page = admin.get(older[1])
    assert "e09" in text_of(page)
    assert "e10" not in text_of(page)
    assert "Newest" in buttons_of(page)
    assert "Older" not in buttons_of(page)
    assert admin.get("/audit?before=x").status_code == 422
