"""Quarantined records on their way back into raw objects: the right ones, once."""

from __future__ import annotations

import json

from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.ingest.ingest import IngestOptions
from clickstream_platform.ingest.retry import RetryReport, retry
from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.streams import Stream
from clickstream_platform_tests.ingest.written import CUSTOMER, HOUR, everything, keys, lines, seals
from clickstream_platform_tests.quarantine.rejected import PAGES, rejected

UNKNOWN, NOT_JSON, TOO_LARGE = RejectReason.UNKNOWN_TYPE, RejectReason.NOT_JSON, RejectReason.TOO_LARGE
WRONG_STREAM = RejectReason.WRONG_STREAM
PAGE = b'{"type":"page","messageId":"m1"}'
RAW_PAGE = b'{"receivedAt":"2026-11-22T09:00:00Z","type":"page","messageId":"m1"}'
SCREEN = b'{"type":"screen","messageId":"m2","receivedAt":"2026-11-22T07:30:00Z"}'


def _retry(store: MemoryObjectStore, *records: QuarantinedRecord) -> RetryReport:
    return retry(store, lambda: iter(records), IngestOptions(CUSTOMER, HOUR))


def test_records_that_name_a_stream_are_raw_again() -> None:
    store = MemoryObjectStore()
    report = _retry(
        store,
        rejected(3, UNKNOWN, PAGE),
        rejected(4, NOT_JSON, b'{"type":'),
        rejected(9, WRONG_STREAM, SCREEN, stream=PAGES),
    )
    assert (report.routed, report.staying, report.retried_before, report.new_objects) == (2, 1, 0, 2)
    assert lines(store) == {("pages", str(HOUR)): [RAW_PAGE], ("screens", "2026-11-22T07"): [SCREEN]}
    assert all(key.shard.startswith("retry.") for key in keys(store))
    assert [(key.first, key.last) for key in keys(store)] == [("000000000009",) * 2, ("000000000003",) * 2]
    assert {(seal.hour, *seal.streams) for seal in seals(store)} == {
        (HOUR, PAGES),
        (HOUR.plus(-2), Stream(CUSTOMER, "screens")),
    }


def test_retrying_again_writes_nothing_even_with_more_rejected_meanwhile() -> None:
    store = MemoryObjectStore()
    first = [rejected(3, UNKNOWN, PAGE), rejected(4, NOT_JSON, b"{")]
    assert _retry(store, *first).new_objects == 1
    before = everything(store)
    again = _retry(store, *first)
    assert (again.routed, again.new_objects, again.new_seals) == (1, 0, 0)
    assert everything(store) == before
    late = rejected(1, UNKNOWN, PAGE, shard="ingest.late")
    grown = _retry(store, late, *first)
    assert (grown.routed, grown.new_objects) == (2, 1)
    assert everything(store).items() > before.items()


def test_one_reason_first_and_all_later_writes_each_record_once() -> None:
    store = MemoryObjectStore()
    unknown, wrong = rejected(3, UNKNOWN, PAGE), rejected(9, WRONG_STREAM, SCREEN)
    _retry(store, unknown)
    assert _retry(store, unknown, wrong).new_objects == 1
    assert sum(len(each) for each in lines(store).values()) == 2


def test_what_a_retry_wrote_is_not_copied_again() -> None:
    store = MemoryObjectStore()
    first = rejected(3, UNKNOWN, PAGE, stream=PAGES)
    _retry(store, first)
    (key,) = keys(store)
    came_back = QuarantinedRecord(str(key), 1, UNKNOWN, "", RAW_PAGE)
    report = _retry(store, first, came_back)
    assert (report.routed, report.retried_before, report.new_objects) == (1, 1, 0)


def test_pieces_of_a_line_over_the_limit_stay() -> None:
    store = MemoryObjectStore()
    report = _retry(store, rejected(3, TOO_LARGE, PAGE), rejected(3, TOO_LARGE, PAGE, part=1))
    assert (report.routed, report.staying) == (0, 1)
    assert everything(store) == {}


def test_other_records_give_other_objects() -> None:
    store = MemoryObjectStore()
    _retry(store, rejected(3, UNKNOWN, PAGE))
    report = _retry(store, rejected(3, UNKNOWN, PAGE.replace(b"m1", b"m9")))
    assert report.new_objects == 1
    assert [json.loads(line)["messageId"] for line in sorted(lines(store)["pages", str(HOUR)])] == ["m1", "m9"]


def test_an_object_of_another_producer_can_be_retried() -> None:
    store = MemoryObjectStore()
    record = QuarantinedRecord("events/2026/11/22/09/part-1.json", 3, UNKNOWN, "", PAGE)
    assert _retry(store, record).new_objects == 1
