"""What is loaded: generated raw objects of one customer-hour in a local folder, with the exact counts to expect."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from isal import igzip

from clickstream_platform.gateways.local_objects import LocalObjectStore
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest, ObjectRef
from clickstream_platform.model.naming import event_slug
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import TABLE_OF_TYPE, Stream

CUSTOMER = "bench"
HOUR = Hour.of(datetime(2026, 1, 5, 9, tzinfo=UTC))
LINES_PER_OBJECT = 100_000
_MANIFESTS, _EXPECTED = "manifests.json", "expected.json"


@dataclass(frozen=True, slots=True)
class Workload:
    """A number of events over a number of tables of about the same size.

    `as_pages` makes page records of the track records of one event: a track record fills its own table and `tracks`,
    which other loaders have no counterpart of; a page record fills one table on every side.
    """

    name: str
    events: int
    tables: int
    as_pages: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """Exact counts of a workload."""

    raw: int
    rows: int
    duplicates: int
    malformed: int


def write_workload(workload: Workload, folder: Path, lines_per_object: int = LINES_PER_OBJECT) -> None:
    """Write raw objects, their manifests and the expected counts below `folder`.

    So many lines at a time become one object for each event among them.

    Duplicates, malformed lines, type conflicts and new properties are as frequent as the generator's defaults say.
    """
    # Imported only here: the measured processes read what was written, and pay for their own imports only.
    from clickstream_platform.generate import GeneratorSettings, expected_counts, generate_hour

    settings = GeneratorSettings(
        customer=CUSTOMER, first_hour=HOUR.start, events_per_hour=workload.events, streams=workload.tables, skew="equal"
    )
    store = LocalObjectStore(folder / "objects", durable=False)
    refs: dict[str, list[ObjectRef]] = {}
    held: dict[str, list[bytes]] = {}
    first = lines = 0
    for lines, line in enumerate(generate_hour(settings, 0), start=1):
        slug, data = event_slug(line.event_name) if line.record_type == "track" else line.event_name, line.line
        if workload.as_pages:
            slug, data = TABLE_OF_TYPE["page"], data.replace(b'"type":"track","event":', b'"type":"page","title":', 1)
        held.setdefault(slug, []).append(data)
        if lines % lines_per_object == 0:
            _write_objects(store, held, first, refs)
            held, first = {}, lines
    _write_objects(store, held, first, refs)
    manifests = [
        Manifest.freeze(Stream(CUSTOMER, event), HOUR, items).to_json().decode() for event, items in refs.items()
    ]
    (folder / _MANIFESTS).write_text(json.dumps(manifests))
    counts = expected_counts(settings)
    expected = Expected(counts.raw, counts.distinct, counts.duplicates, counts.malformed)
    (folder / _EXPECTED).write_text(json.dumps(asdict(expected)))


def read_manifests(folder: Path) -> dict[str, Manifest]:
    """Return event -> manifest of a written workload."""
    manifests = [Manifest.from_json(text.encode()) for text in json.loads((folder / _MANIFESTS).read_text())]
    return {manifest.stream.event: manifest for manifest in manifests}


def read_expected(folder: Path) -> Expected:
    """Return the exact counts of a written workload."""
    return Expected(**json.loads((folder / _EXPECTED).read_text()))


def _write_objects(
    store: LocalObjectStore, held: dict[str, list[bytes]], first: int, refs: dict[str, list[ObjectRef]]
) -> None:
    for event, lines in held.items():
        key = str(RawObjectKey(HOUR, Stream(CUSTOMER, event), "bench", f"{first:012d}", f"{first + len(lines):012d}"))
        info = store.put(key, igzip.compress(b"".join(line + b"\n" for line in lines)))
        refs.setdefault(event, []).append(ObjectRef(key, info.size, info.etag, len(lines)))
