"""Eleven real logs, an hour each: complete, unchanged, and the same tables however they arrive."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from isal import igzip

from clickstream_platform.model.naming import event_slug
from clickstream_platform.model.streams import TRACKS
from clickstream_platform_tests.acceptance.driver import HOUR, Platform, differences
from clickstream_platform_tests.acceptance.faithful import missing_values
from clickstream_platform_tests.shared_data import needs_shared_data, shared_data

pytestmark = needs_shared_data("1-event-logs")

LOGS = (
    "cloudtrail-ec2-proxy-otrf",
    "gharchive-min-2015-02-22-21",
    "gharchive-min-2015-04-23-10",
    "github-2021-07-21-pinot",
    "github-issue-events-dlt",
    "github-webhooks-octokit",
    "nginxplus-json-elastic",
    "otto-ecommerce-sessions",
    "snowplow-web-events-dbt",
    "windows-msf-record-mic-otrf",
    "zeek-small-logs-brim",
)
# The others take seconds for each way.
SMALL = tuple(log for log in LOGS if not log.startswith(("gharchive", "windows", "zeek")))


@cache
def compressed(log: str) -> bytes:
    return shared_data("1-event-logs", "segment", f"{log}.ndjson.gz").read_bytes()


@cache
def lines_of(log: str) -> tuple[bytes, ...]:
    return tuple(igzip.decompress(compressed(log)).split(b"\n")[:-1])


def expected_rows(log: str) -> dict[str, int]:
    """Return table -> distinct ids, from the recorded counts; names that become one table are counted from the lines."""
    counts: dict[str, Any] = json.loads(shared_data("1-event-logs", "expected_counts.json").read_bytes())[log]
    names: dict[str, list[str]] = {}
    for name in counts["per_event"]:
        names.setdefault(event_slug(name), []).append(name)
    rows = {}
    for slug, sent in names.items():
        if len(sent) == 1:
            rows[slug] = counts["per_event"][sent[0]]["distinct_ids"]
        else:
            records = (json.loads(line) for line in lines_of(log))
            rows[slug] = len({record["messageId"] for record in records if record["event"] in sent})
    return rows


def customer_of(log: str) -> str:
    return log.replace("-", "_")


@pytest.fixture(scope="module")
def loaded(platform: Platform) -> dict[str, str]:
    """Load every log as one hour of a customer of its own; return log -> customer."""
    for log in LOGS:
        platform.add_customer(customer_of(log))
        platform.ingest(customer_of(log), compressed(log))
        assert set(platform.load(customer_of(log)).values()) == {"loaded"}
    return {log: customer_of(log) for log in LOGS}


@pytest.mark.parametrize("log", LOGS)
def test_rows_per_event_are_the_distinct_ids(platform: Platform, loaded: dict[str, str], log: str) -> None:
    tables, expected = platform.tables(loaded[log]), expected_rows(log)
    assert {slug: len(tables[slug].rows) for slug in expected} == expected
    assert len(tables[TRACKS].rows) == sum(expected.values())
    counts = platform.counts(loaded[log])
    assert counts["raw"] == len(lines_of(log))
    assert counts["loaded"] == sum(expected.values())
    assert counts["rejected"] == 0
    ids = [row["id"] for slug in expected for row in tables[slug].rows]
    assert len(ids) == len(set(ids)) or log == "snowplow-web-events-dbt"
    assert tables.keys() - expected.keys() <= {"tracks", "_loads", "_discards"}


@pytest.mark.parametrize("log", [log for log in SMALL if log != "snowplow-web-events-dbt"])
def test_every_value_that_was_sent_is_found_again(platform: Platform, loaded: dict[str, str], log: str) -> None:
    assert missing_values(platform.tables(loaded[log]), lines_of(log)) == []


@pytest.mark.parametrize("log", ["gharchive-min-2015-02-22-21", "windows-msf-record-mic-otrf", "zeek-small-logs-brim"])
def test_every_value_of_a_sample_is_found_again(platform: Platform, loaded: dict[str, str], log: str) -> None:
    assert missing_values(platform.tables(loaded[log]), lines_of(log)[::7]) == []


@pytest.mark.parametrize("log", LOGS)
def test_loading_again_changes_nothing(platform: Platform, loaded: dict[str, str], log: str) -> None:
    customer = loaded[log]
    before = platform.query(f'SELECT * FROM "{customer}"._loads ORDER BY event')
    report = platform.ingest(customer, compressed(log))
    assert report.is_already_ingested
    assert set(platform.load(customer).values()) == {"already_loaded"}
    assert platform.query(f'SELECT * FROM "{customer}"._loads ORDER BY event') == before


@pytest.mark.parametrize("log", [*SMALL, "windows-msf-record-mic-otrf"])
@pytest.mark.parametrize("way", ["halves", "reversed", "reversed halves"])
def test_the_tables_are_the_same_however_the_log_arrives(
    platform: Platform, loaded: dict[str, str], log: str, way: str
) -> None:
    customer = platform.add_customer(f"{customer_of(log)}_{way.replace(' ', '_')}")
    lines = list(lines_of(log))
    if "reversed" in way:
        lines.reverse()
    half = len(lines) // 2 if "halves" in way else len(lines)
    for part in (lines[:half], lines[half:]):
        if part:
            platform.ingest(customer, part)
            assert "loaded" in platform.load(customer).values()
    assert differences(platform.tables(loaded[log]), platform.tables(customer)) == []
    assert platform.counts(customer) == platform.counts(loaded[log])


def test_halves_that_are_there_before_the_first_load(platform: Platform, loaded: dict[str, str]) -> None:
    log = "snowplow-web-events-dbt"
    customer = platform.add_customer("snowplow_together")
    half = len(lines_of(log)) // 2
    platform.ingest(customer, lines_of(log)[half:])
    platform.ingest(customer, lines_of(log)[:half])
    platform.load(customer)
    assert differences(platform.tables(loaded[log]), platform.tables(customer)) == []


def test_a_log_in_two_hours_has_no_row_twice(platform: Platform) -> None:
    log = "snowplow-web-events-dbt"
    customer = platform.add_customer("snowplow_two_hours")
    for hour in (HOUR, HOUR.plus(1)):
        platform.ingest(customer, compressed(log), hour)
    platform.load(customer, HOUR, HOUR.plus(1))
    tables = platform.tables(customer)
    assert {slug: len(tables[slug].rows) for slug in expected_rows(log)} == expected_rows(log)
    assert platform.counts(customer, HOUR.plus(1))["loaded"] == 0


@pytest.mark.parametrize("log", ["cloudtrail-ec2-proxy-otrf", "snowplow-web-events-dbt"])
def test_logs_with_their_objects_in_any_store(any_platform: Platform, log: str) -> None:
    customer = any_platform.add_customer("acme")
    lines = lines_of(log)
    any_platform.ingest(customer, lines[::2])
    any_platform.load(customer)
    any_platform.ingest(customer, lines[1::2])
    any_platform.load(customer)
    tables = any_platform.tables(customer)
    assert {slug: len(tables[slug].rows) for slug in expected_rows(log)} == expected_rows(log)
    assert set(any_platform.load(customer).values()) == {"already_loaded"}
    assert any_platform.discover() == {customer: sum(1 for _ in any_platform.raw_keys())}
