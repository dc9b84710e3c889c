"""What the pages show and what their forms do."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from html import unescape

import pytest

from clickstream_platform.errors import (
    ClickstreamError,
    ObjectNotFoundError,
    ObjectStoreUnavailableError,
    RegistryError,
)
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.streams import UNIDENTIFIED
from clickstream_platform.registry.entities import EventState, Policy
from clickstream_platform.registry.ports import EventStatistics
from clickstream_platform.registry.refusals import RegistryUnavailableError
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.pages.site import Site, Visitor, buttons_of, running_site, text_of

SHOP, SALE = "/customers/shop", "/customers/shop/events/sale"
CONTRACT = f"{SALE}/contract"
SCHEMA = {"type": "object", "properties": {"price": {"type": "number"}}}


# Customers


def test_customers_are_listed_searched_and_counted_by_state(site: Site, admin: Visitor) -> None:
    site.registry.add_event("shop", "view")
    site.registry.pause_event("shop", "view")
    site.registry.add_customer("gone", display_name="Gone Ltd")
    site.registry.remove_customer("gone")
    page = text_of(admin.get("/customers"))
    assert "The Shop shop 1 active 1 paused 0 0 default 22 Nov 2026 1–1" in page
    assert "Gone" not in page
    assert "Gone Ltd" in text_of(admin.get("/customers?removed=yes"))
    assert "The Shop" in text_of(admin.get("/customers?q=THE+sh"))
    assert "No customer has <b> in its name" in text_of(admin.get("/customers?q=%3Cb%3E"))


def test_a_long_list_has_pages(site: Site, admin: Visitor) -> None:
    for number in range(119):
        site.registry.add_customer(f"c{number:03d}")
    first = admin.get("/customers")
    assert "1–50 of 120 customers Next" in text_of(first)
    last = admin.get("/customers?page=3")
    assert "101–120 of 120 customers Previous" in text_of(last)
    assert "The Shop" in text_of(last)
    assert "c000" not in text_of(last)


def test_a_customer_is_added_with_a_slug_made_of_its_name(site: Site, admin: Visitor) -> None:
    page = admin.send_form("/customers/add-customer", name="Nordlicht Möbel GmbH", destination="default")
    assert page.url.path == "/admin/customers/nordlicht_möbel_gmb_h"
    assert "The customer is added." in text_of(page)
    customer = site.registry.get_customer("nordlicht_möbel_gmb_h")
    assert (customer.display_name, customer.policy) == ("Nordlicht Möbel GmbH", Policy(auto_activate=False))
    assert site.registry.list_audit(customer.slug)[0].actor == "token:tester"


@pytest.mark.parametrize(
    ("fields", "problem", "status"),
    [
        ({"name": "The Shop", "slug": "shop"}, "It exists already.", 409),
        ({"name": " "}, "Name: it is empty.", 422),
        ({"name": "New", "slug": "Not A Slug"}, "It is not a slug. Use a slug, such as 'not_a_slug'.", 422),
        ({"name": "New", "destination": "nowhere"}, "The registry has none of this name.", 404),
    ],
)
def test_a_customer_that_cannot_be_added_leaves_the_form_as_it_was(
    admin: Visitor, fields: dict[str, str], problem: str, status: int
) -> None:
    page = admin.send_form("/customers/add-customer", **({"destination": "default", "slug": ""} | fields))
    assert page.status_code == status
    assert f"Not done. {problem}" in text_of(page)
    assert f'value="{fields["name"]}"' in page.text
    assert "clickstream registry customers" not in text_of(page), "no command of a terminal on a page"


def settings_fields(site: Site, **changes: str) -> dict[str, str]:
    customer = site.registry.get_customer("shop")
    fields = {
        "revision": str(customer.revision),
        "display_name": "The Shop",
        "destination": "default",
        "auto_activate": "yes",
        "schema_mode": "evolve",
        "dedup_window_hours": "24",
        "column_limit": "1600",
        "load_threshold_percent": "100",
        "retention_days": "",
        "events_per_second": "",
    }
    return fields | changes


def test_settings_are_saved(site: Site, admin: Visitor) -> None:
    changes = {"display_name": "Shop 2", "schema_mode": "freeze", "column_limit": "60", "isolated": "yes"}
    changes |= {"retention_days": "7", "events_per_second": "50"}
    page = admin.send_form(f"{SHOP}/settings", **settings_fields(site, **changes))
    assert "The settings are saved." in text_of(page)
    customer = site.registry.get_customer("shop")
    policy = Policy(schema_mode="freeze", column_limit=60, retention_days=7, events_per_second=50)
    assert (customer.display_name, customer.isolated, customer.policy) == ("Shop 2", True, policy)


def test_settings_of_a_stale_page_are_not_saved_and_the_present_ones_are_shown(site: Site, admin: Visitor) -> None:
    stale = settings_fields(site, display_name="Mine", column_limit="77")
    site.registry.update_customer("shop", display_name="Theirs")
    page = admin.send_form(f"{SHOP}/settings", **stale)
    assert page.status_code == 409
    assert "Somebody else changed this after you opened the page, so nothing was changed." in text_of(page)
    assert 'value="Theirs"' in page.text
    assert "What you entered display name Mine" in text_of(page)
    assert "column limit 77" in text_of(page)
    # The page is of now: sent again, it is taken.
    revision = re.search(r'action="/admin/customers/shop/settings".*?name="revision" value="(\d+)"', page.text, re.S)
    assert revision is not None
    again = admin.send_form(f"{SHOP}/settings", **(stale | {"revision": revision[1]}))
    assert again.status_code == 200
    assert site.registry.get_customer("shop").display_name == "Mine"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"column_limit": "3"}, "It is outside its limits. Use 50 to 1600."),
        ({"column_limit": "many"}, "Columns of a table: 'many' is not a whole number."),
        ({"schema_mode": "<b>"}, "Unknown schema mode."),
        ({"revision": ""}, "The revision of the form: it is empty."),
    ],
)
def test_settings_outside_their_limits_are_refused(
    site: Site, admin: Visitor, changes: dict[str, str], problem: str
) -> None:
    page = admin.send_form(f"{SHOP}/settings", **settings_fields(site, **changes))
    assert page.status_code == 422
    assert problem in text_of(page)
    assert site.registry.get_customer("shop").revision == 1


def test_a_customer_is_removed_after_a_question_and_brought_back(site: Site, admin: Visitor) -> None:
    question = text_of(admin.get(f"{SHOP}/remove"))
    assert "1 event stops being loaded, at once." in question
    page = admin.send_form(f"{SHOP}/remove", revision=1)
    assert "The customer is removed." in text_of(page)
    assert "This customer was removed on 22 Nov 2026, 09:30." in text_of(page)
    assert buttons_of(page) == {"Log out", "Search", "Bring the customer back"}
    page = admin.send_form(f"{SHOP}/restore", revision=2)
    assert "The customer is back." in text_of(page)
    assert site.registry.get_event("shop", "sale").state == "removed"
    assert admin.send_form(f"{SHOP}/remove", revision=1).status_code == 409
    assert site.registry.get_customer("shop").removed_at is None


# Events


def test_the_table_of_events_shows_what_is_known(site: Site, admin: Visitor) -> None:
    site.registry.record_seen("shop", "2026-11-22T07", {"sale": ("Sale", 12)})
    figures = EventStatistics("2026-11-22T07", site.clock.now(), 12_345, 6, 7)
    site.ledgers.figures["shop"] = {"sale": figures}
    page = text_of(admin.get(SHOP))
    assert "Sale sale active fresh 22 Nov, 07:00 12,345 6 7 – Pause sale Remove sale" in page
    site.clock.advance(timedelta(hours=1))
    assert "Sale sale active silent 22 Nov, 07:00" in text_of(admin.get(SHOP))


def test_rejected_records_that_name_no_event_are_told_too(site: Site, admin: Visitor) -> None:
    nameless = EventStatistics("2026-11-22T07", site.clock.now(), 0, 1_234, 0)
    site.ledgers.figures["shop"] = {UNIDENTIFIED: nameless}
    page = text_of(admin.get(SHOP))
    assert "1,234 records of the last 24 hours name no event, so they are rejected and kept in quarantine." in page
    assert "1–1 of 1 events" in page


def test_figures_of_a_warehouse_that_is_away_are_the_last_known(site: Site, admin: Visitor) -> None:
    site.registry.record_seen("shop", "2026-11-22T07", {"sale": ("Sale", 12)})
    site.ledgers.is_away = True
    page = text_of(admin.get(SHOP))
    assert "What was loaded is not available now." in page
    assert "Sale sale active unknown – – – –" in page
    site.ledgers.is_away = False
    site.ledgers.figures["shop"] = {"sale": EventStatistics("2026-11-22T07", site.clock.now(), 12, 0, 0)}
    assert "not available" not in text_of(admin.get(SHOP))
    site.ledgers.is_away = True
    site.clock.advance(timedelta(minutes=20))
    for path in (SHOP, SALE):
        assert "What was loaded is not available now; these are the figures of 20 min ago." in text_of(admin.get(path))
    assert "Sale sale active fresh 22 Nov, 07:00 12 0 0" in text_of(admin.get(SHOP))


def test_events_are_filtered_by_state_and_name(site: Site, admin: Visitor) -> None:
    for slug in ("view", "old"):
        site.registry.add_event("shop", slug)
    site.registry.pause_event("shop", "view")
    site.registry.remove_event("shop", "old")
    page = admin.get(SHOP)
    assert "in use 2 active 1 paused 1 removed 1 discovered 0" in text_of(page)
    assert "Bring back" not in buttons_of(page)
    assert {"Resume", "Pause", "Remove"} <= buttons_of(page)
    assert buttons_of(admin.get(f"{SHOP}?state=removed")) == {"Log out", "Search", "Add an event", "Bring back"}
    assert "1–1 of 1 events" in text_of(admin.get(f"{SHOP}?q=VIE"))
    assert "No event fits zzz" in text_of(admin.get(f"{SHOP}?q=zzz"))
    assert "in use 2" in text_of(admin.get(f"{SHOP}?state=%3Cscript%3E"))


def test_an_event_is_added_under_the_name_that_apps_send(site: Site, admin: Visitor) -> None:
    page = admin.send_form(f"{SHOP}/events/add-event", name="Order Completed", deadline="90")
    assert page.url.path == "/admin/customers/shop/events/order_completed"
    assert "The event is added." in text_of(page)
    event = site.registry.get_event("shop", "order_completed")
    assert (event.display_name, event.freshness_deadline_minutes) == ("Order Completed", 90)
    again = admin.send_form(f"{SHOP}/events/add-event", name="Order Completed")
    assert again.status_code == 409
    assert "Not done. The event is active." in text_of(again)


def test_an_event_goes_through_its_life_by_single_clicks(site: Site, admin: Visitor) -> None:
    registry = site.registry
    for action, after in (
        ("pause", "paused"),
        ("resume", "active"),
        ("remove", "removed"),
        ("bring-back", "active"),
    ):
        event = registry.get_event("shop", "sale")
        page = admin.send_form(f"{SALE}/{action}", revision=event.revision)
        assert page.status_code == 200
        assert page.url.path == "/admin/customers/shop"
        assert "sale :" in text_of(page)
        assert registry.get_event("shop", "sale").state == after
    page = admin.send_form(f"{SALE}/pause", revision=registry.get_event("shop", "sale").revision, **{"from": "event"})
    assert page.url.path == "/admin/customers/shop/events/sale"
    assert {entry.actor for entry in registry.list_audit("shop")[:5]} == {"token:tester"}


def test_a_discovered_event_shows_its_sample_and_is_activated(site: Site, admin: Visitor) -> None:
    site.registry.update_customer("shop", policy=Policy(auto_activate=False))
    sample = {"type": "track", "properties": {"price": "number"}}
    site.registry.record_seen("shop", "2026-11-22T07", {"wish": ("Wish Made", 9)}, samples={"wish": sample})
    page = text_of(admin.get(SHOP))
    assert "1 event arrived without being added and waits for a decision. Look at it" in page
    assert "Wish Made wish discovered – – – – – 9 Activate wish Remove wish" in page
    event = text_of(admin.get(f"{SHOP}/events/wish"))
    assert '"properties": { "price": "number" }' in event
    assert "its values are masked" in event
    done = admin.send_form(f"{SHOP}/events/wish/activate", revision=1)
    assert "The event is active" in text_of(done)
    assert site.registry.get_event("shop", "wish").state is EventState.ACTIVE


def test_a_stale_click_changes_nothing_and_shows_how_it_is(site: Site, admin: Visitor) -> None:
    site.registry.pause_event("shop", "sale")
    page = admin.send_form(f"{SALE}/remove", revision=1)
    assert page.status_code == 409
    assert "Somebody else changed this" in text_of(page)
    assert "Sale sale paused" in text_of(page)
    assert site.registry.get_event("shop", "sale").state == "paused"


def test_a_click_that_comes_too_late_says_why(site: Site, admin: Visitor) -> None:
    page = admin.send_form(f"{SALE}/activate", revision=site.registry.pause_event("shop", "sale").revision)
    assert page.status_code == 409
    assert "Not done. The event is paused." in text_of(page)


def test_name_and_deadline_of_an_event_are_changed(site: Site, admin: Visitor) -> None:
    assert "The event is saved." in text_of(admin.send_form(SALE, revision=1, display_name="Sales", deadline=""))
    event = site.registry.get_event("shop", "sale")
    assert (event.display_name, event.freshness_deadline_minutes) == ("Sales", None)
    page = admin.send_form(SALE, revision=event.revision, display_name="Sales", deadline="0")
    assert page.status_code == 422
    assert "Use 1 to" in text_of(page)


def test_what_is_not_there_is_a_page_of_its_own(admin: Visitor) -> None:
    for path in ("/customers/nobody", f"{SHOP}/events/nothing", f"{CONTRACT}/versions/9", f"{SHOP}/keys/none", "/x/y"):
        page = admin.get(path)
        assert page.status_code == 404, path
        assert "There is nothing here." in text_of(page)
    assert admin.get(f"{CONTRACT}/versions/first").status_code == 422


# Contracts


def test_a_contract_is_inferred_tried_and_put_in_force(site: Site, admin: Visitor) -> None:
    fields = {"revision": "1", "mode": "reject", "note": "prices", "hours": "48"}
    inferred = admin.send_form(CONTRACT, **fields, schema="", do="infer")
    assert site.probe.asked == [("shop", "sale", 48)]
    assert "fits every record of the last 48 hours" in text_of(inferred)
    typed = re.search(r"<textarea[^>]*>(.*?)</textarea>", inferred.text, re.S)
    assert typed is not None
    assert json.loads(unescape(typed[1])) == SCHEMA
    assert 'name="note" maxlength="1000" value="prices"' in inferred.text
    tried = admin.send_form(CONTRACT, **fields, schema=json.dumps(SCHEMA), do="dry-run")
    assert site.probe.asked[1] == ("shop", "sale", "reject", SCHEMA, 48)
    page = text_of(tried)
    assert "Records read 1,200 Would be rejected 34 Values discarded 5" in page
    assert "Not all records were read" in page
    assert "/price type 34" in page
    assert 'a<b>.ndjson.gz line 7 /price: "*" is not of type "number"' in page
    assert site.registry.list_contracts("shop", "sale") == []
    stored = admin.send_form(CONTRACT, **fields, schema=json.dumps(SCHEMA), do="switch-on")
    assert "The contract is in force." in text_of(stored)
    (contract,) = site.registry.list_contracts("shop", "sale")
    assert (contract.mode, contract.schema, contract.note, contract.created_by) == (
        "reject",
        SCHEMA,
        "prices",
        "token:tester",
    )
    assert site.registry.get_event("shop", "sale").contract_version == 1


def test_versions_are_kept_and_switched(site: Site, admin: Visitor) -> None:
    site.registry.add_contract("shop", "sale", "evolve", {"type": "object"})
    revision = site.registry.get_event("shop", "sale").revision
    fields = {"mode": "freeze", "note": "", "hours": "24", "schema": json.dumps(SCHEMA)}
    kept = admin.send_form(CONTRACT, revision=revision, **fields, do="keep")
    assert "It is not in force yet." in text_of(kept)
    assert site.registry.get_event("shop", "sale").contract_version == 1
    revision = site.registry.get_event("shop", "sale").revision
    assert "The contract is in force." in text_of(
        admin.send_form(f"{CONTRACT}/version", revision=revision, version="2")
    )
    assert site.registry.get_event("shop", "sale").contract_version == 2
    assert '"price"' in text_of(admin.get(f"{CONTRACT}/versions/2"))
    stale = admin.send_form(f"{CONTRACT}/version", revision=revision, version="1")
    assert stale.status_code == 409
    revision = site.registry.get_event("shop", "sale").revision
    off = admin.send_form(f"{CONTRACT}/version", revision=revision, version="")
    assert "No contract is in force any more." in text_of(off)
    assert site.registry.get_event("shop", "sale").contract_version is None


@pytest.mark.parametrize(
    ("changes", "status", "problem"),
    [
        ({"schema": "{not json", "do": "dry-run"}, 422, "Schema: it is not JSON"),
        ({"schema": "[" * 100_000, "do": "switch-on"}, 422, "Schema: it is nested too deeply."),
        ({"schema": "[]", "do": "keep"}, 422, "Schema: it is not a JSON object."),
        ({"schema": '{"type": 7}', "do": "switch-on"}, 422, ""),
        ({"mode": "<b>", "do": "switch-on"}, 422, "Unknown mode."),
        ({"hours": "0", "do": "infer"}, 422, "0 hours cannot be read. Give 1 to 168."),
        ({"hours": "169", "do": "dry-run"}, 422, "169 hours cannot be read."),
        ({"revision": "9", "do": "switch-on"}, 409, "Somebody else changed this"),
    ],
)
def test_a_contract_that_cannot_be_is_refused_and_the_text_stays(
    site: Site, admin: Visitor, changes: dict[str, str], status: int, problem: str
) -> None:
    start = {"revision": "1", "mode": "evolve", "note": "mine", "hours": "24", "schema": '{"type": "object"}'}
    fields = start | changes
    page = admin.send_form(CONTRACT, **fields)
    assert page.status_code == status
    assert f"Not done. {problem}" in text_of(page)
    typed = re.search(r"<textarea[^>]*>(.*?)</textarea>", page.text, re.S)
    assert typed is not None
    assert unescape(typed[1]) == fields["schema"]
    assert site.registry.list_contracts("shop", "sale") == []


def test_hours_without_records_are_said_so(site: Site, admin: Visitor) -> None:
    site.probe.has_records = False
    page = admin.send_form(CONTRACT, revision=1, mode="evolve", hours=24, schema="{}", do="infer")
    assert page.status_code == 404
    assert "Not done. There are no records in these hours." in text_of(page)


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (
            ObjectStoreUnavailableError("x", cause="secret-host", remedy="r"),
            503,
            "What this needs does not answer now.",
        ),
        (ObjectNotFoundError("x", cause="secret-host", remedy="r"), 500, "Something went wrong."),
    ],
)
def test_records_that_cannot_be_read_are_no_reason_to_lose_the_text(
    site: Site,
    admin: Visitor,
    monkeypatch: pytest.MonkeyPatch,
    error: ClickstreamError,
    status: int,
    text: str,
) -> None:
    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(site.probe, "dry_run", fail)
    page = admin.send_form(CONTRACT, revision=1, mode="evolve", hours=24, schema='{"title": "mine"}', do="dry-run")
    assert page.status_code == status
    assert f"Not done. {text}" in text_of(page)
    assert "mine" in page.text
    assert "secret-host" not in page.text


def test_a_registry_without_warehouse_and_objects_says_so(registry: RegistryService, clock: FixedClock) -> None:
    registry.add_customer("shop")
    registry.add_event("shop", "sale")
    with running_site(registry, clock, is_bare=True) as site, site.visitor() as admin:
        assert "What was loaded is not available now." in text_of(admin.get(SHOP))
        assert "This registry cannot read raw records" in text_of(admin.get(CONTRACT))
        page = admin.send_form(CONTRACT, revision=1, mode="evolve", hours=24, schema="{}", do="dry-run")
        assert page.status_code == 409
        assert "this registry cannot read raw records" in text_of(page).lower()


# What goes wrong


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (
            RegistryUnavailableError("asking", cause="locked by secret-host", remedy="Wait."),
            503,
            "The registry is busy.",
        ),
        (RegistryError("asking", cause="no such table on secret-host", remedy="Repair."), 500, "Something went wrong."),
        (ZeroDivisionError("secret-host"), 500, "Something went wrong."),
    ],
)
def test_what_goes_wrong_is_a_page_that_tells_no_secret(
    site: Site,
    admin: Visitor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
    text: str,
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(type(site.registry), "list_customers", fail)
    page = admin.get("/customers")
    assert page.status_code == status
    assert text in text_of(page)
    assert "secret-host" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert ("retry-after" in page.headers) == (status == 503)
    # The server writes its log after it has answered.
    deadline = time.monotonic() + 5 * (status == 500)
    while "secret-host" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ("secret-host" in caplog.text) == (status == 500)
