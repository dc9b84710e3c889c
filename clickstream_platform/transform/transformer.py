"""The transform of one customer-hour (or some of its events): raw objects in, a staged batch out.

Two passes, both in bounded memory: `gathering` reads everything and finds out what there is, `stager` gives every
column its type and writes. Belongs here: the order of the work and its accounting. See docs/transform.md.
"""

from __future__ import annotations

import gc
import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest
from clickstream_platform.model.object_keys import discarded_values_key, quarantine_key, staged_prefix
from clickstream_platform.model.records import MAX_RECORD_BYTES
from clickstream_platform.model.schemas import TableState
from clickstream_platform.model.staging import BATCH_FILE, StagedBatch, StagedStream
from clickstream_platform.transform.chunks import BatchStream
from clickstream_platform.transform.contracts import open_contract
from clickstream_platform.transform.dedup import SeenRecords
from clickstream_platform.transform.engines.duckdb import DuckDBEngine
from clickstream_platform.transform.gathering import Gatherer
from clickstream_platform.transform.memory import give_back_memory, keep_freed_memory
from clickstream_platform.transform.notes import NoteSpool
from clickstream_platform.transform.plan import GreatestInteger, SchemaPolicy
from clickstream_platform.transform.port import Objects
from clickstream_platform.transform.quarantine import Quarantine
from clickstream_platform.transform.reading import BatchReader
from clickstream_platform.transform.shreds import ShredSpool
from clickstream_platform.transform.stager import StagedOutput, Stager


@dataclass(frozen=True, slots=True)
class TransformSettings:
    """Limits of the transform; sizes in bytes. `memory_bytes` is for shreds, beside one chunk and its shred."""

    memory_bytes: int = 96 * 1024 * 1024
    block_bytes: int = 12 * 1024 * 1024
    max_record_bytes: int = MAX_RECORD_BYTES
    max_depth: int = 8
    part_bytes: int = 64_000_000
    work_dir: str | None = None


class Transformer:
    """Stages batches."""

    def __init__(self, objects: Objects, settings: TransformSettings | None = None) -> None:
        """Read from and write to `objects`."""
        self._objects = objects
        self._settings = settings or TransformSettings()

    def stage(
        self,
        customer: str,
        hour: Hour,
        manifests: Mapping[str, Manifest],
        states: Mapping[str, TableState],
        policy: SchemaPolicy,
        max_abs_integer: GreatestInteger,
    ) -> StagedBatch:
        """Transform the events of `manifests` (event -> its frozen input) and write the staged batch.

        `states` are the target tables as they are, by name; a missing one does not exist. `max_abs_integer(table,
        column)` is asked before a BIGINT column is widened. Raises ObjectChangedError when an object differs from its
        manifest, ReconciliationError when the counts do not add up, InvalidSchemaError for a contract that can't be
        checked; nothing is staged then.
        """
        keep_freed_memory()
        streams = _number_streams(manifests, policy)
        inputs = {stream.number: manifests[stream.event] for stream in streams}
        prefix = staged_prefix(customer, hour, batch_digest(manifests))
        with tempfile.TemporaryDirectory(dir=self._settings.work_dir) as name, _without_cycle_collection():
            quarantine = Quarantine(Path(name))
            reader = self._reader(inputs, streams, quarantine)
            gathered = self._gather(reader, streams, Path(name), states, policy)
            stager = Stager(
                objects=self._objects,
                prefix=prefix,
                folder=Path(name),
                hour=hour,
                streams=streams,
                states=states,
                policy=policy,
                max_abs_integer=max_abs_integer,
                part_bytes=self._settings.part_bytes,
                long_value_keys={n: discarded_values_key(hour, m.stream, m.digest) for n, m in inputs.items()},
            )
            output = stager.stage(gathered)
            counts = {n: _counts(n, m, reader, gathered, output) for n, m in inputs.items()}
            keys = quarantine.put(
                self._objects, {n: quarantine_key(hour, m.stream, m.digest) for n, m in inputs.items()}
            )
        give_back_memory()
        batch = StagedBatch(
            customer=customer,
            hour=hour,
            digest=batch_digest(manifests),
            streams=tuple(
                _staged_stream(s, inputs[s.number], counts[s.number], keys.get(s.number), gathered) for s in streams
            ),
            packs=output.packs,
            tables=output.tables,
            tracks=output.tracks,
            discards=output.discards,
        )
        self._objects.put(f"{prefix}{BATCH_FILE}", batch.to_json())
        return batch

    def _reader(
        self, inputs: Mapping[int, Manifest], streams: list[BatchStream], quarantine: Quarantine
    ) -> BatchReader:
        settings = self._settings
        return BatchReader(self._objects, inputs, streams, quarantine, settings.block_bytes, settings.max_record_bytes)

    def _gather(
        self,
        reader: BatchReader,
        streams: list[BatchStream],
        folder: Path,
        states: Mapping[str, TableState],
        policy: SchemaPolicy,
    ) -> Gatherer:
        # A table that holds nothing but this very hour binds no record: in halves it ends as when loaded at once.
        tables = {stream.number: states[stream.event] for stream in streams if stream.event in states}
        strict = {n: table for n, table in tables.items() if table.exists and table.binding}
        strict = strict if policy.schema_mode == "reject" else {}
        spool = ShredSpool(folder, self._settings.memory_bytes)
        gatherer = Gatherer(streams, spool, NoteSpool(folder), reader.quarantine, SeenRecords(folder), strict)
        engine = DuckDBEngine(max_depth=self._settings.max_depth)
        try:
            for chunk in reader:
                gatherer.take(chunk, engine.shred(chunk, streams))
        finally:
            engine.close()
        gatherer.seen.forget()
        return gatherer


def batch_digest(manifests: Mapping[str, Manifest]) -> str:
    """Return 40 hex digits that name the whole input of a batch."""
    digests = "".join(f"{event}\n{manifests[event].digest}\n" for event in sorted(manifests))
    return hashlib.sha256(digests.encode()).hexdigest()[:40]


def _number_streams(manifests: Mapping[str, Manifest], policy: SchemaPolicy) -> list[BatchStream]:
    return [
        BatchStream(number, event, open_contract(event, policy.contracts.get(event)))
        for number, event in enumerate(sorted(manifests))
    ]


def _staged_stream(
    stream: BatchStream, manifest: Manifest, counts: StreamCounts, quarantine_key: str | None, gathered: Gatherer
) -> StagedStream:
    version = stream.contract.version if stream.contract else None
    broken = gathered.broken.get(stream.number, 0)
    return StagedStream(stream.event, manifest.digest, counts, quarantine_key, version, broken)


def _counts(
    number: int, manifest: Manifest, reader: BatchReader, gathered: Gatherer, output: StagedOutput
) -> StreamCounts:
    """Count a stream from independent places: records as read, rows as written, rejections as quarantined."""
    raw = reader.records.get(number, 0) - gathered.blank.get(number, 0)
    rows = output.rows.get(number, 0)
    rejected = gathered.quarantine.counts.get(number, 0)
    counts = StreamCounts(
        objects=len(manifest.objects),
        bytes=manifest.size_bytes,
        raw=raw,
        rows=rows,
        duplicates=gathered.duplicates.get(number, 0) + output.contested.get(number, 0),
        rejected=rejected,
        discarded=output.discarded.get(number, 0),
    )
    counts.check(f"{manifest.stream} {manifest.hour}")
    return counts


@contextmanager
def _without_cycle_collection() -> Iterator[None]:
    """Pause the cycle collector: millions of short-lived dicts hold no cycles; looking for them costs half the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
