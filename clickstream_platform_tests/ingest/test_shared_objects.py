"""Every damaged and awkward object of the shared data: all of its lines are raw lines, byte for byte."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from pathlib import Path

import pytest

from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.ingest.ingest import IngestReport
from clickstream_platform.model.damage_marker import DamageMarker
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.streams import UNIDENTIFIED
from clickstream_platform_tests.ingest.written import Lines, everything, ingest_file, lines, seals
from clickstream_platform_tests.shared_data import needs_shared_data, shared_data

pytestmark = needs_shared_data("5-edge-cases", "objects")

HOUR = Hour.parse("2024-03-10T09")
START = b"2024-03-10T09:00:00Z"
FOLDER = shared_data("5-edge-cases", "objects")
OBJECTS = sorted(path for path in FOLDER.glob("*") if path.suffix != ".json") if FOLDER.exists() else []

# Object -> lines that name a stream, lines that name none, and the damage: what its manifest expects of ingesting.
EXPECTED: dict[str, tuple[int, int, RejectReason | None]] = {
    "00-plain-good.ndjson.gz": (21, 0, None),
    "01-zero-byte.ndjson.gz": (0, 0, None),
    "02-directory-marker": (0, 0, None),
    "03-folder-marker": (0, 0, None),
    "04-gzip-of-nothing.ndjson.gz": (0, 0, None),
    "05-truncated.ndjson.gz": (9, 0, RejectReason.GZIP_TRUNCATED),
    "06-bad-crc.ndjson.gz": (21, 0, RejectReason.GZIP_CHECKSUM),
    "07-trailing-garbage.ndjson.gz": (21, 0, RejectReason.GZIP_TRAILING_BYTES),
    "08-three-members.ndjson.gz": (21, 0, None),
    "09-member-split-inside-line.ndjson.gz": (21, 0, None),
    "10-double-gzip.ndjson.gz": (21, 0, None),
    "11-plain-text-named-gz.ndjson.gz": (21, 0, None),
    "12-gzip-with-name-and-comment.ndjson.gz": (21, 0, None),
    "13-bom-crlf.ndjson": (21, 0, None),
    "14-no-final-newline.ndjson": (21, 0, None),
    "15-blank-lines.ndjson": (21, 0, None),
    "16-no-separators.ndjson": (0, 1, None),
    "17-cr-only.ndjson": (0, 1, None),
    "18-unicode-line-separators.ndjson": (5, 0, None),
    "19-bad-lines-among-good.ndjson": (13, 8, None),
    "21-line-over-4MiB.ndjson.gz": (2, 1, None),
    "22-line-over-1MiB.ndjson.gz": (2, 0, None),
    "23-nul-escapes.ndjson": (5, 0, None),
    "24-raw-nul-and-controls.ndjson": (1, 2, None),
    "25-invalid-utf8.ndjson": (2, 2, None),
    "29-numbers.ndjson": (20, 0, None),
    "30-nan-infinity.ndjson": (1, 5, None),
    "31-timestamps.ndjson": (48, 0, None),
    "33-duplicate-keys.ndjson": (3, 0, None),
    "34-deep.ndjson": (11, 2, None),
    "35-envelopes.ndjson": (17, 8, None),
    "36-event-names.ndjson": (31, 0, None),
    "40-other-customer-isolation.ndjson": (1, 0, None),
}


def _decoded(data: bytes) -> tuple[bytes, bool]:
    """Decode gzip byte by byte until something is wrong with it; tell whether that is so."""
    out, member = b"", zlib.decompressobj(wbits=31)
    for value in data:
        if member.eof:
            if value != 0x1F:
                return out, True
            member = zlib.decompressobj(wbits=31)
        try:
            out += member.decompress(bytes((value,)))
        except zlib.error:
            return out, True
    return out, not member.eof


def _source_lines(data: bytes) -> list[bytes]:
    """Return the lines that a source holds, by a plain reading of it."""
    is_damaged = False
    while data.startswith(b"\x1f\x8b") and not is_damaged:
        data, is_damaged = _decoded(data)
    *whole, last = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    found = (line.removesuffix(b"\r") for line in (whole if is_damaged else [*whole, last]))
    return [line for line in found if line.strip()]


def _as_received(line: bytes) -> bytes:
    """Take the two spliced keys out of a raw line again; no source has them in this form and place."""
    opened = line.index(b"{") + 1
    head, rest = line[:opened], line[opened:].removeprefix(b'"receivedAt":"%s",' % START)
    if rest.startswith(b'"messageId":"auto-'):
        rest = rest.partition(b",")[2]
    return head + rest


def _without_markers(found: Lines) -> tuple[list[bytes], list[bytes], list[DamageMarker]]:
    unidentified = found.get((UNIDENTIFIED, str(HOUR)), [])
    markers = [marker for line in unidentified if (marker := DamageMarker.from_line(line))]
    kept = [line for line in unidentified if not line.startswith(b'{"_damaged"')]
    routed = [line for (event, _), each in found.items() if event != UNIDENTIFIED for line in each]
    return routed, kept, markers


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_every_line_is_accounted_for(path: Path) -> None:
    store = MemoryObjectStore()
    report = ingest_file(store, path, hour=HOUR)
    routed, unidentified, markers = _without_markers(lines(store))
    source = _source_lines(path.read_bytes())
    assert Counter([_as_received(line) for line in routed] + unidentified) == Counter(source)
    assert (report.records, report.unidentified) == (len(source) + len(markers), len(unidentified))
    assert report.markers == len(markers)
    assert (
        sum(ref.records or 0 for seal in seals(store) for refs in seal.streams.values() for ref in refs)
        == report.records
    )
    if path.name in EXPECTED:
        damage = markers[0].reason if markers else None
        assert (len(routed), len(unidentified), damage) == EXPECTED[path.name]


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_ingesting_an_object_again_writes_nothing(path: Path) -> None:
    store = MemoryObjectStore()
    ingest_file(store, path, hour=HOUR)
    before = everything(store)
    report: IngestReport = ingest_file(store, path, hour=HOUR)
    assert (report.new_objects, report.new_seals) == (0, 0)
    assert everything(store) == before


def test_the_manifest_agrees_on_good_lines() -> None:
    stated = {each["object"]: each for each in json.loads((FOLDER / "manifest.json").read_bytes())}
    for name, (routed, unidentified, damage) in EXPECTED.items():
        if damage is None and name not in {"16-no-separators.ndjson", "17-cr-only.ndjson"}:
            assert routed + unidentified == stated[name]["lines"], name
        good = stated[name]["good_lines"]
        assert good is None or routed >= good, name


def test_all_objects_as_one_hour_of_one_customer() -> None:
    store, records = MemoryObjectStore(), 0
    for path in OBJECTS:
        records += ingest_file(store, path, hour=HOUR).records
    assert sum(len(each) for each in lines(store).values()) == records


def test_the_guards_and_valid_probes_of_the_json_test_suite_name_their_streams() -> None:
    for each in json.loads((FOLDER / "jts_manifest.json").read_bytes()):
        store = MemoryObjectStore()
        ingest_file(store, FOLDER / each["object"], hour=HOUR)
        found = {event: len(kept) for (event, _), kept in lines(store).items()}
        assert found["jts_guard"] == each["guards"]
        if each["object"] == "jts_probe_valid.ndjson":
            assert found == {"jts_guard": each["guards"], "jts_probe": each["probes"]}
