"""Quarantine objects for tests, written the way the transform writes them.

Belongs here: making them. Does not: any assertion.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable

from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey, quarantine_key
from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.streams import UNIDENTIFIED, Stream

HOUR = Hour.parse("2026-11-22T09")
CUSTOMER = "acme"
NAMELESS = Stream(CUSTOMER, UNIDENTIFIED)
PAGES = Stream(CUSTOMER, "pages")


def raw_key(stream: Stream, shard: str = "ingest.s", hour: Hour = HOUR) -> str:
    """Return the key of a raw object of a stream."""
    return str(RawObjectKey(hour, stream, shard, "1", "9"))


def rejected(
    line: int, reason: RejectReason, data: bytes, *, stream: Stream = NAMELESS, shard: str = "ingest.s", part: int = 0
) -> QuarantinedRecord:
    """Return a rejected record of a stream's raw object."""
    return QuarantinedRecord(raw_key(stream, shard), line, reason, f"because of {reason}", data, part)


def put_quarantine(
    store: ObjectStore,
    records: Iterable[QuarantinedRecord],
    *,
    stream: Stream = NAMELESS,
    hour: Hour = HOUR,
    digest: str = "d1",
) -> str:
    """Write the quarantine object of one input of a stream-hour; return its key."""
    key = quarantine_key(hour, stream, digest)
    store.put(key, gzip.compress(b"".join(each.to_json() + b"\n" for each in records)))
    return key
