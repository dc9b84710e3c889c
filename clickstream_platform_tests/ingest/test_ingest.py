"""A file becomes raw objects and seals: complete, deterministic, and only once."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from random import Random

import orjson
import pytest

from clickstream_platform.codecs.lines import BLOCK_BYTES
from clickstream_platform.errors import ObjectChangedError, ObjectNotFoundError, ObjectStoreUnavailableError
from clickstream_platform.gateways.local_objects import LocalObjectStore
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.gateways.s3_objects import S3ObjectStore
from clickstream_platform.ingest.ingest import IngestOptions, ingest
from clickstream_platform.ingest.routing import message_id
from clickstream_platform.ingest.sources import Source, source_digest, spool
from clickstream_platform.ingest.writer import WriterLimits
from clickstream_platform.model.damage_marker import DamageMarker
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.records import MAX_RECORD_BYTES, RejectReason
from clickstream_platform.model.streams import UNIDENTIFIED, Stream
from clickstream_platform_tests.ingest.written import (
    CUSTOMER,
    HOUR,
    everything,
    ingest_bytes,
    ingest_file,
    keys,
    lines,
    seals,
)

HOUR_TEXT = str(HOUR)
RECEIVED = f"{HOUR}:15:00.000Z"


def _page(number: int, received_at: str | None = None) -> bytes:
    record = {"type": "page", "messageId": f"m{number}"} | ({"receivedAt": received_at} if received_at else {})
    return orjson.dumps(record)


def _file(folder: Path, *content: bytes) -> Path:
    path = folder / "source.ndjson"
    path.write_bytes(b"".join(line + b"\n" for line in content))
    return path


def test_lines_go_to_their_stream_hours(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    identify = b'{"type":"identify","messageId":"i","receivedAt":"2026-11-22T08:59:59Z"}'
    path = _file(tmp_path, _page(1, "2026-11-22T08:00:00Z"), b"oops", identify, _page(2), b"", _page(3, RECEIVED))
    report = ingest_file(store, path)
    assert lines(store) == {
        ("pages", "2026-11-22T08"): [_page(1, "2026-11-22T08:00:00Z")],
        ("identifies", "2026-11-22T08"): [identify],
        ("pages", HOUR_TEXT): [
            b'{"receivedAt":"2026-11-22T09:00:00Z","type":"page","messageId":"m2"}',
            _page(3, RECEIVED),
        ],
        (UNIDENTIFIED, HOUR_TEXT): [b"oops"],
    }
    assert (report.records, report.unidentified, report.markers, report.damage) == (5, 1, 0, None)
    assert [(item.event, str(item.hour), item.records, item.objects) for item in report.stream_hours] == [
        ("identifies", "2026-11-22T08", 1, 1),
        ("pages", "2026-11-22T08", 1, 1),
        (UNIDENTIFIED, HOUR_TEXT, 1, 1),
        ("pages", HOUR_TEXT, 2, 2),  # one object of lines that state their hour, one of those that do not
    ]


def test_each_touched_hour_is_sealed_after_all_of_its_objects(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    report = ingest_file(store, _file(tmp_path, _page(1, "2026-11-22T08:00:00Z"), _page(2), b"oops"))
    shard = f"ingest.{report.digest}"
    dated, assigned = seals(store)
    assert (dated.hour, dated.shard, dated.watermark) == (HOUR.plus(-1), f"{shard}.dated", "2026-11-22T09:00:00Z")
    assert (assigned.hour, assigned.shard, assigned.watermark) == (HOUR, shard, "2026-11-22T10:00:00Z")
    assert set(assigned.streams) == {Stream(CUSTOMER, "pages"), Stream(CUSTOMER, UNIDENTIFIED)}
    stated = [ref for seal in (dated, assigned) for refs in seal.streams.values() for ref in refs]
    listed = {info.key: info for info in store.list_objects("raw/")}
    assert {ref.key for ref in stated} == set(listed)
    for ref in stated:
        assert (ref.size, ref.etag, ref.records) == (listed[ref.key].size, listed[ref.key].etag, 1)
    puts = [key.split("/")[0] for method, key in store.story if method == "put"]
    assert puts == ["raw"] * 3 + ["seals"] * 2
    assert (report.seals, report.new_seals) == (2, 2)


@pytest.mark.parametrize("limits", [WriterLimits(), WriterLimits(object_bytes=200, held_bytes=100)])
def test_ingesting_again_writes_nothing(tmp_path: Path, limits: WriterLimits) -> None:
    store = MemoryObjectStore()
    path = _file(tmp_path, *(_page(n, f"2026-11-22T0{n % 3}:00:00Z" if n % 2 else None) for n in range(50)), b"oops")
    first = ingest_file(store, path, limits=limits)
    before = everything(store)
    store.story.clear()
    again = ingest_file(store, path, limits=limits)
    assert (first.is_already_ingested, again.is_already_ingested) == (False, True)
    assert (again.new_objects, again.new_seals, again.records) == (0, 0, 51)
    assert not [call for call in store.story if call[0].startswith("put")]
    assert everything(store) == before


def test_a_crash_is_completed_by_the_next_run(tmp_path: Path) -> None:
    path = _file(tmp_path, _page(1), _page(2, "2026-11-22T07:00Z"), b"oops", _page(3, "2026-11-22T08:00:00Z"))
    whole = MemoryObjectStore()
    ingest_file(whole, path)
    for crash in range(5):
        store = MemoryObjectStore()
        healthy = store.put
        puts = iter(range(100))

        def put(key: str, data: bytes, *, if_absent: bool = False, healthy=healthy, puts=puts, crash=crash):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
            if next(puts) == crash:
                raise ObjectStoreUnavailableError("putting", cause="no answer", remedy="Try again.")
            return healthy(key, data, if_absent=if_absent)

        store.put = put  # type: ignore[method-assign]
        with pytest.raises(ObjectStoreUnavailableError):
            ingest_file(store, path)
        assert len(everything(store)) == crash
        store.put = healthy  # type: ignore[method-assign]
        report = ingest_file(store, path)
        assert not report.is_already_ingested
        assert everything(store) == everything(whole)


def test_another_hour_moves_only_the_lines_that_state_none(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    path = _file(tmp_path, _page(1), _page(2, "2026-11-22T10:30:00Z"), _page(3))
    ingest_file(store, path)
    report = ingest_file(store, path, hour=HOUR.plus(1))
    assert report.new_objects == 1
    found = lines(store)
    assert [json.loads(line)["messageId"] for line in found["pages", HOUR_TEXT]] == ["m1", "m3"]
    assert [json.loads(line)["messageId"] for line in found["pages", "2026-11-22T10"]] == ["m1", "m3", "m2"]


def test_two_customers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    path = _file(tmp_path, _page(1))
    ingest_file(store, path)
    report = ingest_file(store, path, customer="globex")
    assert report.new_objects == report.new_seals == 1
    assert [set(seal.streams) for seal in seals(store)] in (
        [{Stream("acme", "pages")}, {Stream("globex", "pages")}],
        [{Stream("globex", "pages")}, {Stream("acme", "pages")}],
    )


def test_halves_give_the_same_lines_as_the_whole(tmp_path: Path) -> None:
    content = [b'{"type":"page","n":%d}' % number for number in range(20)] + [b"oops"]
    whole, halves = MemoryObjectStore(), MemoryObjectStore()
    ingest_file(whole, _file(tmp_path, *content))
    ingest_file(halves, _file(tmp_path, *content[10:]))
    ingest_file(halves, _file(tmp_path, *content[:10]))
    assert {place: sorted(found) for place, found in lines(halves).items()} == {
        place: sorted(found) for place, found in lines(whole).items()
    }
    assert len(keys(halves)) == 3


def test_equal_lines_without_an_id_get_equal_ids(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    ingest_bytes(store, tmp_path, b'{"type":"page"}\n{"type":"page"}\r\n')
    found = lines(store)["pages", HOUR_TEXT]
    assert [json.loads(line)["messageId"] for line in found] == [message_id(b'{"type":"page"}')] * 2


@pytest.mark.parametrize("data", [b"", b"\n\r\n  \n", gzip.compress(b"", mtime=0), b"\xef\xbb\xbf"])
def test_a_source_without_lines_writes_nothing(tmp_path: Path, data: bytes) -> None:
    store = MemoryObjectStore()
    report = ingest_bytes(store, tmp_path, data)
    assert (report.records, report.stream_hours, report.seals, report.is_already_ingested) == (0, (), 0, False)
    assert everything(store) == {}


@pytest.mark.parametrize("length", [MAX_RECORD_BYTES, MAX_RECORD_BYTES + 1, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n" + _page(2)])
def test_a_line_of_any_size_stays_one_line(tmp_path: Path, length: int, end: bytes) -> None:
    store = MemoryObjectStore()
    huge = b"\x00" + b"x" * (length - 2) + b"}"
    report = ingest_bytes(store, tmp_path, _page(1) + b"\n" + huge + end)
    has_second = len(end) > 1
    assert (report.records, report.unidentified) == (2 + has_second, 1)
    assert lines(store)[UNIDENTIFIED, HOUR_TEXT] == [huge]
    assert len(lines(store)["pages", HOUR_TEXT]) == 1 + has_second
    assert [key.first for key in keys(store)] == ["000000000002", "000000000001"]


def test_damage_becomes_one_marker_line(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    content = b"".join(_page(number, RECEIVED) + b"\n" for number in range(2_000))
    report = ingest_bytes(store, tmp_path, gzip.compress(content)[:-2_000])
    good = lines(store)["pages", HOUR_TEXT]
    (marker_line,) = lines(store)[UNIDENTIFIED, HOUR_TEXT]
    marker = DamageMarker.from_line(marker_line)
    assert marker is not None
    assert marker == report.damage
    assert (marker.reason, marker.source, marker.line) == (RejectReason.GZIP_TRUNCATED, "source.ndjson", len(good) + 1)
    assert content.startswith(b"\n".join((*good, marker.rest)))
    assert (report.records, report.unidentified, report.markers) == (len(good) + 1, 0, 1)


def test_bytes_behind_a_member_are_kept(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    report = ingest_bytes(store, tmp_path, gzip.compress(_page(1, RECEIVED) + b"\n") + b"garbage\xff")
    assert lines(store)["pages", HOUR_TEXT] == [_page(1, RECEIVED)]
    assert report.damage == DamageMarker(
        RejectReason.GZIP_TRAILING_BYTES, "8 bytes after the last member", "source.ndjson", 2, b"garbage\xff"
    )
    assert ingest_file(store, (tmp_path / "source.ndjson").rename(tmp_path / "other.gz")).is_already_ingested, (
        "the name of a damaged file makes no new input"
    )


@pytest.fixture(params=["local", "s3"])
def real_store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Give a folder, and a real S3 server that gets anything large in several parts."""
    if request.param == "local":
        return LocalObjectStore(tmp_path / "objects", durable=False)
    endpoint, bucket = request.getfixturevalue("s3_endpoint"), request.getfixturevalue("s3_bucket")
    return S3ObjectStore(bucket, "some/prefix", endpoint_url=endpoint, multipart_bytes=6 << 20)


