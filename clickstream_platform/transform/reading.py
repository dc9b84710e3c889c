"""Reads a batch's raw objects, in batch order, into chunks; what is no line at all goes to quarantine here.

Belongs here: objects to chunks, and counting. Does not: JSON (`engines`).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO

from clickstream_platform.codecs.lines import LineReader
from clickstream_platform.errors import ObjectChangedError
from clickstream_platform.model.manifests import Manifest, ObjectRef
from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.model.records import RejectReason
from clickstream_platform.transform.chunks import BatchStream, Chunk, ChunkBuilder, SourceObject
from clickstream_platform.transform.port import Objects
from clickstream_platform.transform.quarantine import Quarantine

_SMALL_OBJECT_BYTES = 4 * 1024 * 1024
_PREFETCH_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class BatchReader:
    """Iterates over the chunks of a batch; `records` counts the records read, by stream number."""

    objects: Objects
    manifests: Mapping[int, Manifest]
    streams: list[BatchStream]
    quarantine: Quarantine
    block_bytes: int
    max_record_bytes: int
    records: dict[int, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Chunk]:
        """Yield chunks; oversize lines and what could not be decoded are put into quarantine on the way."""
        builder = ChunkBuilder(self.block_bytes)
        for stream, ref, open_object in self._open_all():
            source = SourceObject(ref.key, stream)
            reader = LineReader(open_object, block_bytes=self.block_bytes, max_line_bytes=self.max_record_bytes)
            for block in reader:
                self._count(stream, len(block))
                for number, part, data in block.oversize:
                    detail = f"longer than {self.max_record_bytes} bytes"
                    self._reject(source, number, RejectReason.TOO_LARGE, detail, data, part)
                yield from builder.add(source, block)
            if reader.damage is not None:
                number, partial_line = reader.partial_line or (0, b"")
                damage = reader.damage
                self._reject(source, number, damage.reason, damage.detail, partial_line + damage.rest)
            if reader.bytes_read != ref.size:
                raise ObjectChangedError(
                    "reading a raw object",
                    where=f"{self.manifests[stream.number].stream} {self.manifests[stream.number].hour}",
                    cause=f"{ref.key} has {reader.bytes_read} bytes, its manifest says {ref.size}",
                    remedy="Raw objects must never change: restore it, or delete the manifest to load it as it is.",
                )
        yield from builder.flush()

    def _count(self, stream: BatchStream, records: int) -> None:
        self.records[stream.number] = self.records.get(stream.number, 0) + records

    def _reject(
        self, source: SourceObject, number: int, reason: RejectReason, detail: str, data: bytes, part: int = 0
    ) -> None:
        self._count(source.stream, int(part == 0))
        self.quarantine.add(source.stream.number, QuarantinedRecord(source.key, number, reason, detail, data, part))

    def _open_all(self) -> Iterator[tuple[BatchStream, ObjectRef, Callable[[], BinaryIO]]]:
        """Yield every object of the batch with a function that opens it; small ones are fetched ahead in parallel."""
        pending: list[tuple[BatchStream, ObjectRef]] = []
        size = 0
        for stream in self.streams:
            for ref in self.manifests[stream.number].objects:
                small = ref.size <= _SMALL_OBJECT_BYTES
                if pending and (not small or size + ref.size > _PREFETCH_BYTES):
                    yield from self._fetch(pending)
                    pending, size = [], 0
                if small:
                    pending.append((stream, ref))
                    size += ref.size
                else:
                    yield stream, ref, partial(self.objects.open, ref.key)
        yield from self._fetch(pending)

    def _fetch(
        self, pending: list[tuple[BatchStream, ObjectRef]]
    ) -> Iterator[tuple[BatchStream, ObjectRef, Callable[[], BinaryIO]]]:
        for (stream, ref), (_, data) in zip(pending, self.objects.get_many([r.key for _, r in pending]), strict=True):
            yield stream, ref, partial(io.BytesIO, data)
