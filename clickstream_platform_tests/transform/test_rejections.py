"""Rejected records: every reason, every byte kept, every good neighbour loaded; damaged objects; changed objects."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.errors import ObjectChangedError, ObjectNotFoundError
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.damage_marker import DamageMarker
from clickstream_platform.model.manifests import ObjectRef
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.streams import UNIDENTIFIED, Stream
from clickstream_platform.transform.transformer import TransformSettings
from clickstream_platform_tests.transform.batches import CUSTOMER, HOUR, Staged, put_raw, stage, stage_lines, track

R = RejectReason
HEAD = b'{"type":"track","event":"E","messageId":"m0"'


def stage_stream(lines: list[bytes], event: str = "e", settings: TransformSettings | None = None) -> Staged:
    """Stage lines as the object of one stream, wherever they belong."""
    store = MemoryObjectStore()
    return stage(put_raw(store, {event: lines}), store, settings=settings)


def stage_bytes(data: bytes, event: str = "e") -> Staged:
    """Stage one object with exactly these bytes."""
    store = MemoryObjectStore()
    key = str(RawObjectKey(HOUR, Stream(CUSTOMER, event), "test", "1", "9"))
    info = store.put(key, data)
    return stage({event: [ObjectRef(key, info.size, info.etag)]}, store)


REJECTED = [
    (b"{oops", R.NOT_JSON),
    (HEAD + b',"properties":{"a":NaN}}', R.NOT_JSON),
    (HEAD + b',"properties":{"a":Infinity}}', R.NOT_JSON),
    (HEAD + b',"properties":{"a":01}}', R.NOT_JSON),
    (HEAD + b',"properties":{"a":"\x01"}}', R.NOT_JSON),
    (HEAD + b'}{"a":1}', R.NOT_JSON),
    (HEAD + b',"properties":{"a":"\xff"}}', R.NOT_UTF8),
    (HEAD + b',"properties":{"a":"\xed\xa0\x80"}}', R.NOT_UTF8),
    (b"\xff\xfe{\0}\0", R.NOT_UTF8),
    (HEAD + b',"properties":{"a":"\\ud800"}}', R.LONE_SURROGATE),
    (HEAD + b',"properties":{"a":1e400,"b":"\\udfff"}}', R.LONE_SURROGATE),
    (HEAD + b',"properties":{"a":1e400,"\\ud800":1}}', R.LONE_SURROGATE),
    (b"null", R.NOT_AN_OBJECT),
    (b"[" + HEAD + b"}]", R.NOT_AN_OBJECT),
    (b'"text"', R.NOT_AN_OBJECT),
    (b"42", R.NOT_AN_OBJECT),
    (b"123456789012345678901234567890", R.NOT_AN_OBJECT),
    (HEAD + b',"properties":' + b"[" * 2000 + b"]" * 2000 + b"}", R.NESTED_TOO_DEEPLY),
    (b"{}", R.UNKNOWN_TYPE),
    (b'{"type":"purchase"}', R.UNKNOWN_TYPE),
    (b'{"type":"TRACK","event":"E","messageId":"m0"}', R.UNKNOWN_TYPE),
    (b'{"type":["track"]}', R.UNKNOWN_TYPE),
    (b'{"type":' + b"[" * 1000 + b"]" * 1000 + b"}", R.UNKNOWN_TYPE),
    (b'{"type":"track","messageId":"m0"}', R.NO_EVENT_NAME),
    (b'{"type":"track","event":" ","messageId":"m0"}', R.NO_EVENT_NAME),
    (b'{"type":"track","event":{"a":1},"messageId":"m0"}', R.NO_EVENT_NAME),
    (b'{"type":"track","event":"E"}', R.NO_MESSAGE_ID),
    (b'{"type":"track","event":"E","messageId":null}', R.NO_MESSAGE_ID),
    (b'{"type":"track","event":"E","messageId":" "}', R.NO_MESSAGE_ID),
    (b'{"type":"track","event":"E","messageId":"a\\u0000"}', R.NO_MESSAGE_ID),
    (b'{"type":"track","event":"E","messageId":true}', R.NO_MESSAGE_ID),
    (b'{"type":"track","event":"E","messageId":{"a":1}}', R.NO_MESSAGE_ID),
    (b'{"type":"track","event":"E","messageId":' + b"[" * 1000 + b"]" * 1000 + b"}", R.NO_MESSAGE_ID),
    (b'{"type":"track","event":"E","messageId":"' + b"x" * 4097 + b'"}', R.NO_MESSAGE_ID),
    (b'{"type":"track","event":"Other","messageId":"m0"}', R.WRONG_STREAM),
    (b'{"type":"page","messageId":"m0"}', R.WRONG_STREAM),
]


@pytest.mark.parametrize("count", [2, 300])  # few records are read one by one, many are extracted
def test_every_reason_among_good_neighbours(count: int) -> None:
    lines = [line for number, (bad, _) in enumerate(REJECTED) for line in (track("E", f"g{number}", {"a": 1}), bad)]
    lines += [track("E", f"h{number}", {"a": 1}) for number in range(count)]
    staged = stage_stream(lines)
    assert len(staged.rows("e")) == len(REJECTED) + count
    assert staged.totals["rejected"] == len(REJECTED)
    found = {record.line: record for record in staged.quarantined()}
    assert {line: (record.data, record.reason) for line, record in found.items()} == {
        2 * number: rejected for number, rejected in enumerate(REJECTED, 1)
    }
    assert all(record.detail and len(record.detail) < 300 for record in found.values())
    assert {record.object_key for record in found.values()} == set(raw_keys(staged))


def raw_keys(staged: Staged) -> list[str]:
    return [info.key for info in staged.store.list_objects("raw/")]


@pytest.mark.parametrize("depth", [9, 100, 253, 254, 255, 256, 500, 900])
@pytest.mark.parametrize("others", [0, 300])
def test_what_is_nested_deeply_is_loaded_whole(depth: int, others: int) -> None:
    deep_list, deep_object = "[" * depth + "]" * depth, '{"a":' * depth + "1e400" + "}" * depth
    deep = HEAD + f',"properties":{{"l":{deep_list},"o":{deep_object}}}}}'.encode()
    staged = stage_stream([*(track("E", f"m{number}x", {"l": [1], "o": 1}) for number in range(others)), deep])
    (row,) = [row for row in staged.rows("e") if row["id"] == "m0"]
    assert row["l"] == deep_list
    (name,) = [name for name in row if name.startswith("o_a")]
    levels = name.count("_a")
    assert row[name] == deep_object[5 * levels : len(deep_object) - levels]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), max_size=8))
def test_any_bytes_are_accounted_for(lines: list[bytes]) -> None:
    guards = [track("E", f"g{number}") for number in range(len(lines) + 1)]
    mixed = [line for pair in zip(guards, lines, strict=False) for line in pair] + guards[-1:]
    staged = stage_stream(mixed)
    assert [row["id"] for row in staged.rows("e")] == [f"g{number}" for number in range(len(guards))]
    expected = [line.removesuffix(b"\r") for line in lines if line.strip()]
    assert sorted(record.data for record in staged.quarantined()) == sorted(expected)
    assert staged.totals["raw"] == len(guards) + len(expected)


def test_a_line_over_the_limit_is_one_rejected_record_with_all_its_bytes() -> None:
    limits = TransformSettings(max_record_bytes=2000, block_bytes=1)
    long = track("E", "long", {"text": "é" * 50_000})
    staged = stage_stream([track("E", "a"), long, track("E", "b"), track("E", "c", {"t": "x" * 1700})], settings=limits)
    assert [row["id"] for row in staged.rows("e")] == ["a", "b", "c"]
    pieces = sorted(staged.quarantined(), key=lambda record: record.part)
    assert b"".join(piece.data for piece in pieces) == long
    assert {(piece.line, piece.reason) for piece in pieces} == {(2, R.TOO_LARGE)}
    assert staged.totals == {"raw": 4, "rows": 3, "duplicates": 0, "rejected": 1, "discarded": 0}


LINES = b"".join(track("E", f"m{number}", {"n": number}) + b"\n" for number in range(50))


def test_of_a_truncated_object_the_good_lines_are_loaded() -> None:
    whole = gzip.compress(LINES)
    for size in range(2, len(whole), 37):
        staged = stage_bytes(whole[:size])
        rows = len(staged.rows("e"))
        assert [row["n"] for row in staged.rows("e")] == list(range(rows))
        (record,) = staged.quarantined()
        assert record.reason is R.GZIP_TRUNCATED
        assert LINES.split(b"\n")[rows].startswith(record.data)
        assert staged.totals == {"raw": rows + 1, "rows": rows, "duplicates": 0, "rejected": 1, "discarded": 0}


@pytest.mark.parametrize(
    ("data", "rows", "reason", "kept"),
    [
        (gzip.compress(LINES, mtime=0) + b"garbage", 50, R.GZIP_TRAILING_BYTES, b"garbage"),
        (gzip.compress(LINES[:-1], mtime=0) + b"garbage", 50, R.GZIP_TRAILING_BYTES, b"garbage"),
        (gzip.compress(LINES, mtime=0)[:-8] + b"wrong sum", 50, R.GZIP_CHECKSUM, None),
        (gzip.compress(LINES, mtime=0) + b"\x1f\x8b\x07 and more bytes", 50, R.GZIP_CORRUPT, None),
        (b"\x1f\x8b\x08", 0, R.GZIP_TRUNCATED, b""),
    ],
)
def test_damage_is_one_rejected_record_of_its_object(data: bytes, rows: int, reason: R, kept: bytes | None) -> None:
    staged = stage_bytes(data)
    (record,) = staged.quarantined()
    assert record.reason is reason
    assert kept is None or record.data == kept
    assert staged.totals == {"raw": rows + 1, "rows": rows, "duplicates": 0, "rejected": 1, "discarded": 0}
    assert {row["id"] for row in staged.rows("e")} == {f"m{number}" for number in range(rows)}


def test_a_damage_marker_is_quarantined_as_what_it_stands_for() -> None:
    marker = DamageMarker(R.GZIP_CORRUPT, "bad block", "events.ndjson.gz", 17, b"\xff\x00rest")
    (record,) = stage_stream([marker.to_line()], event=UNIDENTIFIED).quarantined()
    assert (record.reason, record.data) == (marker.reason, marker.rest)
    assert record.detail == "events.ndjson.gz, line 17: bad block"
    # Anywhere else it is a line like any other.
    assert [record.reason for record in stage_stream([marker.to_line()]).quarantined()] == [R.UNKNOWN_TYPE]


def test_lines_that_name_no_stream_are_all_rejected_and_load_into_no_table() -> None:
    lines = [b"{oops", b'{"type":"purchase"}', track("E", "m"), b"", b"\xff"]
    staged = stage_stream(lines, event=UNIDENTIFIED)
    assert staged.batch.tables == ()
    assert staged.totals == {"raw": 4, "rows": 0, "duplicates": 0, "rejected": 4, "discarded": 0}
    assert {record.data for record in staged.quarantined()} == set(lines) - {b""}


@pytest.mark.parametrize("data", [gzip.compress(LINES, mtime=0), LINES, gzip.compress(LINES, mtime=0)[:40]])
def test_an_object_that_differs_from_its_manifest_stops_everything(data: bytes) -> None:
    store = MemoryObjectStore()
    refs = put_raw(store, {"e": [track("E", "m")]})
    (ref,) = refs["e"]
    changed = {"e": [ObjectRef(ref.key, ref.size + 1, ref.etag)]}
    with pytest.raises(ObjectChangedError, match=r"acme/e 2026-11-22T09.*its manifest says"):
        stage(changed, store)
    info = store.put("raw/other", data)
    with pytest.raises(ObjectChangedError):
        stage({"e": [ObjectRef("raw/other", info.size - 1, info.etag)]}, store)
    assert list(store.list_objects("staged/")) == []
    assert list(store.list_objects("quarantine/")) == []


def test_an_object_that_is_gone_stops_everything() -> None:
    store = MemoryObjectStore()
    with pytest.raises(ObjectNotFoundError):
        stage({"e": [ObjectRef("raw/gone", 5, "x")]}, store)


@pytest.mark.parametrize("count", [3, 4000])
def test_the_quarantine_has_the_same_bytes_each_time_and_every_record(count: int) -> None:
    lines = [b"{broken %d " % number + b"x" * 90 for number in range(count)]
    first, second = stage_stream(lines), stage_stream(lines)
    (key,) = [stream.quarantine_key for stream in first.batch.streams]
    assert key is not None
    assert first.store.get(key) == second.store.get(key)
    assert [(record.line, record.data) for record in first.quarantined()] == list(enumerate(lines, 1))


def test_only_streams_with_rejected_records_have_a_quarantine_object() -> None:
    staged = stage_lines([track("Good", "m"), b"{"])
    assert [stream.quarantine_key is None for stream in staged.batch.streams] == [False, True]
    assert len(list(staged.store.list_objects("quarantine/"))) == 1
