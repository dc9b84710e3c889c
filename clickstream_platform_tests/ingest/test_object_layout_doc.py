"""The examples of docs/object-layout.md are what the platform writes, byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest

from clickstream_platform.ingest.ingest import DATED_SUFFIX, SHARD_PREFIX
from clickstream_platform.ingest.routing import Router
from clickstream_platform.ingest.writer import WriterLimits
from clickstream_platform.model.damage_marker import DamageMarker
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest, Seal
from clickstream_platform.model.mended_values import MENDED_KEY, read_mended, write_mended
from clickstream_platform.model.object_keys import RawObjectKey, parse_quarantine_key
from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.model.staging import StagedBatch
from clickstream_platform_tests.shared_data import REPOSITORY

DOCUMENT = (REPOSITORY / "docs" / "object-layout.md").read_text()
EXAMPLES = re.findall(r"^```json\n(.*?)\n```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def _marker(data: bytes) -> bytes:
    marker = DamageMarker.from_line(data)
    return b"" if marker is None else marker.to_line()


def _mended(data: bytes) -> bytes:
    mended = read_mended(json.loads(data)[MENDED_KEY])
    return b"" if mended is None else b'{"%s":%s}' % (MENDED_KEY.encode(), write_mended(mended))


FORMS: dict[str, Callable[[bytes], bytes]] = {
    '{"receivedAt"': lambda data: Router(Hour.parse("2026-11-22T09")).route(b'{"type":"page"}')[1],
    '{"_damaged"': _marker,
    '{"_discarded"': _mended,
    '{"version":1,"hour"': lambda data: Seal.from_json(data).to_json(),
    '{"version":1,"customer"': lambda data: Manifest.from_json(data).to_json(),
    '{"customer"': lambda data: StagedBatch.from_json(data).to_json(),
    '{"object"': lambda data: QuarantinedRecord.from_json(data).to_json(),
}


@pytest.mark.parametrize("start", FORMS)
def test_an_example_is_the_written_form(start: str) -> None:
    (example,) = [each for each in EXAMPLES if each.startswith(start)]
    assert FORMS[start](example.encode()).decode() == example


def _keys(prefix: str) -> Iterator[str]:
    return (key for example in EXAMPLES for key in re.findall(rf'"({prefix}/[^"]*)"', example))


def test_the_keys_of_the_examples_follow_the_grammar() -> None:
    raw = list(_keys("raw"))
    assert raw
    assert [str(RawObjectKey.parse(key)) for key in raw] == raw
    (quarantined,) = _keys("quarantine")
    stream, hour, digest = parse_quarantine_key(quarantined)
    assert (str(stream), str(hour), len(digest)) == ("acme/order_completed", "2026-11-22T09", 40)


def test_what_ingesting_writes_is_told_as_it_is() -> None:
    assert f"| `<shard>` | `{SHARD_PREFIX}` and 16 hex digits" in DOCUMENT
    assert f"`{DATED_SUFFIX}` behind it" in DOCUMENT
    assert f"up to {WriterLimits().object_bytes // 1024**2} MiB uncompressed" in DOCUMENT
