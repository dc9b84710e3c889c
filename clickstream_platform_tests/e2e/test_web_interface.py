"""The web interface shows what the demonstration loaded, and the daemon goes on from there by itself.

Pictures are written to the folder CLICKSTREAM_TEST_SCREENSHOTS when it is set: that is how docs/images is made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from clickstream_platform.model.hours import Hour
from clickstream_platform_tests.e2e.stack import Stack, running_stack, wait_until
from clickstream_platform_tests.transform.batches import track

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DEMO_RUNS = 6

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield browser.new_page(viewport={"width": 1440, "height": 860})
        browser.close()


def keep_picture(page: Page, name: str, tmp_path: Path) -> Path:
    folder = Path(os.environ.get("CLICKSTREAM_TEST_SCREENSHOTS", tmp_path))
    page.wait_for_timeout(3_000)  # the interface draws its graphs in steps
    path = folder / f"{name}.png"
    page.screenshot(path=path)
    return path


def test_the_asset_graph_shows_each_customer(stack: Stack, page: Page, tmp_path: Path) -> None:
    page.goto(f"{stack.url}/asset-groups")
    expect(page.get_by_text("bigshop").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("tinyapp").first).to_be_visible(timeout=60_000)
    page.goto(f"{stack.url}/locations/clickstream_platform/asset-groups/bigshop")
    for step in ("raw_batches", "staged_batches", "event_tables"):
        expect(page.get_by_text(step).first).to_be_visible(timeout=60_000)
    assert keep_picture(page, "asset-graph", tmp_path).stat().st_size > 10_000


def test_partitions_have_an_exact_status(stack: Stack, page: Page, tmp_path: Path) -> None:
    query = """query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
      partitionStats { numMaterialized numFailed } } } }"""
    stats = stack.ask(query, key={"path": ["tinyapp", "event_tables"]})["assetNodeOrError"]["partitionStats"]
    # Which streams there are depends on the hour of the demonstration; one without records in an hour has zero rows.
    events = {row["event"] for row in orjson.loads(stack.run("loads", "--customer", "tinyapp", "--json"))}
    assert stats == {"numMaterialized": 3 * len(events), "numFailed": 0}
    assert len(events) >= 6
    page.goto(f"{stack.url}/assets/bigshop/event_tables?view=partitions")
    expect(page.get_by_text("product_viewed").first).to_be_visible(timeout=60_000)
    assert keep_picture(page, "partitions", tmp_path).stat().st_size > 10_000


def test_a_run_shows_what_it_loaded(stack: Stack, page: Page, tmp_path: Path) -> None:
    runs = stack.wait_for_runs(DEMO_RUNS, seconds=10)
    assert {run["status"] for run in runs} == {"SUCCESS"}
    big = next(run for run in runs if {"key": "clickstream/customer", "value": "bigshop"} in run["tags"])
    page.goto(f"{stack.url}/runs/{big['runId']}")
    expect(page.get_by_text("load_bigshop").first).to_be_visible(timeout=60_000)
    assert keep_picture(page, "run", tmp_path).stat().st_size > 10_000


def test_the_daemon_loads_a_late_object_and_a_new_event_by_itself(stack: Stack, tmp_path: Path) -> None:
    hour = (stack.home / "demo" / "first_hour").read_text().strip()
    before = {
        (row["event"], row["hour"]): row for row in orjson.loads(stack.run("loads", "--customer", "tinyapp", "--json"))
    }
    late = tmp_path / "late.ndjson"
    arrived = f"{hour}:30:00.000Z"
    late.write_bytes(
        b"\n".join(
            [track("Feature Used", f"late-{n}", {"n": n}, receivedAt=arrived) for n in range(3)]
            + [track("Brand New Event", "new-1", {"n": 1}, receivedAt=arrived)]
        )
    )
    stack.run("ingest", str(late), "--customer", "tinyapp")
    runs = stack.wait_for_runs(DEMO_RUNS + 1, seconds=180)
    assert len(runs) == DEMO_RUNS + 1, "exactly the customer-hour of the late object runs again"
    assert runs[0]["status"] == "SUCCESS"
    assert {"key": "clickstream/hour", "value": hour} in runs[0]["tags"]
    after = {
        (row["event"], row["hour"]): row for row in orjson.loads(stack.run("loads", "--customer", "tinyapp", "--json"))
    }
    changed = {key for key in after if after[key] != before.get(key)}
    assert changed == {("feature_used", hour), ("brand_new_event", hour)}
    assert after["feature_used", hour]["loaded"] == before["feature_used", hour]["loaded"] + 3


def test_a_new_customer_appears_and_loads_without_a_restart(stack: Stack, tmp_path: Path) -> None:
    hour = (stack.home / "demo" / "first_hour").read_text().strip()
    known = len(stack.runs())
    events = tmp_path / "events.ndjson"
    events.write_bytes(
        b"\n".join(track("First Event", f"f-{n}", {"n": n}, receivedAt=f"{hour}:10:00Z") for n in range(5))
    )
    stack.run("ingest", str(events), "--customer", "newcomer")
    runs = stack.wait_for_runs(known + 1, seconds=240)
    assert runs[0]["status"] == "SUCCESS"
    rows = orjson.loads(stack.run("query", "SELECT count(*) AS n FROM newcomer.first_event", "--json"))
    assert rows == [{"n": 5}]


def test_the_checks_tell_how_every_stream_stands(stack: Stack) -> None:
    wanted = {"reconciliation", "freshness", "duration", "volume", "content"}

    def are_told() -> bool:
        return {name for name, found in evaluations(stack, "bigshop").items() if found} == wanted

    wait_until(are_told, 240, lambda: str(evaluations(stack, "bigshop")))
    freshness = evaluations(stack, "bigshop")["freshness"]
    assert (freshness["success"], "as fresh as they must be" in freshness["description"]) == (True, True)


def test_a_failed_check_has_a_row_for_the_stream_that_cannot_be_loaded(
    stack: Stack, page: Page, tmp_path: Path
) -> None:
    stack.call("PATCH", "/customers/tinyapp", {"policy": {"load_threshold_percent": 10}})
    stack.call("POST", "/customers/tinyapp/events", {"name": "Invoice Paid"})
    schema = {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}
    stack.call("POST", "/customers/tinyapp/events/invoice_paid/contracts", {"mode": "reject", "schema": schema})
    # An hour that no look has listed yet: the one that ended last.
    hour = Hour.of(datetime.now(UTC)).plus(-1)
    records = tmp_path / "events.ndjson"
    arrived = {"receivedAt": f"{hour}:20:00Z"}
    records.write_bytes(
        b"\n".join(track("Invoice Paid", f"i{each}", {"total": each}, **arrived) for each in (5, "x", "y"))
    )
    stack.run("ingest", str(records), "--customer", "tinyapp")
    wait_until(
        lambda: evaluations(stack, "tinyapp")["freshness"].get("success") is False,
        300,
        lambda: f"{evaluations(stack, 'tinyapp')}: {stack.runs()}",
    )
    assert "invoice_paid is blocked" in evaluations(stack, "tinyapp")["freshness"]["description"]
    page.goto(f"{stack.url}/assets/tinyapp/event_tables?view=checks&checkDetail=freshness")
    expect(page.get_by_text("offenders").first).to_be_visible(timeout=60_000)
    assert keep_picture(page, "checks", tmp_path).stat().st_size > 10_000


def evaluations(stack: Stack, customer: str) -> dict[str, dict[str, Any]]:
    """Return what the web interface shows of each check of a customer's tables; empty: nothing yet."""
    query = """query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
      assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization {
        evaluation { success description } } } } } } } }"""
    node = stack.ask(query, key={"path": [customer, "event_tables"]})["assetNodeOrError"]
    checks = node["assetChecksOrError"]["checks"]
    return {each["name"]: (each["executionForLatestMaterialization"] or {}).get("evaluation") or {} for each in checks}
