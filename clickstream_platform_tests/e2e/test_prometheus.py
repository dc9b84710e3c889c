"""Every panel of every dashboard shows data of a running platform, as a real Prometheus has scraped it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_platform.observe.dashboards.pages import PAGES
from clickstream_platform.observe.dashboards.panels import Panel
from clickstream_platform_tests.e2e.monitored import CUSTOMER, RECORDS, Monitored, installed, monitored_platform
from clickstream_platform_tests.e2e.stack import wait_until
from clickstream_platform_tests.observe.families import series_names

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not installed(), reason="prometheus is not installed: apt-get install prometheus"),
]

DATA_SECONDS = 180
LEDGER_SECONDS = 90  # ledgers are read every minute
RANGE_SECONDS = 300
NOT_YET_COUNTED = {
    # Series that begin with their first event, which nothing here causes.
    "clickstream_batcher_failures_total",
    "clickstream_collector_kinesis_failures_total",
    "clickstream_collector_refused_requests_total",
    "clickstream_alerts_messages_total",
    "clickstream_alerts_open",
    "clickstream_dagster_queued_runs",
    "clickstream_registry_http_problems_total",
    # Processes tell them once a log index is set.
    "clickstream_logs_lines_total",
    "clickstream_logs_outages_total",
    "clickstream_logs_index_away",
    "clickstream_logs_buffer_bytes",
    "clickstream_logs_buffer_limit_bytes",
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, kinesis_endpoint: str) -> Iterator[Monitored]:
    with monitored_platform(tmp_path_factory.mktemp("home"), kinesis_endpoint) as running:
        yield running


def filled_in(expr: str) -> str:
    """Return an expression as Grafana would send it."""
    return expr.replace("$__rate_interval", "1m").replace("$customer", CUSTOMER)


def has_data(platform: Monitored, expr: str) -> bool:
    return any(math.isfinite(value) for _, value in platform.query(filled_in(expr)))


def test_every_query_of_every_panel_returns_data(platform: Monitored) -> None:
    waiting = {
        (name, panel.title, query.expr)
        for name, page in PAGES.items()
        for panel in page.panels()
        for query in panel.queries
    }
    assert len(waiting) > 100

    def have_data() -> bool:
        platform.send()
        waiting.difference_update([key for key in waiting if has_data(platform, key[2])])
        return not waiting

    wait_until(have_data, DATA_SECONDS, lambda: f"{len(waiting)} queries without data: {sorted(waiting)}")
    assert waiting == set()


def test_every_rule_is_evaluated_without_an_error(platform: Monitored) -> None:
    def rules() -> list[dict[str, str]]:
        return [rule for group in platform.ask("rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] == "ok" for rule in rules()), 60, lambda: str(rules()))
    assert len(rules()) > 50


def test_what_is_found_is_an_alert_of_its_customer_and_nothing_else_is(platform: Monitored) -> None:
    finding = 'clickstream_customer_findings{customer="acme"}'
    wait_until(
        lambda: {labels["kind"] for labels, _ in platform.query(finding)} == {"stream_paused"},
        120,
        lambda: str(platform.query(finding)),
    )
    critical = 'clickstream_findings{severity="critical"} > 0'
    assert platform.query(critical) == []


def test_the_customers_numbers_add_up(platform: Monitored) -> None:
    def sums() -> dict[str, float]:
        found = platform.query(f'clickstream_pipeline_records_total{{customer="{CUSTOMER}"}}')
        return {labels["outcome"]: value for labels, value in found}

    wait_until(lambda: sum(sums().values()) == RECORDS, 60, lambda: str(sums()))
    assert min(sums().values()) > 0, "the generated hours have all outcomes"
    ledger = f'clickstream_ledger_rows{{customer="{CUSTOMER}"}}'
    wait_until(
        lambda: [rows for _, rows in platform.query(ledger)] == [sums()["loaded"]],
        LEDGER_SECONDS,
        lambda: f"{platform.query(ledger)}, not {sums()}",
    )


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_picture_of_each_dashboard(platform: Monitored, name: str, tmp_path: Path) -> None:
    """What a person would see, for the documents; CLICKSTREAM_TEST_SCREENSHOTS names the folder to keep it in."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: make bench installs it")
    from clickstream_platform_tests.e2e import dashboard_pictures as pictures

    end = time.time()

    def ask(panel: Panel) -> list[tuple[str, list[tuple[float, float]]]]:
        found = []
        for query in panel.queries:
            times = {"start": str(end - RANGE_SECONDS), "end": str(end), "step": "5"}
            for each in platform.ask("query_range", query=filled_in(query.expr), **times)["result"]:
                points = [(float(at), float(value)) for at, value in each["values"]]
                found.append((pictures.legend(query.legend, each["metric"]), points))
        return found

    path = (
        Path(os.environ.get("CLICKSTREAM_TEST_SCREENSHOTS", tmp_path)) / f"dashboard-{name.removesuffix('.json')}.png"
    )
    pictures.draw(PAGES[name], ask, path)
    assert path.stat().st_size > 50_000


def test_every_metric_of_the_code_is_scraped(platform: Monitored) -> None:
    def missing() -> set[str]:
        return series_names() - set(platform.ask("label/__name__/values")) - NOT_YET_COUNTED

    wait_until(lambda: not missing(), DATA_SECONDS, lambda: f"never scraped: {missing()}")
    assert missing() == set()
    assert series_names() >= NOT_YET_COUNTED, "an exemption of a metric that is no more"
