"""Eleven real logs, an hour each: complete, unchanged, and the same tables however they arrive."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from isal import igzip

from clickstream_platform.model.naming import event_slug
from clickstream_platform.model.streams import TRACKS
from clickstream_platform_tests.acceptance.driver import HOUR, Platform
from clickstream_platform_tests.acceptance.faithful import missing_values
from clickstream_platform_tests.acceptance.readers import differences
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
SNOWPLOW = "snowplow-web-events-dbt"  # the one with contested ids
ACME = "acme"
# Large logs take seconds for each way.
SMALL = tuple(log for log in LOGS if not log.startswith(("gharchive", "windows", "zeek")))


@cache
def compressed(log: str) -> bytes:
    return shared_data("1-event-logs", "segment", f"{log}.ndjson.gz").read_bytes()


@cache
def lines_of(log: str) -> tuple[bytes, ...]:
    return tuple(igzip.decompress(compressed(log)).split(b"\n")[:-1])


def expected_rows(log: str) -> dict[str, int]:
    """Return table -> distinct ids, from the recorded counts; names that share a table are counted from the lines."""
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


@pytest.fixture(scope="module")
def loaded(platforms: Callable[[], Platform]) -> Callable[[str], Platform]:
    """Return a function that gives the platform into which a log was loaded as one hour of the customer `acme`."""

    @cache
    def load(log: str) -> Platform:
        platform = platforms()
        platform.ingest(platform.add_customer(ACME), compressed(log))
        assert set(platform.load(ACME).values()) == {"loaded"}
        return platform

    return load


Loaded = Callable[[str], Platform]


@pytest.mark.parametrize("log", LOGS)
def test_rows_per_event_are_the_distinct_ids(loaded: Loaded, log: str) -> None:
    platform, expected = loaded(log), expected_rows(log)
    tables = platform.tables(ACME)
    assert {slug: len(tables[slug].rows) for slug in expected} == expected
    assert len(tables[TRACKS].rows) == sum(expected.values())
    assert tables.keys() - expected.keys() <= {"tracks", "_loads", "_discards"}
    counts = platform.counts(ACME)
    assert (counts["raw"], counts["loaded"], counts["rejected"]) == (len(lines_of(log)), sum(expected.values()), 0)
    assert all(len({row["id"] for row in tables[slug].rows}) == rows for slug, rows in expected.items())
    assert missing_values(tables, winners(log)[:: 1 if log in SMALL else 7]) == []


def winners(log: str) -> list[bytes]:
    """Return the lines whose id no other line of their event has."""
    counts = Counter((record["event"], record["messageId"]) for record in map(json.loads, lines_of(log)))
    return [line for line in lines_of(log) if counts[(record := json.loads(line))["event"], record["messageId"]] == 1]


@pytest.mark.parametrize("log", LOGS)
def test_loading_again_changes_nothing(loaded: Loaded, log: str) -> None:
    platform = loaded(log)
    before = platform.query("SELECT * FROM acme._loads ORDER BY event")
    assert platform.ingest(ACME, compressed(log)).is_already_ingested
    assert set(platform.load(ACME).values()) == {"already_loaded"}
    assert platform.query("SELECT * FROM acme._loads ORDER BY event") == before


@pytest.mark.redshift  # loads each log twice or more
@pytest.mark.parametrize(
    ("log", "way"),
    [
        *((log, way) for log in (SNOWPLOW, "otto-ecommerce-sessions") for way in ("halves", "reversed")),
        *((log, "reversed halves") for log in (*SMALL, "windows-msf-record-mic-otrf")),
    ],
)
def test_the_tables_are_the_same_however_the_log_arrives(
    platform: Platform, loaded: Loaded, log: str, way: str
) -> None:
    platform.add_customer(ACME)
    lines = list(lines_of(log))
    if "reversed" in way:
        lines.reverse()
    half = len(lines) // 2 if "halves" in way else len(lines)
    for part in (lines[:half], lines[half:]):
        if part:
            platform.ingest(ACME, part)
            assert "loaded" in platform.load(ACME).values()
    assert differences(loaded(log).tables(ACME), platform.tables(ACME)) == []
    assert platform.counts(ACME) == loaded(log).counts(ACME)


def test_halves_that_are_there_before_the_first_load(platform: Platform, loaded: Loaded) -> None:
    half = len(lines_of(SNOWPLOW)) // 2
    platform.add_customer(ACME)
    platform.ingest(ACME, lines_of(SNOWPLOW)[half:])
    platform.ingest(ACME, lines_of(SNOWPLOW)[:half])
    platform.load(ACME)
    assert differences(loaded(SNOWPLOW).tables(ACME), platform.tables(ACME)) == []


def test_a_log_in_two_hours_has_no_row_twice(platform: Platform) -> None:
    platform.add_customer(ACME)
    for hour in (HOUR, HOUR.plus(1)):
        platform.ingest(ACME, compressed(SNOWPLOW), hour)
    platform.load(ACME, HOUR, HOUR.plus(1))
    tables = platform.tables(ACME)
    assert {slug: len(tables[slug].rows) for slug in expected_rows(SNOWPLOW)} == expected_rows(SNOWPLOW)
    assert platform.counts(ACME, HOUR.plus(1))["loaded"] == 0


@pytest.mark.parametrize("log", ["cloudtrail-ec2-proxy-otrf", SNOWPLOW])
def test_logs_with_their_objects_in_any_store(any_platform: Platform, log: str) -> None:
    any_platform.add_customer(ACME)
    for lines in (lines_of(log)[::2], lines_of(log)[1::2]):
        any_platform.ingest(ACME, lines)
        any_platform.load(ACME)
    tables = any_platform.tables(ACME)
    assert {slug: len(tables[slug].rows) for slug in expected_rows(log)} == expected_rows(log)
    assert set(any_platform.load(ACME).values()) == {"already_loaded"}
    assert any_platform.discover() == {ACME: len(any_platform.raw_keys())}
