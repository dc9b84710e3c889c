"""The objects of 5-edge-cases: their bytes and records, and running one through a platform.

Belongs here: what the tests of these objects share. Does not: what is expected of any.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from isal import igzip

from clickstream_platform.ingest.routing import Router
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.streams import ACCOUNTS, DISCARDS, LOADS, TRACKS, USERS
from clickstream_platform.registry.entities import Policy
from clickstream_platform_tests.acceptance.driver import HOUR, Platform
from clickstream_platform_tests.acceptance.readers import Table
from clickstream_platform_tests.shared_data import shared_data


@cache
def data_of(name: str) -> bytes:
    return shared_data("5-edge-cases", "objects", name).read_bytes()


def lines_of(name: str) -> list[bytes]:
    data = data_of(name)
    return (igzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).split(b"\n")


def records_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(name) if line.strip()]


def run(platform: Platform, name: str, policy: Policy | None = None) -> dict[str, Table]:
    """Ingest and load one object for a customer of its own, and return its tables."""
    customer = platform.add_customer(customer_of(name), policy)
    platform.ingest(customer, data_of(name))
    platform.load(customer)
    return platform.tables(customer)


def customer_of(name: str) -> str:
    return "object_" + "".join(character if character.isalnum() else "_" for character in name.lower())


def rejected(platform: Platform, name: str) -> Counter[RejectReason]:
    reasons = Counter(record.reason for record in platform.quarantined(customer_of(name)))
    assert platform.counts(customer_of(name))["rejected"] == sum(reasons.values())
    return reasons


def raw_lines(lines: list[bytes]) -> list[bytes]:
    """Return lines as ingest writes them: a record that can be read gets the arrival and the id that it lacks."""
    router = Router(HOUR)
    return [router.route(line)[1] for line in lines]


def event_tables(tables: Mapping[str, Table]) -> dict[str, Table]:
    """Return the tables that hold the records of one event or type each."""
    return {name: table for name, table in tables.items() if name not in (TRACKS, USERS, ACCOUNTS, LOADS, DISCARDS)}


def discards_of(tables: Mapping[str, Table]) -> list[tuple[str, str, str, str]]:
    """Return row id, column, value and reason of the discards of event tables, in order."""
    rows = [row for row in tables[DISCARDS].rows if row["table_name"] != TRACKS] if DISCARDS in tables else []
    return sorted((row["row_id"], row["column_name"], row["column_value"], row["reason"]) for row in rows)
