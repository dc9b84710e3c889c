"""A thousand customers with twenty events each: every list is complete; `pytest -s` prints how long each takes."""

from __future__ import annotations

import time

from clickstream_platform.registry.entities import Customer, Event, EventState, Policy
from clickstream_platform_tests.registry.pages.site import Site, Visitor, text_of

CUSTOMERS, EVENTS = 1_000, 20


def fill(site: Site) -> None:
    """Write them as rows: one operation for each would take a while, and is not what is looked at here."""
    now, states = site.clock.now(), list(EventState)
    slugs = [f"customer_{number:04d}" for number in range(CUSTOMERS)]
    with site.registry._store.writing() as transaction:
        transaction.insert([Customer(slug, slug.title(), Policy(), "default", False, now) for slug in slugs])
        transaction.insert(
            [
                Event(slug, f"event_{number}", f"Event {number}", states[number % 4], 60, now, None)
                for slug in slugs
                for number in range(EVENTS)
            ]
        )


def test_a_thousand_customers_are_listed(site: Site, admin: Visitor) -> None:
    fill(site)
    expected = {
        "/customers": "1–50 of 1,001 customers",
        "/customers?q=CUSTOMER_": "1–50 of 1,000 customers",
        "/customers?q=0999": "1–1 of 1 customers",
        "/customers?page=21&removed=yes": "1,001–1,001 of 1,001 customers",
        "/customers/customer_0500": "1–15 of 15 events",
        "/customers/customer_0500?state=removed": "1–5 of 5 events",
        "/destinations": "1,001",
        "/data/registry-events/list?page=2": "Showing 51 to 100 of 20001 items",
    }
    for path, text in expected.items():
        began = time.perf_counter()
        page = admin.get(path)
        print(f"{path}: {time.perf_counter() - began:.3f} s")
        assert page.status_code == 200
        assert text in text_of(page), path
    assert "Customer_0000 customer_0000 5 active 5 paused 5 removed 5 discovered" in text_of(admin.get("/customers"))
