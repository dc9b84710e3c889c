"""The same data in DuckDB and in Redshift: equal tables, types, values and accounts, however the data arrives.

By default a small choice of the data; with CLICKSTREAM_TEST_WAREHOUSE=redshift all small logs and all edge values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from isal import igzip

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.schemas import MAX_COLUMNS
from clickstream_platform.registry.entities import Policy
from clickstream_platform_tests.acceptance.driver import HOUR, WAREHOUSE, Platform
from clickstream_platform_tests.acceptance.edges import customer_of, data_of, run
from clickstream_platform_tests.acceptance.readers import by_value, differences
from clickstream_platform_tests.acceptance.redshift import RedshiftSite
from clickstream_platform_tests.acceptance.test_dbt import FIRST, SECOND, load_hour_by_hour, load_later_hour_first
from clickstream_platform_tests.acceptance.test_edge_objects import ORDER_OBJECTS
from clickstream_platform_tests.acceptance.test_real_logs import SMALL, SNOWPLOW, lines_of
from clickstream_platform_tests.s3_server import create_bucket
from clickstream_platform_tests.shared_data import needs_shared_data

IS_WHOLE = WAREHOUSE == "redshift"
LOGS = SMALL if IS_WHOLE else ("github-issue-events-dlt", SNOWPLOW)
VALUES = (
    "23-nul-escapes.ndjson",
    "26-long-strings.ndjson.gz",
    "29-numbers.ndjson",
    "31-timestamps.ndjson",
    "32-keys.ndjson",
    "35-envelopes.ndjson",
    "36-event-names.ndjson",
    "39-type-drift.ndjson",
    "blns_values.ndjson",
)
MORE_VALUES = (
    *ORDER_OBJECTS,
    "18-unicode-line-separators.ndjson",
    "19-bad-lines-among-good.ndjson",
    "24-raw-nul-and-controls.ndjson",
    "25-invalid-utf8.ndjson",
    "27-two-thousand-columns.ndjson",
    "33-duplicate-keys.ndjson",
    "34-deep.ndjson",
    "37-duplicates.ndjson",
    "jts_probe_valid.ndjson",
    "jts_probe_implementation.ndjson",
)


def track(identity: str, value: str) -> bytes:
    return f'{{"type":"track","event":"Edge","messageId":"{identity}","properties":{{"v":{value}}}}}'.encode()


def identify(identity: str, traits: str) -> bytes:
    return f'{{"type":"identify","messageId":"{identity}","userId":"u\'1","traits":{traits}}}'.encode()


# Each a story of loads, one an hour: what the tables held before decides what the next load does to them.
STORIES = {
    "widening": [[track(str(n), value)] for n, value in enumerate(("1", "1.5", '"text"', "[1]", f'"{"z" * 5000}"'))],
    "users": [
        [identify("1", '{"tags":["a"],"n":1}'), identify("2", '{"n":2.5}')],
        [identify("3", '{"tags":{"k":[1]},"b":true}')],
        [identify("4", f'{{"n":"{"é" * 3000}","tags":["\\\\","\'"]}}')],
    ],
}
MORE_STORIES = {
    "longer": [[track(str(n), f'"{"é" * size}"')] for n, size in enumerate((1, 300, 30_000))],
    "floats": [[track(value, value) for value in ("1.7976931348623157e308", "-0.0", "5e-324", "0.1", "2.5e-310")]],
    "blanks": [[track(str(n), f'"{text}"') for n, text in enumerate(("x ", " y", "   ", "", "\\t"))]],
    "quotes": [[track("1", '"\\\\ \\\\n \'q\' \\" ? %s $1 :x"'), track("b\\\\'q", '["\\\\","\'","\\u2028"]')]],
}

Both = tuple[Platform, Platform]


@pytest.fixture(scope="module")
def both(redshift_site: RedshiftSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Return a platform on DuckDB and one on Redshift; every test has customers of its own there.

    The objects of both are on S3: names of what is kept beside tables come from the store's own digests.
    """
    folder, endpoint = tmp_path_factory.mktemp, redshift_site.s3_endpoint
    duckdb = Platform(folder("duckdb"), f"s3://{create_bucket(endpoint)}", endpoint)
    with closing(duckdb), redshift_site.platform(folder("redshift")) as redshift:
        yield duckdb, redshift


