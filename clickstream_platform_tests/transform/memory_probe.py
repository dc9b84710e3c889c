"""Stages a batch of so many records in a process of its own and prints the peak memory, in bytes: see test_memory."""

from __future__ import annotations

import gzip
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from clickstream_platform.gateways.local_objects import LocalObjectStore
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest, ObjectRef
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream
from clickstream_platform.transform import notes, parts
from clickstream_platform.transform.plan import SchemaPolicy
from clickstream_platform.transform.transformer import Transformer, TransformSettings

HOUR = Hour.parse("2026-11-22T09")
SMALL = TransformSettings(memory_bytes=2_000_000, block_bytes=1_000_000, max_record_bytes=200_000, part_bytes=1_000_000)
_REGULAR = (
    b'{"type":"track","event":"Purchase","messageId":"id-%d","receivedAt":"2026-11-22T09:10:00.000Z","anonymousId":"a%d",'
    b'"properties":{"total":%d.25,"text":"%0600d","tags":["a","b"]}}\n'
)
_COLLIDING = b'{"type":"track","event":"Purchase","messageId":"c-%d","properties":{"aB":"%0900d","a b":"y"}}\n'
_REJECTED = b'{"type":"track","event":"Purchase","properties":{"text":"no id %0900d %s"}}\n'


def main(records: int) -> None:
    """Stage the batch in a temporary folder."""
    # Caps that many records reach soon, so that what grows beyond them shows.
    parts.ROW_GROUP_BYTES = notes.MEMORY_BYTES = 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        store = LocalObjectStore(Path(folder) / "objects")
        stream = Stream("acme", "purchase")
        key = str(RawObjectKey(HOUR, stream, "probe", "1", "9"))
        path = Path(folder) / "raw"
        with gzip.open(path, "wb", compresslevel=1) as target:
            target.writelines(lines(records))
        info = store.put_file(key, path)
        manifest = Manifest.freeze(stream, HOUR, [ObjectRef(key, info.size, info.etag)])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        batch = Transformer(store, SMALL).stage("acme", HOUR, {"purchase": manifest}, {}, SchemaPolicy(), lambda *_: 0)
        counts = batch.streams[0].counts
        if (counts.raw, counts.rows) != (records, records - records // 10):
            raise SystemExit(f"wrong counts: {counts}")
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, before * 1024)


def lines(records: int) -> Iterator[bytes]:
    """Yield lines of which one in ten is rejected and one in ten has a name collision."""
    for number in range(records):
        if number % 10 == 0:
            yield _REJECTED % (number, b"%064x" % (number * 7919**9 % 2**256))
        elif number % 10 == 1:
            yield _COLLIDING % (number, number)
        else:
            yield _REGULAR % (number, number % 1000, number, number)


if __name__ == "__main__":
    main(int(sys.argv[1]))
