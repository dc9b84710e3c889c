"""Which quarantine objects count, what they hold, and how rejected records are counted."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import pytest

from clickstream_platform.errors import InvalidNameError, ObjectChangedError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.manifests import Manifest, ObjectRef
from clickstream_platform.model.object_keys import manifest_key
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.streams import Stream
from clickstream_platform.quarantine.quarantine import Quarantine, RejectedCount, Selection
from clickstream_platform_tests.quarantine.rejected import (
    CUSTOMER,
    HOUR,
    NAMELESS,
    PAGES,
    put_quarantine,
    raw_key,
    rejected,
)

NOT_JSON, NOT_UTF8, NO_ID = RejectReason.NOT_JSON, RejectReason.NOT_UTF8, RejectReason.NO_MESSAGE_ID
TOO_LARGE = RejectReason.TOO_LARGE
BROKEN = rejected(4, NOT_JSON, b'{"type":')


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
def store(clock: FixedClock) -> MemoryObjectStore:
    return MemoryObjectStore(clock)


def test_records_are_counted_by_stream_hour_and_reason(store: MemoryObjectStore) -> None:
    put_quarantine(store, [BROKEN, rejected(5, NOT_UTF8, b"\xff"), rejected(6, NOT_JSON, b"{")])
    put_quarantine(store, [BROKEN], hour=HOUR.plus(1))
    put_quarantine(store, [rejected(1, NO_ID, b"{}", stream=PAGES)], stream=PAGES)
    other = Stream("acme_two", "pages")
    put_quarantine(store, [rejected(1, NO_ID, b"{}", stream=other)], stream=other)
    whole = [
        RejectedCount(NAMELESS, HOUR, NOT_JSON, 2),
        RejectedCount(NAMELESS, HOUR, NOT_UTF8, 1),
        RejectedCount(NAMELESS, HOUR.plus(1), NOT_JSON, 1),
        RejectedCount(PAGES, HOUR, NO_ID, 1),
    ]
    counts = Quarantine(store).counts
    assert counts(Selection(CUSTOMER)) == whole
    assert counts(Selection(CUSTOMER, "pages")) == whole[3:]
    assert counts(Selection(CUSTOMER, hour=HOUR.plus(1))) == whole[2:3]
    assert counts(Selection(CUSTOMER, reason=NOT_JSON)) == [whole[0], whole[2]]
    assert counts(Selection(CUSTOMER, "pages", HOUR, NOT_JSON)) == []
    assert counts(Selection("nobody")) == []


def test_pieces_of_one_line_count_once(store: MemoryObjectStore) -> None:
    put_quarantine(store, [rejected(7, TOO_LARGE, b"x" * 9, part=part) for part in range(3)])
    assert Quarantine(store).counts(Selection(CUSTOMER)) == [RejectedCount(NAMELESS, HOUR, TOO_LARGE, 1)]


def test_pieces_are_put_together_although_other_records_lie_between(store: MemoryObjectStore) -> None:
    first = [rejected(7, TOO_LARGE, b"a"), rejected(9, NOT_JSON, b"{"), rejected(7, TOO_LARGE, b"b", part=1)]
    second = [rejected(8, TOO_LARGE, b"c"), rejected(7, NOT_JSON, b"["), rejected(8, TOO_LARGE, b"", part=1)]
    put_quarantine(store, [*first, *second])
    quarantine = Quarantine(store)
    (item,) = quarantine.objects(Selection(CUSTOMER))
    found = [(each.line, each.reason, each.data, each.part) for each in quarantine.whole_records(item)]
    assert found == [
        (9, NOT_JSON, b"{", 0),
        (7, TOO_LARGE, b"ab", 0),
        (7, NOT_JSON, b"[", 0),
        (8, TOO_LARGE, b"c", 0),
    ]
    assert [each.data for each in quarantine.whole_records(item, TOO_LARGE)] == [b"ab", b"c"]


def test_records_come_back_with_their_bytes(store: MemoryObjectStore) -> None:
    records = [BROKEN, rejected(5, NOT_UTF8, b"\xff\n\x00"), rejected(6, NOT_JSON, "é\u2028".encode())]
    put_quarantine(store, records)
    quarantine = Quarantine(store)
    (item,) = quarantine.objects(Selection(CUSTOMER))
    assert (item.stream, item.hour, item.digest) == (NAMELESS, HOUR, "d1")
    assert list(quarantine.records(item)) == records
    assert list(quarantine.records(item, NOT_UTF8)) == records[1:2]


def test_of_several_inputs_the_newest_counts(store: MemoryObjectStore, clock: FixedClock) -> None:
    put_quarantine(store, [BROKEN], digest="late")
    clock.advance(timedelta(hours=1))
    put_quarantine(store, [BROKEN, rejected(5, NOT_JSON, b"{")], digest="early")
    assert [each.digest for each in Quarantine(store).objects(Selection(CUSTOMER))] == ["early"]


def test_the_input_of_the_manifest_counts_more_than_a_newer_one(store: MemoryObjectStore, clock: FixedClock) -> None:
    manifest = Manifest.freeze(NAMELESS, HOUR, [ObjectRef(raw_key(NAMELESS), 1, "e")])
    store.put(manifest_key(HOUR, NAMELESS), manifest.to_json())
    put_quarantine(store, [BROKEN], digest=manifest.digest)
    clock.advance(timedelta(hours=1))
    put_quarantine(store, [BROKEN], digest="d2")
    assert [each.digest for each in Quarantine(store).objects(Selection(CUSTOMER))] == [manifest.digest]


def test_other_objects_below_the_prefix_are_left_out(store: MemoryObjectStore) -> None:
    key = put_quarantine(store, [BROKEN])
    store.put(key.rpartition("/")[0] + "/", b"")
    assert [each.key for each in Quarantine(store).objects(Selection(CUSTOMER))] == [key]


def test_a_name_that_is_no_slug_is_refused(store: MemoryObjectStore) -> None:
    with pytest.raises(InvalidNameError, match=r"naming an? event"):
        Quarantine(store).objects(Selection(CUSTOMER, "Order Completed"))


@pytest.mark.parametrize(
    "content", [b"plain", gzip.compress(b"x" * 999, mtime=0)[:-9], gzip.compress(b"", mtime=0)[:10] + b"\xff" * 30]
)
def test_a_damaged_quarantine_object_is_an_error(store: MemoryObjectStore, content: bytes) -> None:
    store.put(put_quarantine(store, []), content)
    with pytest.raises(ObjectChangedError, match=f"reading the quarantine for {NAMELESS} {HOUR}: .* is damaged"):
        Quarantine(store).counts(Selection(CUSTOMER))


def test_a_line_that_is_no_record_is_an_error(store: MemoryObjectStore) -> None:
    store.put(put_quarantine(store, []), gzip.compress(b"{}\n"))
    with pytest.raises(InvalidNameError, match="reading a quarantined record"):
        Quarantine(store).counts(Selection(CUSTOMER))
