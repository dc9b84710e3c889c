"""The kept form of a snapshot: a round trip, and no damage goes unnoticed."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import RegistryError
from clickstream_platform.registry.client.kept import HEADER_BYTES, KeptSnapshot, header_of, parse_body, read_header
from clickstream_platform.registry.client.view import View
from clickstream_platform.registry.documents import snapshot_document
from clickstream_platform.registry.entities import Customer, Destination, Event, EventState, Policy, Snapshot
from clickstream_platform_tests.registry.client.conftest import NOW

MOMENTS = st.datetimes(timezones=st.just(UTC))
TAGS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200)
KEPT = st.builds(
    lambda tag, at, body, shared: KeptSnapshot(header_of(tag, at, body, shared), body),
    *(TAGS, MOMENTS, st.binary().map(lambda data: gzip.compress(data, mtime=0)), st.none() | MOMENTS),
)


@given(KEPT)
def test_what_is_written_is_read_back_and_its_beginning_tells_the_header(kept: KeptSnapshot) -> None:
    data = kept.to_bytes()
    assert KeptSnapshot.from_bytes(data) == kept
    assert read_header(data[:HEADER_BYTES]) == kept.header


@given(KEPT, st.data())
def test_a_changed_byte_or_a_cut_is_never_read_as_another_snapshot(kept: KeptSnapshot, data: st.DataObject) -> None:
    written = kept.to_bytes()
    at = data.draw(st.integers(0, len(written) - 1))
    flipped = bytearray(written)
    flipped[at] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(flipped), written[:at]):
        try:
            read = KeptSnapshot.from_bytes(damaged)
        except RegistryError:
            continue
        assert read == kept, "only what gzip itself ignores, such as the name of its system, may differ"


def test_people_can_read_it() -> None:
    body = gzip.compress(b'{"customers": []}')
    lines = gzip.decompress(KeptSnapshot(header_of('"e"', NOW, body), body).to_bytes()).decode().splitlines()
    assert json.loads(lines[0])["tag"] == '"e"'
    assert json.loads(lines[1]) == {"customers": []}


@pytest.mark.parametrize(
    "body", [b"", b"no gzip", *(gzip.compress(text, mtime=0) for text in (b"no JSON", b"[]", b"{}"))]
)
def test_a_body_that_is_no_snapshot_is_refused(body: bytes) -> None:
    with pytest.raises(RegistryError):
        parse_body(body)


def test_a_thousand_customers_with_twenty_events_are_read_quickly() -> None:
    """Take 0.2 s on two cores; the limit leaves room for a machine that does other things."""
    customers = tuple(
        Customer(f"customer_{n:04}", f"Customer {n}", Policy(), "default", False, NOW) for n in range(1_000)
    )
    events = tuple(
        Event(each.slug, f"event_name_{n}", f"Event Name {n}", EventState.ACTIVE, 60, NOW, "2026-11-22T09")
        for each in customers
        for n in range(20)
    )
    snapshot = Snapshot(customers, events, (Destination("default", "duckdb", {}),), "e" * 32, NOW)
    body = gzip.compress(orjson.dumps(snapshot_document(snapshot)))
    assert len(body) < 5_000_000
    started = time.process_time()
    view = View(parse_body(body))
    assert time.process_time() - started < 1.5
    assert view.snapshot() == snapshot
