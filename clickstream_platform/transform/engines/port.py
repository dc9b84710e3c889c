"""What an engine is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from clickstream_platform.transform.chunks import BatchStream, Chunk
from clickstream_platform.transform.records import Note
from clickstream_platform.transform.shreds import Shred


@dataclass(frozen=True, slots=True)
class Rejection:
    """A line that is no record: its index in the chunk, the reason code and a short detail."""

    index: int
    reason: str
    detail: str


@dataclass(slots=True)
class Shredded:
    """What a chunk became.

    `notes`: values left out, by the record's position; `blank`: lines of white space; `broken`: indexes of records that
    break their stream's contract, whatever became of them.
    """

    shreds: list[Shred] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    notes: list[tuple[int, Note]] = field(default_factory=list)
    blank: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)


class Engine(Protocol):
    """Turns chunks into shreds."""

    def shred(self, chunk: Chunk, streams: list[BatchStream]) -> Shredded:
        """Return the chunk's rows as shreds; every line is in exactly one of shreds, rejections and blank."""
        ...

    def close(self) -> None:
        """Free what the engine holds."""
        ...
