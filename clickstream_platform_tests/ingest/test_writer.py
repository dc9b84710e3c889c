"""Raw objects in bounded memory: what shares an object, what spills, and that the bytes depend on the lines only."""

from __future__ import annotations

import gzip
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import ObjectChangedError
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.ingest import uploads, writer
from clickstream_platform.ingest.uploads import WrittenObject
from clickstream_platform.ingest.writer import RawWriter, WriterLimits
from clickstream_platform_tests.ingest.written import CUSTOMER, HOUR, everything, keys

EVENTS = ("a", "b", "c", "d")
LINES = st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 60)), max_size=60)


def _write(store: MemoryObjectStore, lines: list[tuple[str, bytes]], limits: WriterLimits) -> list[WrittenObject]:
    with RawWriter(store, CUSTOMER, None, limits) as raw:
        for number, (event, line) in enumerate(lines, 1):
            raw.add("ingest.s", HOUR, event, number, line)
        return raw.finish()


@given(LINES, st.integers(1, 300), st.integers(1, 200))
def test_every_line_is_kept_in_order_whatever_the_limits(
    sizes: list[tuple[str, int]], object_bytes: int, held_bytes: int
) -> None:
    lines = [(event, b"%d " % number + b"x" * size + b"\n") for number, (event, size) in enumerate(sizes)]
    store, limits = MemoryObjectStore(), WriterLimits(object_bytes, held_bytes)
    written = _write(store, lines, limits)
    found: dict[str, bytes] = defaultdict(bytes)
    for key in keys(store):
        content = gzip.decompress(store.get(str(key)))
        found[key.stream.event] += content
        assert len(content) <= object_bytes or content.count(b"\n") == 1
    assert found == {each: b"".join(line for event, line in lines if event == each) for each, _ in lines}
    assert sum(item.records for item in written) == len(lines)
    assert sum(item.size_bytes for item in written) == sum(len(line) for _, line in lines)
    again = MemoryObjectStore()
    _write(again, lines, limits)
    assert everything(again) == everything(store)


def test_the_names_and_references_of_objects() -> None:
    store = MemoryObjectStore()
    written = _write(store, [("a", b"1\n"), ("b", b"2\n"), ("a", b"3\n"), ("a", b"4\n")], WriterLimits(object_bytes=4))
    prefix = f"raw/hour={HOUR}/customer={CUSTOMER}/event="
    assert sorted((str(item.key), item.records) for item in written) == [
        (f"{prefix}a/ingest.s-000000000001-000000000003.ndjson.gz", 2),
        (f"{prefix}a/ingest.s-000000000004-000000000004.ndjson.gz", 1),
        (f"{prefix}b/ingest.s-000000000002-000000000002.ndjson.gz", 1),
    ]
    for item in written:
        info = store.head(str(item.key))
        assert info is not None
        assert (item.ref.key, item.ref.size, item.ref.etag) == (info.key, info.size, info.etag)
        assert store.get(str(item.key))[4:8] == bytes(4)  # gzip's time


def test_a_line_in_pieces_is_never_cut() -> None:
    store = MemoryObjectStore()
    with RawWriter(store, CUSTOMER, None, WriterLimits(object_bytes=10, held_bytes=5)) as raw:
        raw.add("s", HOUR, "a", 1, b"short\n")
        raw.add("s", HOUR, "a", 2, b"x" * 30)
        raw.add("s", HOUR, "a", 2, b"y" * 30, begins=False)
        raw.add("s", HOUR, "a", 2, b"\n", begins=False)
        raw.add("s", HOUR, "a", 3, b"end\n")
        written = raw.finish()
    assert [(item.key.first, item.records, item.size_bytes) for item in written] == [
        ("000000000001", 1, 6),
        ("000000000002", 1, 61),
        ("000000000003", 1, 4),
    ]
    assert gzip.decompress(store.get(str(written[1].key))) == b"x" * 30 + b"y" * 30 + b"\n"


def test_large_objects_go_through_a_local_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(writer, "_LARGE_BYTES", 100)
    monkeypatch.setattr(uploads, "BATCH_OBJECTS", 2)
    store = MemoryObjectStore()
    lines = [("a" if number % 2 else "b", b"%d\n" % number**9) for number in range(200)]
    with RawWriter(store, CUSTOMER, tmp_path, WriterLimits(held_bytes=300)) as raw:
        for number, (event, line) in enumerate(lines, 1):
            raw.add("s", HOUR, event, number, line)
        written = raw.finish()
    assert [method for method, _ in store.story if method.startswith("put")] == ["put_file", "put_file"]
    for item in written:
        wanted = b"".join(line for event, line in lines if event == item.key.stream.event)
        assert gzip.decompress(store.get(str(item.key))) == wanted
    assert list(tmp_path.iterdir()) == []


def test_uploads_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "BATCH_OBJECTS", 3)
    store = MemoryObjectStore()
    written = _write(store, [(f"e{number}", b"x\n") for number in range(7)], WriterLimits())
    assert [item.key.stream.event for item in written] == [f"e{number}" for number in range(7)]
    methods = "".join(method[0] for method, _ in store.story)
    assert methods == "hhhppphhhppphp"


def test_an_object_that_is_there_is_left_alone() -> None:
    store = MemoryObjectStore()
    lines = [("a", b"1\n"), ("a", b"2\n")]
    (first,) = _write(store, lines, WriterLimits())
    key = str(first.key)
    other = gzip.compress(b"1\n", mtime=7) + gzip.compress(b"2\n")
    store.put(key, other)
    (second,) = _write(store, lines, WriterLimits())
    assert (first.is_new, second.is_new) == (True, False)
    assert store.get(key) == other
    assert second.ref.size == len(other)


@pytest.mark.parametrize("content", [gzip.compress(b"1\n", mtime=0), gzip.compress(b"1\n2\n", mtime=0)[:-9], b""])
def test_an_object_that_holds_other_lines_is_an_error(content: bytes) -> None:
    store = MemoryObjectStore()
    lines = [("a", b"1\n"), ("a", b"2\n")]
    (first,) = _write(store, lines, WriterLimits())
    store.put(str(first.key), content)
    with pytest.raises(ObjectChangedError, match=f"ingesting a file for acme/a {HOUR}: .* where 2 belong"):
        _write(store, lines, WriterLimits())
    assert store.get(str(first.key)) == content