# On Redshift one column is kept free for widening another.
ONE_COLUMN_LESS = Policy(column_limit=MAX_COLUMNS - 1)


def check_equal(both: Both, customer: str, *hours: Hour) -> None:
    """Check that both hold the same for a customer, and that their ledgers count the same."""
    duckdb, redshift = (by_value(platform.tables(customer)) for platform in both)
    assert differences(duckdb, redshift) == []
    for hour in hours:
        counts, others = (platform.counts(customer, hour) for platform in both)
        assert counts == others


@needs_shared_data("4-dbt")
@pytest.mark.parametrize("way", [load_hour_by_hour, load_later_hour_first])
def test_dbt_case(both: Both, way: Callable[[Platform, str], None]) -> None:
    customer = f"dbt_{way.__name__}"
    for platform in both:
        platform.add_customer(customer)
        way(platform, customer)
    check_equal(both, customer, FIRST, SECOND)


@needs_shared_data("1-event-logs")
@pytest.mark.parametrize("log", LOGS)
def test_real_logs_also_in_reversed_halves(both: Both, log: str) -> None:
    """Whole in one warehouse, backwards and in two loads in the other."""
    customer = log.replace("-", "_")
    lines = list(lines_of(log))
    half = len(lines) // 2
    for platform, parts in zip(both, ([lines], [lines[:half:-1], lines[half::-1]]), strict=True):
        platform.add_customer(customer)
        for part in parts:
            platform.ingest(customer, part)
            platform.load(customer)
    check_equal(both, customer, HOUR)


@needs_shared_data("5-edge-cases")
@pytest.mark.parametrize("name", (*VALUES, *MORE_VALUES) if IS_WHOLE else VALUES)
def test_edge_values(both: Both, name: str) -> None:
    for platform in both:
        run(platform, name, ONE_COLUMN_LESS)
    check_equal(both, customer_of(name), HOUR)


@pytest.mark.parametrize("name", (STORIES | MORE_STORIES) if IS_WHOLE else STORIES)
def test_stories(both: Both, name: str) -> None:
    loads = (STORIES | MORE_STORIES)[name]
    for platform in both:
        platform.add_customer(name)
        for number, lines in enumerate(loads):
            platform.ingest(name, lines, HOUR.plus(number))
            platform.load(name, HOUR.plus(number))
    check_equal(both, name, *(HOUR.plus(number) for number in range(len(loads))))
    event = "identifies" if name == "users" else "edge"
    assert len(both[1].tables(name)[event].rows) == sum(map(len, loads))


@needs_shared_data("5-edge-cases")
def test_duplicates_in_the_hour_after(both: Both) -> None:
    """The later hour first: loading the earlier one takes its ids back and opens the later one again."""
    customer = "duplicates_backwards"
    for platform in both:
        platform.add_customer(customer)
        platform.ingest(customer, data_of("38-duplicates-next-hour.ndjson"), HOUR.plus(1))
        platform.load(customer, HOUR.plus(1))
        platform.ingest(customer, data_of("37-duplicates.ndjson"))
        platform.load(customer, HOUR, HOUR.plus(1))
    check_equal(both, customer, HOUR, HOUR.plus(1))


def test_json_longer_than_redshift_takes(both: Both) -> None:
    """A value of more than 65,535 bytes is loaded into DuckDB; on Redshift it is a discard, kept in full."""
    texts = {length: f'["{"x" * (length - 4)}"]' for length in (65_535, 65_536)}
    lines = [
        f'{{"type":"track","event":"Big","messageId":"{length}","properties":{{"v":{text}}}}}'.encode()
        for length, text in texts.items()
    ]
    for platform in both:
        platform.ingest(platform.add_customer("big_json"), lines)
        platform.load("big_json")
    duckdb, redshift = (platform.tables("big_json") for platform in both)
    assert {int(row["id"]): row["v"] for row in duckdb["big"].rows} == texts
    assert {int(row["id"]): row.get("v") for row in redshift["big"].rows} == texts | {65_536: None}
    (discard,) = redshift["_discards"].rows
    assert (discard["row_id"], discard["column_name"], discard["reason"]) == ("65536", "v", "too_long")
    kept = both[1].pipeline.wiring.objects.get(discard["column_value"].rpartition("in ")[2].removesuffix("]"))
    assert json.loads(igzip.decompress(kept))["value"] == texts[65_536]
