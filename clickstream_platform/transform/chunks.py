"""Chunks: lines of one or more objects that are transformed together, with where each line came from.

Belongs here: gathering blocks of lines into chunks of bounded size. Does not: reading (`codecs`) or JSON (`engines`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from clickstream_platform.codecs.lines import LineBlock
from clickstream_platform.transform.contracts import StreamContract
from clickstream_platform.transform.texts import Ints


@dataclass(frozen=True, slots=True)
class BatchStream:
    """A stream of the batch: its number in it, its event slug, and the contract its records are held to."""

    number: int
    event: str
    contract: StreamContract | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class SourceObject:
    """A raw object and the stream it belongs to."""

    key: str
    stream: BatchStream


@dataclass(slots=True)
class Chunk:
    """Lines in batch order: line i is `data[starts[i]:ends[i]]`, line `number[i]` of object `sources[source[i]]`."""

    data: bytes
    starts: Ints
    ends: Ints
    number: Ints
    source: Ints
    stream: Ints
    sources: list[SourceObject]
    first_position: int
    contiguous: bool = True

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, index: int) -> bytes:
        """Return the bytes of one line."""
        return self.data[self.starts[index] : self.ends[index]]

    def lines(self) -> pa.StringArray:
        """Return all lines as text (with the white space around them); the bytes are not checked to be UTF-8."""
        if not self.contiguous:
            return pa.array([self.line(i) for i in range(len(self))], pa.binary()).view(pa.string())
        offsets = np.append(self.starts, len(self.data)).astype(np.int32)
        return pa.StringArray.from_buffers(len(self), pa.py_buffer(offsets), pa.py_buffer(self.data))


@dataclass(slots=True)
class ChunkBuilder:
    """Collects blocks until they make a chunk of about `chunk_bytes` decompressed bytes."""

    chunk_bytes: int
    _blocks: list[tuple[SourceObject, LineBlock]] = field(default_factory=list)
    _bytes: int = 0
    _position: int = 0

    def add(self, source: SourceObject, block: LineBlock) -> Iterator[Chunk]:
        """Take a block; yield a chunk when there is enough."""
        if len(block):
            self._blocks.append((source, block))
            self._bytes += len(block.data)
        if self._bytes >= self.chunk_bytes:
            yield from self.flush()

    def flush(self) -> Iterator[Chunk]:
        """Yield what is left."""
        if self._blocks:
            chunk = _join(self._blocks, self._position)
            self._position += len(chunk)
            self._blocks, self._bytes = [], 0
            yield chunk


def _join(blocks: list[tuple[SourceObject, LineBlock]], position: int) -> Chunk:
    base = 0
    starts, ends, numbers, counts = [], [], [], []
    for _, block in blocks:
        starts.append(block.starts + base)
        ends.append(block.ends + base)
        numbers.append(block.numbers)
        counts.append(len(block))
        base += len(block.data)
    sources = [source for source, _ in blocks]
    return Chunk(
        data=b"".join(block.data for _, block in blocks) if len(blocks) > 1 else blocks[0][1].data,
        starts=np.concatenate(starts),
        ends=np.concatenate(ends),
        number=np.concatenate(numbers),
        source=np.repeat(np.arange(len(blocks)), counts),
        stream=np.repeat(np.array([source.stream.number for source in sources]), counts),
        sources=sources,
        first_position=position,
        contiguous=not any(block.oversize for _, block in blocks),
    )