def test_a_real_store_holds_the_same(real_store: ObjectStore, tmp_path: Path) -> None:
    random = Random(1)
    large = [
        b'{"type":"page","messageId":"%d","text":"%s"}' % (n, random.randbytes(1_900_000).hex().encode())
        for n in range(6)
    ]
    path = _file(tmp_path, '{"type":"track","event":"注文完了","messageId":"m"}'.encode(), b"oops", *large)
    source, options = Source.of_file(path), IngestOptions(CUSTOMER, HOUR, None, WriterLimits(held_bytes=9_000_000))
    memory = MemoryObjectStore()
    ingest(memory, source, options)
    first, again = ingest(real_store, source, options), ingest(real_store, source, options)
    assert (first.new_objects, first.is_already_ingested) == (3, False)
    assert (again.new_objects, again.new_seals, again.is_already_ingested) == (0, 0, True)
    raw = {info.key: real_store.get(info.key) for info in real_store.list_objects("raw/")}
    assert raw == {key: data for key, data in everything(memory).items() if key.startswith("raw/")}
    assert max(len(data) for data in raw.values()) > 8 << 20


def test_progress_counts_the_bytes_of_the_file(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    path = _file(tmp_path, *(_page(number) for number in range(1_000)))
    ingest_file(MemoryObjectStore(), path, progress=lambda *step: told.append(step))
    size = path.stat().st_size
    assert [told[0], told[-1]] == [("hashing", size, size), ("ingesting", size, size)]


def test_a_stream_is_spooled_and_ingested_like_its_file(tmp_path: Path) -> None:
    path = _file(tmp_path, _page(1), _page(2))
    source = spool("standard input", io.BytesIO(path.read_bytes()), tmp_path / "spooled")
    assert source.name == "standard input"
    assert source_digest(CUSTOMER, source) == source_digest(CUSTOMER, Source.of_file(path))


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    store, path = MemoryObjectStore(), _file(tmp_path, _page(1))

    def append(phase: str, _done: int, _total: int) -> None:
        if phase == "ingesting":
            with path.open("ab") as more:
                more.write(_page(2))

    with pytest.raises(ObjectChangedError, match="the file was written to meanwhile"):
        ingest_file(store, path, progress=append)
    assert seals(store) == []


def test_an_unreadable_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFoundError, match="reading 'missing': "):
        Source.of_file(tmp_path / "missing")
    with pytest.raises(ObjectNotFoundError, match="it is a folder"):
        Source.of_file(tmp_path)


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    ingest(MemoryObjectStore(), Source.of_file(_file(tmp_path, _page(1))), IngestOptions(CUSTOMER, HOUR, work))
    assert list(work.iterdir()) == []


def test_hours_of_years_are_sealed_each(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    first = Hour.parse("2020-02-28T00")
    hours = [first.plus(number * 30) for number in range(600)]
    report = ingest_file(store, _file(tmp_path, *(_page(n, f"{hour}:10:00Z") for n, hour in enumerate(hours))))
    assert [seal.hour for seal in seals(store)] == hours
    assert (report.seals, report.new_seals) == (600, 600)
