"""What people change through the registry's API is followed by partitions, assets and rows, without any restart.

The sensors tick at their default interval; the times that are printed are those between the call and what it shows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import orjson
import pytest
from playwright.sync_api import expect, sync_playwright

from clickstream_platform.model.hours import Hour
from clickstream_platform_tests.e2e.stack import Stack, running_stack, wait_until
from clickstream_platform_tests.e2e.test_web_interface import CHROMIUM, CHROMIUM_OPTIONS, keep_picture

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

NEW_CUSTOMER_SECONDS, NEW_PARTITION_SECONDS = 90, 60
ROWS_SECONDS = 150  # a tick, the queue, and a run's start
_numbers = count()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("home"), with_demo=False, interval_seconds=None) as running:
        running.call("POST", "/customers", {"name": "Standing"})
        wait_until(lambda: ("standing", "event_tables") in running.assets(), NEW_CUSTOMER_SECONDS, lambda: "no assets")
        yield running


def ingest(stack: Stack, customer: str, name: str, hour: Hour, records: int = 3) -> None:
    """Ingest some records of an hour that has closed by time."""
    lines = [
        {
            "type": "track",
            "event": name,
            "messageId": f"{name}-{next(_numbers)}",
            "receivedAt": f"{hour}:10:00Z",
            "properties": {"total": 5, "note": "a secret"},
        }
        for _ in range(records)
    ]
    path = stack.home / f"records-{next(_numbers)}.ndjson"
    path.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    stack.run("ingest", str(path), "--customer", customer)


def closed_hour(hours_back: int = 2) -> Hour:
    """Return an hour that has closed whatever the clock says."""
    return Hour.of(datetime.now(UTC) - timedelta(hours=hours_back))


def report(what: str, seconds: float) -> None:
    """Print a time, for people who read the output of the tests."""
    print(f"{what}: {seconds:.1f} s")


def wait_for_rows(stack: Stack, customer: str, event: str, expected: dict[str, int]) -> float:
    def have_rows() -> bool:
        return stack.rows(customer, event) == expected

    return wait_until(have_rows, ROWS_SECONDS, lambda: f"{stack.rows(customer, event)}, not {expected}")


def wait_for_partition(stack: Stack, customer: str, event: str, *, is_there: bool = True) -> float:
    return wait_until(
        lambda: (event in stack.partitions(customer)) == is_there,
        NEW_PARTITION_SECONDS if is_there else 240,
        lambda: f"partitions: {stack.partitions(customer)}",
    )


def test_a_new_customer_and_event_have_assets_partitions_and_rows_without_a_restart(stack: Stack) -> None:
    customer = stack.call("POST", "/customers", {"name": "New Shop"})
    assert customer["slug"] == "new_shop"
    event = stack.call("POST", "/customers/new_shop/events", {"name": "Order Completed"})
    seconds = wait_until(
        lambda: ("new_shop", "event_tables") in stack.assets() and "order_completed" in stack.partitions("new_shop"),
        NEW_CUSTOMER_SECONDS,
        lambda: f"{stack.assets()}",
    )
    report("API call -> a new customer's assets and partition are visible", seconds)
    assert event["state"] == "active"
    hour = closed_hour()
    ingest(stack, "new_shop", "Order Completed", hour)
    report("ingest -> rows", wait_for_rows(stack, "new_shop", "order_completed", {str(hour): 3}))


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
def test_a_customer_and_an_event_that_were_added_on_the_page_end_as_rows(stack: Stack, tmp_path: Path) -> None:
    token = (stack.home / "registry" / "admin-token").read_text().strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        page = browser.new_page(viewport={"width": 1440, "height": 860})
        page.goto(f"{stack.registry_url}/admin/")
        page.get_by_label("API token").fill(token)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("link", name="Add a customer").click()
        page.get_by_label("Name", exact=True).fill("Corner Shop")
        page.get_by_role("button", name="Add customer").click()
        page.get_by_role("link", name="Add an event").first.click()
        page.get_by_label("Name, as your app sends it").fill("Bread Sold")
        page.get_by_role("button", name="Add event").click()
        expect(page.get_by_role("status")).to_contain_text("The event is added.")
        seconds = wait_until(
            lambda: (
                ("corner_shop", "event_tables") in stack.assets() and "bread_sold" in stack.partitions("corner_shop")
            ),
            NEW_CUSTOMER_SECONDS,
            lambda: f"{stack.assets()}",
        )
        report("page -> a new customer's assets and partition are visible", seconds)
        hour = closed_hour()
        ingest(stack, "corner_shop", "Bread Sold", hour)
        report("ingest -> rows", wait_for_rows(stack, "corner_shop", "bread_sold", {str(hour): 3}))
        page.goto(f"{stack.registry_url}/admin/customers/corner_shop")
        row = page.get_by_role("row", name="Bread Sold")
        expect(row).to_contain_text("active")
        assert keep_picture(page, "registry-running", tmp_path).stat().st_size > 10_000
        browser.close()


def test_a_new_event_is_a_visible_partition_within_a_minute(stack: Stack) -> None:
    runs, assets, before = stack.runs(), stack.assets(), stack.partitions("standing")
    names = ["first", "second", "third"]
    assert not set(names) & set(before)
    for number, name in enumerate(names, start=1):
        event = stack.call("POST", "/customers/standing/events", {"name": name.title()})
        assert (event["slug"], event["state"]) == (name, "active")
        seconds = wait_for_partition(stack, "standing", name)
        report("API call -> visible partition", seconds)
        assert seconds < NEW_PARTITION_SECONDS
        # This one, and none that nobody has added.
        assert stack.partitions("standing") == [*before, *names[:number]]
        time.sleep(7)  # so that the calls come at different times between two ticks
    assert stack.assets() == assets, "an event is a partition, not an asset"
    assert stack.runs() == runs, "nothing has arrived that could be loaded"
    assert all(stack.rows("standing", name) == {} for name in names)


def test_what_arrives_while_an_event_is_paused_is_loaded_when_it_is_resumed(stack: Stack) -> None:
    hour = closed_hour()
    stack.call("POST", "/customers/standing/events", {"name": "Paused"})
    stack.call("POST", "/customers/standing/events/paused/pause")
    ingest(stack, "standing", "Paused", hour)
    ingest(stack, "standing", "Beside", hour)
    wait_for_rows(stack, "standing", "beside", {str(hour): 3})
    assert stack.rows("standing", "paused") == {}
    assert stack.call("GET", "/customers/standing/events/paused")["waiting_records"] == 3
    stack.call("POST", "/customers/standing/events/paused/resume")
    report("resume -> rows", wait_for_rows(stack, "standing", "paused", {str(hour): 3}))


def test_a_removed_event_is_reported_and_not_loaded_until_it_is_added_again(stack: Stack) -> None:
    first, late = closed_hour(4), closed_hour(3)
    ingest(stack, "standing", "Gone", first)
    wait_for_rows(stack, "standing", "gone", {str(first): 3})
    stack.call("DELETE", "/customers/standing/events/gone")
    report("removal -> no partition", wait_for_partition(stack, "standing", "gone", is_there=False))
    ingest(stack, "standing", "Gone", late)
    wait_until(
        lambda: stack.call("GET", "/customers/standing/events/gone")["waiting_records"] >= 3,
        NEW_PARTITION_SECONDS,
        lambda: "the late records were not reported",
    )
    assert stack.rows("standing", "gone") == {str(first): 3}
    assert "gone" not in stack.partitions("standing")
    stack.call("POST", "/customers/standing/events", {"name": "Gone"})
    seconds = wait_for_rows(stack, "standing", "gone", {str(first): 3, str(late): 3})
    report("adding again -> rows of what arrived meanwhile", seconds)
    assert "gone" in stack.partitions("standing")


def test_a_discovered_event_shows_a_masked_sample_and_is_back_filled_when_it_is_activated(stack: Stack) -> None:
    stack.call("PATCH", "/customers/standing", {"policy": {"auto_activate": False}})
    hours = [closed_hour(6), closed_hour(5)]
    for hour in hours:
        ingest(stack, "standing", "Found By Chance", hour)
    wait_until(
        lambda: any(
            event["slug"] == "found_by_chance" and event["seen_records"] == 6
            for event in stack.call("GET", "/customers/standing/events")["items"]
        ),
        NEW_PARTITION_SECONDS,
        lambda: "it was not discovered",
    )
    event = stack.call("GET", "/customers/standing/events/found_by_chance")
    assert (event["state"], event["display_name"], event["first_seen_hour"]) == (
        "discovered",
        "Found By Chance",
        str(hours[0]),
    )
    sample = stack.call("GET", "/customers/standing/events/found_by_chance/sample")
    assert sample["sample"]["properties"] == {"total": "<number>", "note": "<text, 8 characters>"}
    stack.call("POST", "/customers/standing/events/found_by_chance/activate")
    seconds = wait_for_rows(stack, "standing", "found_by_chance", {str(hour): 3 for hour in hours})
    report("activation -> rows since the first record", seconds)
