"""The files that are ingested: their identity and their lines.

Belongs here: finding, hashing and reading a file, and keeping standard input in one. Does not: what lines mean
(`routing`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

from clickstream_platform.codecs.lines import LineBlock
from clickstream_platform.errors import ObjectChangedError, ObjectNotFoundError

CHUNK_BYTES = 1024 * 1024
DIGEST_HEX_DIGITS = 16
WHOLE_LINE = -1

Progress = Callable[[str, int, int], None]
"""Told the phase, and its bytes done and in total; for a progress bar."""


def no_progress(_phase: str, _done: int, _total: int) -> None:
    """Show nothing."""


class SourceLine(NamedTuple):
    """A line and its number (from 1); `part` is WHOLE_LINE, or counts the pieces of a line over the limit from 0."""

    number: int
    part: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Source:
    """A local file to ingest, with the name it is reported under (no path)."""

    name: str
    path: Path

    @classmethod
    def of_file(cls, path: Path) -> Source:
        """Return the source for a file; raise ObjectNotFoundError unless it can be read."""
        if path.is_dir():
            raise _unreadable(path.name, "it is a folder")
        source = cls(path.name, path)
        source.open().close()
        return source

    def open(self) -> BinaryIO:
        """Open the file from its start; raise ObjectNotFoundError when that fails."""
        try:
            return self.path.open("rb")
        except OSError as error:
            raise _unreadable(self.name, error.strerror or type(error).__name__) from error

    def state(self) -> tuple[int, int]:
        """Return the file's size in bytes and its modification time in nanoseconds."""
        found = self.path.stat()
        return found.st_size, found.st_mtime_ns

    def check_unchanged(self, state: tuple[int, int]) -> None:
        """Raise ObjectChangedError when the file is not as it was at `state`."""
        if self.state() != state:
            raise ObjectChangedError(
                f"ingesting {self.name!r}",
                cause="the file was written to meanwhile",
                remedy="Ingest it again once it is complete; lines that were written already count as duplicates.",
            )


def spool(name: str, stream: BinaryIO, path: Path, progress: Progress = no_progress) -> Source:
    """Write a stream (standard input) to a new local file, because it is read twice, and return it as a source."""
    done = 0
    with path.open("xb") as target:
        while chunk := stream.read(CHUNK_BYTES):
            target.write(chunk)
            done += len(chunk)
            progress("receiving", done, 0)
    return Source(name, path)


def source_digest(customer: str, source: Source, progress: Progress = no_progress) -> str:
    """Return 16 hex digits over the customer and the file's bytes.

    The customer is part of it because seals are not kept per customer: the same file of two customers has two seals.
    """
    digest = sha256(f"{customer}\0".encode())
    total, done = source.state()[0], 0
    with source.open() as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            progress("hashing", done, total)
    return digest.hexdigest()[:DIGEST_HEX_DIGITS]


def lines_of(block: LineBlock) -> Iterator[SourceLine]:
    """Yield a block's lines and its pieces of lines over the size limit, in the order of the file."""
    data = block.data
    bounds = zip(block.numbers.tolist(), block.starts.tolist(), block.ends.tolist(), strict=True)
    whole = (SourceLine(number, WHOLE_LINE, data[start:end]) for number, start, end in bounds)
    if not block.oversize:
        return whole
    return heapq.merge(whole, (SourceLine(*piece) for piece in block.oversize), key=lambda line: line.number)


def _unreadable(name: str, cause: str) -> ObjectNotFoundError:
    return ObjectNotFoundError(f"reading {name!r}", cause=cause, remedy="Check the path and its permissions.")
