"""The tables that dbt packages for Segment and RudderStack expect, at once, hour by hour and in the other order."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from clickstream_platform.ingest.routing import Router
from clickstream_platform.model.hours import Hour
from clickstream_platform_tests.acceptance.driver import HOUR, Platform
from clickstream_platform_tests.acceptance.readers import Table, differences
from clickstream_platform_tests.shared_data import needs_shared_data, shared_data

pytestmark = needs_shared_data("4-dbt")

FIRST, SECOND = Hour.parse("2024-05-20T22"), Hour.parse("2024-05-20T23")
ACME = "acme"
EXPECTED = ("identifies", "pages", "product_viewed", "tracks")


def lines(hour: Hour | None = None) -> list[bytes]:
    found = shared_data("4-dbt", "input_events.ndjson").read_bytes().split(b"\n")
    return [line for line in found if line and hour in (None, Router(HOUR).route(line)[0].hour)]


def load_together(platform: Platform, customer: str = ACME) -> None:
    platform.ingest(customer, lines())
    platform.load(customer, FIRST, SECOND)


def load_hour_by_hour(platform: Platform, customer: str = ACME) -> None:
    for hour in (FIRST, SECOND):
        platform.ingest(customer, lines(hour))
        platform.load(customer, hour)


def load_later_hour_first(platform: Platform, customer: str = ACME) -> None:
    for hour in (SECOND, FIRST):
        platform.ingest(customer, lines(hour))
        platform.load(customer, hour)


def load_as_one_hour(platform: Platform, customer: str = ACME) -> None:
    """Load what another producer wrote into one hour, whatever the records say."""
    streams: dict[str, list[bytes]] = {}
    for line in lines():
        streams.setdefault(Router(HOUR).route(line)[0].event, []).append(line)
    for event, found in streams.items():
        platform.put_raw(customer, event, b"\n".join(found), FIRST)
    platform.load(customer, FIRST)


WAYS = [load_together, load_hour_by_hour, load_later_hour_first, load_as_one_hour]


@pytest.mark.parametrize("way", WAYS)
def test_tables_are_those_the_packages_expect(platform: Platform, way: Any) -> None:
    platform.add_customer(ACME)
    way(platform)
    tables = platform.tables(ACME)
    for name in EXPECTED:
        text = shared_data("4-dbt", "expected", f"table_{name}.csv").read_text()
        expected = list(csv.DictReader(io.StringIO(text)))
        assert len(tables[name].rows) == len(expected)
        # Pages always have their two names; these have no category.
        own = {"batch_hour", "category"} if name == "pages" else {"batch_hour"}
        assert tables[name].types.keys() - expected[0].keys() == own
        for row in expected:
            found = tables[name].row(row["id"])
            wanted = {column: value_of(value, tables[name].types[column]) for column, value in row.items() if value}
            assert {column: value for column, value in found.items() if column != "batch_hour"} == wanted
    assert "_discards" not in tables or not tables["_discards"].rows
    check_users(tables)


def value_of(text: str, column_type: str) -> object:
    if column_type == "TIMESTAMP":
        return datetime.fromisoformat(text)
    return {"BIGINT": int, "DOUBLE": float}.get(column_type, str)(text)


def check_users(tables: dict[str, Table]) -> None:
    """Check the one user: the newest traits, under the user's id."""
    (sent,) = (record for record in map(json.loads, lines()) if record["type"] == "identify")
    (user,) = tables["users"].rows
    assert user["id"] == sent["userId"]
    assert {name: user[name] for name in sent["traits"]} == sent["traits"]
    assert user["context_locale"] == sent["context"]["locale"]
    assert "anonymous_id" not in tables["users"].types


def test_all_ways_end_in_the_same_tables(platforms: Callable[[], Platform]) -> None:
    found: list[dict[str, Table]] = []
    for way in WAYS[:3]:
        platform = platforms()
        platform.add_customer(ACME)
        way(platform)
        found.append(platform.tables(ACME))
    assert differences(found[0], found[1]) == []
    assert differences(found[0], found[2]) == []


def test_tables_with_the_objects_in_any_store(any_platform: Platform) -> None:
    any_platform.add_customer(ACME)
    load_hour_by_hour(any_platform)
    tables = any_platform.tables(ACME)
    assert {name: len(tables[name].rows) for name in EXPECTED} == {
        "identifies": 1,
        "pages": 6,
        "product_viewed": 2,
        "tracks": 3,
    }
