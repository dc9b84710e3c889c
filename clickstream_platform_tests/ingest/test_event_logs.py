"""The real logs of the shared data as one hour each: every stream gets its records, whole, in halves and again."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.naming import event_slug
from clickstream_platform_tests.ingest.written import HOUR, ingest_bytes, ingest_file, lines
from clickstream_platform_tests.shared_data import needs_shared_data, shared_data

pytestmark = needs_shared_data("1-event-logs")

FOLDER = shared_data("1-event-logs", "segment")
LOGS = sorted(FOLDER.glob("*.ndjson.gz"))


def _expected(log: Path) -> Counter[str]:
    stated: dict[str, Any] = json.loads(shared_data("1-event-logs", "expected_counts.json").read_bytes())
    counts: Counter[str] = Counter()
    for name, each in stated[log.name.removesuffix(".ndjson.gz")]["per_event"].items():
        counts[event_slug(name)] += each["rows"]
    return counts


def _counts(store: MemoryObjectStore) -> dict[str, int]:
    found = lines(store)
    assert {hour for _, hour in found} == {str(HOUR)}
    return {event: len(kept) for (event, _), kept in found.items()}


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_every_stream_of_a_log_gets_its_records(log: Path) -> None:
    store = MemoryObjectStore()
    report = ingest_file(store, log)
    assert _counts(store) == _expected(log)
    assert report.unidentified == 0
    assert ingest_file(store, log).is_already_ingested
    sent = gzip.decompress(log.read_bytes()).splitlines()
    assert sum(map(len, sent)) + report.records * len(f'"receivedAt":"{HOUR}:00:00Z",\n') == sum(
        item.size_bytes for item in report.stream_hours
    )


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_halves_of_a_log_in_reverse_order_give_the_same_records(log: Path, tmp_path: Path) -> None:
    content = gzip.decompress(log.read_bytes()).split(b"\n")
    middle = len(content) // 2
    whole, halves = MemoryObjectStore(), MemoryObjectStore()
    ingest_file(whole, log)
    ingest_bytes(halves, tmp_path, b"\n".join(content[middle:]))
    ingest_bytes(halves, tmp_path, gzip.compress(b"\n".join(content[:middle]), 1))
    assert {place: sorted(kept) for place, kept in lines(halves).items()} == {
        place: sorted(kept) for place, kept in lines(whole).items()
    }
