"""What ingesting left in an object store, read back the plain way.

Belongs here: reading raw objects and seals in tests, with the standard library's gzip. Does not: any assertion.
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.ingest.ingest import IngestOptions, IngestReport, ingest
from clickstream_platform.ingest.sources import Source
from clickstream_platform.ingest.writer import WriterLimits
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Seal
from clickstream_platform.model.object_keys import RawObjectKey

HOUR = Hour.parse("2026-11-22T09")
CUSTOMER = "acme"
Lines = dict[tuple[str, str], list[bytes]]


def ingest_file(
    store: MemoryObjectStore,
    path: Path,
    *,
    hour: Hour = HOUR,
    customer: str = CUSTOMER,
    limits: WriterLimits | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> IngestReport:
    """Ingest one file of a customer."""
    options = IngestOptions(customer, hour, None, limits or WriterLimits())
    source = Source.of_file(path)
    return ingest(store, source, options) if progress is None else ingest(store, source, options, progress)


def ingest_bytes(store: MemoryObjectStore, folder: Path, data: bytes, *, hour: Hour = HOUR) -> IngestReport:
    """Ingest these bytes as a file."""
    path = folder / "source.ndjson"
    path.write_bytes(data)
    return ingest_file(store, path, hour=hour)


def keys(store: MemoryObjectStore) -> list[RawObjectKey]:
    """Return the keys of all raw objects, in order."""
    return [RawObjectKey.parse(info.key) for info in store.list_objects("raw/")]


def lines(store: MemoryObjectStore) -> Lines:
    """Return all raw lines by (event, hour), in the order of keys."""
    found: Lines = defaultdict(list)
    for key in keys(store):
        *whole, rest = gzip.decompress(store.get(str(key))).split(b"\n")
        if rest:
            raise AssertionError(f"{key} ends inside a line")
        found[key.stream.event, str(key.hour)] += whole
    return dict(found)


def seals(store: MemoryObjectStore) -> list[Seal]:
    """Return all seals in the order of their keys."""
    return [Seal.from_json(store.get(info.key)) for info in store.list_objects("seals/")]


def everything(store: MemoryObjectStore) -> dict[str, bytes]:
    """Return all objects by key."""
    return {info.key: store.get(info.key) for info in store.list_objects("")}
