"""The pages in a real browser: a day's work by mouse, by keyboard and without a script; how they look; what they load.

Pictures are written to the folder CLICKSTREAM_TEST_SCREENSHOTS when it is set: that is how docs/images is made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.naming import customer_slug, event_slug
from clickstream_platform.registry.entities import Policy
from clickstream_platform.registry.ports import EventStatistics
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.e2e.test_web_interface import CHROMIUM, CHROMIUM_OPTIONS
from clickstream_platform_tests.registry.pages.looks import CONTRASTS, FOCUSED, HEADINGS, UNHEADED, UNNAMED
from clickstream_platform_tests.registry.pages.site import Site, running_site

WIDE, NARROW = ViewportSize(width=1440, height=900), ViewportSize(width=400, height=860)
SHOP = "nordlicht"
ALL_PAGES = (
    "/customers",
    "/customers/add-customer",
    f"/customers/{SHOP}",
    f"/customers/{SHOP}?state=removed",
    f"/customers/{SHOP}/settings",
    f"/customers/{SHOP}/remove",
    f"/customers/{SHOP}/keys",
    f"/customers/{SHOP}/audit",
    f"/customers/{SHOP}/events/add-event",
    f"/customers/{SHOP}/events/wishlist_shared",
    f"/customers/{SHOP}/events/order_completed/remove",
    f"/customers/{SHOP}/events/order_completed/contract",
    "/audit",
    "/destinations",
    "/destinations/default",
    "/tokens",
    "/nothing/here",
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"),
]


@dataclass
class Watch:
    """What happened on a page that nobody should see."""

    host: str
    troubles: list[str] = field(default_factory=list)

    def on(self, page: Page) -> None:
        """Note errors, dialogs, and requests to anybody else."""
        page.on("console", lambda message: self._note(message.type in {"error", "warning"}, message.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        # A request that the next page cut short is no failure.
        page.on("requestfailed", lambda each: self._note(each.failure != "net::ERR_ABORTED", f"failed: {each.url}"))
        page.on("request", lambda request: self._note(urlsplit(request.url).netloc != self.host, request.url))
        page.on("dialog", lambda dialog: self._note(True, f"dialog: {dialog.message}"))

    def _note(self, is_trouble: bool, what: str) -> None:
        # A page that refuses answers with its status, which the browser's console repeats as an error.
        if is_trouble and "Failed to load resource: the server responded with a status of 40" not in what:
            self.troubles.append(what)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def shop(registry: RegistryService, clock: FixedClock) -> Iterator[Site]:
    """Give a site with some customers, one of them with events in every state."""
    names = ("Nordlicht", "Bakkerij De Vries", "Kaffeehaus Jelinek", "Åsane Sport", "Quill & Paper", "Ψηφιακή Αγορά")
    for number, name in enumerate(names):
        registry.add_customer(customer_slug(name), display_name=name, policy=Policy(auto_activate=False))
        for event in ("Product Viewed", "Product Added", "Order Completed", "Signed Up")[: 1 + number % 4]:
            registry.add_event(customer_slug(name), event_slug(event), display_name=event)
    events = ("Cart Viewed", "Checkout Started", "Coupon Applied", "Newsletter Opened", "Order Completed")
    for event in (*events, "Product Added", "Search Performed"):
        registry.add_event(SHOP, event_slug(event), display_name=event, freshness_deadline_minutes=60)
    registry.record_seen(SHOP, "2026-11-22T08", {event_slug(event): (event, 900) for event in events})
    sample = {"type": "track", "event": "text", "properties": {"items": ["text"], "public": "boolean"}}
    new = {"wishlist_shared": ("Wishlist Shared", 412), "video_paused": ("Video Paused", 38)}
    registry.record_seen(SHOP, "2026-11-22T07", new, samples={"wishlist_shared": sample})
    registry.pause_event(SHOP, "coupon_applied")
    registry.record_seen(SHOP, "2026-11-22T08", {"coupon_applied": ("Coupon Applied", 77)})
    registry.remove_event(SHOP, "product_viewed")
    schema = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}
    registry.add_contract(SHOP, "order_completed", "freeze", schema, note="Prices are numbers")
    key, _ = registry.add_write_key(SHOP, "iOS app")
    registry.rotate_write_key(SHOP, key.id)
    with running_site(registry, clock) as site:
        site.ledgers.figures[SHOP] = {
            event_slug(event): EventStatistics(
                f"2026-11-22T{'04' if event == 'Newsletter Opened' else '08'}",
                clock.now() - timedelta(minutes=12),
                rows_24h=61_307 // number,
                rejected_24h=3 if event == "Checkout Started" else 0,
                discards_24h=41 if event == "Order Completed" else 0,
            )
            for number, event in enumerate(events, 1)
        }
        yield site


@contextmanager
def visiting(browser: Browser, site: Site, **options: Any) -> Iterator[tuple[Page, BrowserContext]]:
    """Open a page that is logged in as an admin, and look for trouble at the end."""
    context = browser.new_context(**({"viewport": WIDE} | options))
    page, watch = context.new_page(), Watch(urlsplit(site.url).netloc)
    watch.on(page)
    _, token = site.registry.add_token("Jane Doe", "admin")
    page.goto(f"{site.url}/admin/")
    page.get_by_label("API token").fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Customers")).to_be_visible()
    yield page, context
    assert watch.troubles == []
    context.close()


def work_through_a_day(page: Page) -> None:
    """Do what an operator does in a day, by what stands on the buttons."""
    page.get_by_role("link", name="Add a customer").click()
    page.get_by_label("Name", exact=True).fill("Harbour Cycles")
    page.get_by_role("button", name="Add customer").click()
    expect(page.get_by_role("heading", name="Harbour Cycles")).to_be_visible()
    page.get_by_role("link", name="Add an event").first.click()
    page.get_by_label("Name, as your app sends it").fill("Bike Rented")
    page.get_by_label("Deadline").fill("90")
    page.get_by_role("button", name="Add event").click()
    expect(page.get_by_role("status")).to_contain_text("The event is added.")
    page.get_by_role("navigation", name="Path").get_by_role("link", name="harbour_cycles").click()
    row = page.get_by_role("row", name="Bike Rented")
    row.get_by_role("button", name="Pause bike_rented").click()
    expect(row).to_contain_text("paused")
    row.get_by_role("button", name="Resume bike_rented").click()
    expect(row).to_contain_text("active")
    row.get_by_role("link", name="Remove bike_rented").click()
    expect(page.get_by_role("heading", name="Remove Bike Rented?")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Its table bike_rented and all its rows stay.")
    page.get_by_role("button", name="Remove the event").click()
    page.get_by_role("link", name="removed 1").click()
    row.get_by_role("button", name="Bring back bike_rented").click()
    expect(page.get_by_role("status")).to_contain_text("The event is back")


def test_a_day_of_work(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop) as (page, _):
        work_through_a_day(page)
        page.goto(f"{shop.url}/admin/customers/{SHOP}")
        page.get_by_role("link", name="Look at them").click()
        page.get_by_role("link", name="Wishlist Shared").click()
        expect(page.get_by_label("Sample record")).to_contain_text('"public": "boolean"')
        page.get_by_role("button", name="Activate wishlist_shared").click()
        expect(page.get_by_role("status")).to_contain_text("The event is active")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    event = shop.registry.get_event("harbour_cycles", "bike_rented")
    assert (event.state, event.freshness_deadline_minutes, event.activation) == ("active", 90, 3)
    assert shop.registry.get_event(SHOP, "wishlist_shared").state == "active"


def test_a_day_of_work_without_a_script(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop, java_script_enabled=False) as (page, _):
        work_through_a_day(page)
        page.goto(f"{shop.url}/admin/customers/{SHOP}/keys")
        expect(page.get_by_label("Browser snippet")).to_be_visible()
        assert page.get_by_role("button", name="Copy").count() == 0
        page.get_by_text("Python", exact=True).click()
        expect(page.get_by_label("Python snippet")).to_be_visible()
        expect(page.get_by_label("Browser snippet")).not_to_be_visible()


def test_a_key_is_made_rotated_and_its_snippet_copied(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop) as (page, context):
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=shop.url)
        page.goto(f"{shop.url}/admin/customers/{SHOP}/keys")
        page.get_by_label("Name").fill("Web shop")
        page.get_by_role("button", name="Make key").click()
        expect(page.get_by_role("heading", name="The new key")).to_be_visible()
        secret = page.get_by_label("Write key", exact=True).inner_text()
        page.get_by_role("button", name="Copy").first.click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == secret
        page.locator("[data-copy='snippet-1']").click()
        page.wait_for_function("navigator.clipboard.readText().then(text => text.includes('AnalyticsBrowser'))")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert secret in copied
        assert "collect.example.com/v1" in copied
        page.goto(f"{shop.url}/admin/customers/{SHOP}/keys")
        assert secret not in page.content()
        page.get_by_role("link", name="Rotate or revoke Web shop").click()
        page.get_by_label("Hours that the old key is still taken").fill("2")
        page.get_by_role("button", name="Rotate key").click()
        second = page.get_by_label("Write key", exact=True).inner_text()
        assert second not in {secret, ""}
        assert second not in page.url


def test_a_contract_is_inferred_tried_and_switched_on(browser: Browser, shop: Site, tmp_path: Path) -> None:
    with visiting(browser, shop) as (page, _):
        page.goto(f"{shop.url}/admin/customers/{SHOP}/events/order_completed/contract")
        page.get_by_role("button", name="Infer from history").click()
        expect(page.get_by_label("JSON Schema of the properties")).to_have_value(
            '{\n  "type": "object",\n  "properties": {\n    "price": {\n      "type": "number"\n    }\n  }\n}'
        )
        page.get_by_label("reject").check()
        page.get_by_role("button", name="Dry run").click()
        expect(page.get_by_role("heading", name="Dry run: the last 24 hours")).to_be_visible()
        expect(page.get_by_label("reject")).to_be_checked()
        assert keep_picture(page, "registry-contract", tmp_path).stat().st_size > 10_000
        page.get_by_role("button", name="Save and switch on").click()
        expect(page.get_by_role("row", name="Version 2 in force")).to_be_visible()
    assert shop.registry.get_event(SHOP, "order_completed").contract_version == 2


# Keyboard


def press_until(page: Page, name: str, most: int = 60) -> None:
    """Press Tab until something of this name has the focus, which must be visible wherever it goes."""
    for _ in range(most):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["tag"] == "BODY":
            continue
        assert focused["outline"] >= 2, focused
        assert focused["inside"], focused
        if focused["name"].startswith(name):
            return
    pytest.fail(f"{name!r} is not reached by the keyboard")


def choose(page: Page, name: str, key: str = "Enter") -> None:
    """Go to something of this name with Tab, and press a key there."""
    press_until(page, name)
    page.keyboard.press(key)


def test_everything_works_by_keyboard(browser: Browser, shop: Site) -> None:
    _, token = shop.registry.add_token("Jane Doe", "admin")
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    page.goto(f"{shop.url}/admin/customers/{SHOP}")
    expect(page.get_by_label("API token")).to_be_focused()
    page.keyboard.type(token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nordlicht")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    choose(page, "Add an event")
    expect(page.get_by_label("Name, as your app sends it")).to_be_focused()
    page.keyboard.type("Bike Rented")
    choose(page, "Add event")
    expect(page.get_by_role("heading", name="Bike Rented")).to_be_visible()
    choose(page, "Pause", "Space")
    expect(page.get_by_role("status")).to_contain_text("Loading is paused.")
    choose(page, "Remove")
    expect(page.get_by_role("heading", name="Remove Bike Rented?")).to_be_visible()
    choose(page, "Remove the event")
    expect(page.get_by_role("status")).to_contain_text("The event is removed.")
    choose(page, "Contract")
    expect(page.get_by_role("group", name="The first version")).to_be_visible()
    choose(page, "evolve", "ArrowDown")
    expect(page.get_by_label("freeze")).to_be_checked()
    context.close()


# How it looks


def keep_picture(page: Page, name: str, tmp_path: Path) -> Path:
    path = Path(os.environ.get("CLICKSTREAM_TEST_SCREENSHOTS", tmp_path)) / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page_is_readable_and_named(browser: Browser, shop: Site, scheme: str, viewport: Any) -> None:
    with visiting(browser, shop, viewport=viewport, color_scheme=scheme) as (page, _):
        for path in ALL_PAGES:
            page.goto(f"{shop.url}/admin{path}")
            for details in page.locator("details:not([name])").all():
                details.evaluate("each => { each.open = true; }")
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], path
            assert page.evaluate(CONTRASTS) == [], path
            assert page.evaluate(UNNAMED) == [], path
            assert page.evaluate(HEADINGS) == 1, path
            assert page.evaluate(UNHEADED) == 0, path
            assert page.locator("html").get_attribute("lang") == "en"


NASTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.exe",
    "W" * 300,
    "Z͑ͫ̓ͪ̂ͫ̽a̴̙̤̞l̝̓gͮ̊o",
    "{{ 7 * 7 }}",
    "שלום עולם (abc)",
)


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_nasty_names_are_shown_and_stay_in_their_place(browser: Browser, shop: Site, viewport: Any) -> None:
    with visiting(browser, shop, viewport=viewport) as (page, _):
        for name in NASTY:
            slug = customer_slug(name)
            shop.registry.add_customer(slug, display_name=name)
            shop.registry.add_event(slug, "plain", display_name=name)
            for path in (f"/customers/{slug}", f"/customers/{slug}/events/plain", f"/customers/{slug}/settings"):
                page.goto(f"{shop.url}/admin{path}")
                assert page.locator("h1 .shown").inner_text() == name
                assert name in page.title()
                assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], (path, name)
        page.goto(f"{shop.url}/admin/customers")
        for name in NASTY:
            assert page.get_by_role("link").get_by_text(name, exact=True).count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_the_raw_tables_load_nothing_from_elsewhere(browser: Browser, shop: Site, tmp_path: Path) -> None:
    with visiting(browser, shop) as (page, _):
        page.get_by_role("link", name="Tables").click()
        expect(page.get_by_text("The registry's tables as they are")).to_be_visible()
        page.get_by_role("link", name="Events", exact=True).click()
        expect(page.get_by_text("order_completed").first).to_be_visible()
        page.get_by_role("link", name="View").first.click()
        expect(page.get_by_text("freshness_deadline_minutes")).to_be_visible()
        page.get_by_role("link", name="Registry tables").click()
        page.get_by_role("link", name="Back to the registry").click()
        expect(page.get_by_role("heading", name="Customers")).to_be_visible()


def test_pictures_for_the_documents(browser: Browser, shop: Site, tmp_path: Path) -> None:
    pictures = {
        "registry-customers": "/customers",
        "registry-customer": f"/customers/{SHOP}",
        "registry-event": f"/customers/{SHOP}/events/wishlist_shared",
        "registry-keys": f"/customers/{SHOP}/keys",
    }
    for suffix, viewport in (("", WIDE), ("-narrow", NARROW)):
        with visiting(browser, shop, viewport=viewport) as (page, _):
            for name, path in pictures.items():
                page.goto(f"{shop.url}/admin{path}")
                assert keep_picture(page, f"{name}{suffix}", tmp_path).stat().st_size > 10_000
