"""Names that people and apps send: whatever they hold, pages show them unharmed and nothing in them comes to life."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote

import pytest

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.model.naming import customer_slug, event_slug
from clickstream_platform_tests.registry.pages.site import Site, Visitor
from clickstream_platform_tests.shared_data import needs_shared_data, read_json_lines, shared_data

NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "</textarea></title><b>",
    "javascript:alert(1)",
    "Robert'); DROP TABLE registry_customers;--",
    "../../etc/passwd",
    "%2e%2e%2f%00 100%",
    "?state=removed&page=2#top",
    "a/b|c,d...e",
    "注文完了",
    "שלום עולם",
    "\u202egnp.exe",
    "Ｆｕｌｌ　ｗｉｄｔｈ",
    "Z͑ͫ̓ͪ̂ͫ̽a̴̙̤̞l̝̓gͮ̊o",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈",
    "line\nbreak\tand tab",
    "new",
    "add-event",
    "null",
    "0",
    "x" * 1_000,
    "W" * 400 + " " + "ﷺ" * 200,
]


def shown_in(text: str) -> set[str]:
    """Return the texts between tags of a page and the values of its fields, as a browser reads them."""
    between = {unescape(each) for each in re.findall(r">([^<>]+)<", text)}
    return between | {unescape(each) for each in re.findall(r'(?:value|title)="([^"]*)"', text)}


def assert_harmless(text: str) -> None:
    """Assert that a page has no tag or handler that its templates do not have."""
    assert len(re.findall(r"<script\b", text)) == 1
    assert not re.search(r"<(img|b|svg|iframe)\b[^>]*(onerror|src)", text)
    assert not re.search(r"<[^>]+\son[a-z]+=", re.sub(r'"[^"]*"', '""', text))
    assert text.count("</title>") == 1
    assert "{{" not in re.sub(r"\{\{ 7 \* 7 \}\}", "", text)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_it_was_sent(site: Site, admin: Visitor, name: str) -> None:
    typed = name.strip()
    page = admin.send_form("/customers/add-customer", name=name, destination="default")
    assert page.status_code == 200
    slug = customer_slug(typed)
    assert site.registry.get_customer(slug).display_name == typed
    page = admin.send_form(f"/customers/{slug}/events/add-event", name=name)
    assert page.status_code == 200
    event = event_slug(typed)
    assert site.registry.get_event(slug, event).display_name == typed
    key, _ = site.registry.add_write_key(slug, typed)
    site.registry.record_seen(slug, "2026-11-22T07", {"seen": (name, 1)}, samples={"seen": {"event": name, name: name}})
    here = f"/customers/{slug}"
    paths = ["/customers", here, f"{here}/settings", f"{here}/remove", f"{here}/keys", f"{here}/keys/{key.id}"]
    paths += [f"{here}/audit", f"{here}/events/{event}", f"{here}/events/{event}/remove", f"{here}/events/seen"]
    paths += [f"{here}/events/{event}/contract", f"{here}/events/add-event", "/audit"]
    for path in paths:
        page = admin.get(path)
        assert page.status_code == 200, path
        assert_harmless(page.text)
        if not path.endswith(("/events/seen", "add-event")):
            assert any(typed in text for text in shown_in(page.text)), path
    page = admin.get("/customers", params={"q": name})
    assert page.status_code == 200
    assert_harmless(page.text)
    assert (
        f"/admin/customers/{page.request.url.__class__(f'http://h/{slug}').raw_path.decode().removeprefix('/')}"
        in page.text
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_an_address_is_found_or_not_and_nothing_else(site: Site, admin: Visitor, name: str) -> None:
    for path in ("/customers", "/customers/shop/events"):
        page = admin.get(f"{path}/{quote(name[:200], safe='')}")
        assert page.status_code in {200, 404}
        if page.headers["content-type"] == "application/json":
            assert page.json() == {"detail": "Not Found"}, "with a line break in it, it is no address of any page"
        else:
            assert_harmless(page.text)


def test_a_refused_name_is_shown_unharmed_in_the_form(admin: Visitor) -> None:
    for name in ("<script>alert(1)</script>" * 60, '"' * 1_001):
        page = admin.send_form("/customers/add-customer", name=name, slug="x")
        assert page.status_code == 422
        assert_harmless(page.text)
        assert name in shown_in(page.text)


@needs_shared_data("5-edge-cases", "objects", "blns_values.ndjson")
def test_the_list_of_naughty_strings(site: Site, admin: Visitor) -> None:
    records = read_json_lines(shared_data("5-edge-cases", "objects", "blns_values.ndjson"))
    names = sorted({str(value) for record in records for value in record.get("properties", {}).values()})
    assert len(names) > 100
    added = []
    for number, name in enumerate(names):
        try:
            site.registry.add_event("shop", f"naughty_{number}", display_name=name)
        except ClickstreamError:
            continue
        added.append(name)
    assert len(added) > 100
    shown: set[str] = set()
    for page in range(1, 9):
        text = admin.get(f"/customers/shop?page={page}").text
        assert_harmless(text)
        shown |= shown_in(text)
    assert [name for name in added if name not in shown] == []
