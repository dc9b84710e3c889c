"""The objects of one batch while it grows: thousands of stream-hours at once, in bounded memory.

Belongs here: which lines share an object, compression, moving to disk what does not fit into memory. Does not: which
records belong to the batch (`batch`), the store (`writing`).

The bytes of an object depend on its lines and the bounds alone, so a repeated batch makes the same bytes: a stream-hour
is compressed in gzip members of a fixed length, and what is spilled before a member is complete is spilled as it is.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from isal import igzip

from clickstream_platform.batcher.bounds import ObjectBounds

GZIP_LEVEL = 2
MEMBER_BYTES = 256 * 1024  # of lines
_LINE_OVERHEAD_BYTES = 48  # of a bytes object and its place in a list
_LARGE_BYTES = 8 * 1024 * 1024

Target = tuple[int, str, str]
"""Hours since 1970, customer, event."""
_Place = tuple[int, int]  # offset and size in the spill file


@dataclass(frozen=True, slots=True)
class SpooledObject:
    """A complete object: target, numbers of its first and last Kinesis record, and its bytes or a file of many."""

    target: Target
    first: int
    last: int
    records: int
    body: bytes | Path


@dataclass(slots=True)
class _Growing:
    target: Target
    first: int
    last: int = 0
    records: int = 0
    size_bytes: int = 0
    member_bytes: int = 0  # of lines of the member that is not complete
    lines: list[bytes] = field(default_factory=list)
    line_places: list[_Place] = field(default_factory=list)  # before `lines`
    members: list[bytes | _Place] = field(default_factory=list)
    held_bytes: int = 0


class Spool:
    """Takes lines and gives objects. Close it after use: its file is deleted."""

    def __init__(self, folder: Path, bounds: ObjectBounds, memory_bytes: int) -> None:
        """Spill into a folder when lines and compressed members take more memory than that."""
        self._bounds, self._memory_bytes, self._folder = bounds, memory_bytes, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._growing: dict[Target, _Growing] = {}
        self._full: list[_Growing] = []
        self._touched: list[_Growing] = []
        self._held_bytes = 0
        self._file = tempfile.TemporaryFile(dir=folder, prefix="spool-")  # noqa: SIM115 - closed by `close`
        self._file_bytes = 0
        self.size_bytes = self.records = 0

    @property
    def count(self) -> int:
        """The number of objects, complete or not."""
        return len(self._full) + len(self._growing)

    def close(self) -> None:
        """Delete the spill file."""
        self._file.close()

    def add(self, target: Target, sequence: int, line: bytes) -> None:
        """Append a line without its end to an object of its stream-hour."""
        item = self._growing.get(target)
        if item is None:
            item = self._growing[target] = _Growing(target, sequence)
        size = len(line) + 1
        item.last = sequence
        item.records += 1
        item.size_bytes += size
        item.member_bytes += size
        item.lines.append(line)
        held = size + _LINE_OVERHEAD_BYTES
        item.held_bytes += held
        self._held_bytes += held
        self.size_bytes += size
        self.records += 1
        if item.member_bytes >= MEMBER_BYTES:
            self._end_member(item)
        if self._bounds.is_full(item.size_bytes, item.records):
            self._touched.append(item)

    def end_record(self) -> None:
        """Tell that a Kinesis record is complete: objects only end there, so that no two have one name.

        Whatever does not fit into memory is moved to disk.
        """
        for item in self._touched:
            if self._growing.pop(item.target, None) is not None:
                self._full.append(item)
        self._touched.clear()
        if self._held_bytes > self._memory_bytes:
            self._spill()

    def objects(self) -> Iterator[SpooledObject]:
        """Yield all objects, in an order that depends on the lines alone. They take no memory once they are dropped."""
        for item in (*self._full, *self._growing.values()):
            yield SpooledObject(item.target, item.first, item.last, item.records, self._body(item))

    def _member(self, item: _Growing) -> bytes:
        text = b"\n".join((*item.lines, b"")) if item.lines else b""
        member: bytes = igzip.compress(b"".join((*map(self._read, item.line_places), text)), GZIP_LEVEL, mtime=0)
        return member

    def _end_member(self, item: _Growing) -> None:
        member = self._member(item)
        self._held_bytes -= item.held_bytes
        item.held_bytes += len(member) - sum(len(line) + 1 + _LINE_OVERHEAD_BYTES for line in item.lines)
        self._held_bytes += item.held_bytes
        item.lines, item.line_places, item.member_bytes = [], [], 0
        item.members.append(member)

    def _spill(self) -> None:
        # Largest first and only down to half: small streams stay in memory instead of in tiny pieces.
        for item in sorted((*self._full, *self._growing.values()), key=lambda each: each.held_bytes, reverse=True):
            if self._held_bytes <= self._memory_bytes // 2:
                return
            self._held_bytes -= item.held_bytes
            item.held_bytes = 0
            if item.lines:
                item.line_places.append(self._write(b"\n".join((*item.lines, b""))))
                item.lines = []
            item.members = [self._write(each) if isinstance(each, bytes) else each for each in item.members]

    def _body(self, item: _Growing) -> bytes | Path:
        # The last member is not kept: those of thousands of streams together are far more than fits into memory.
        members = [*item.members, self._member(item)] if item.lines or item.line_places else item.members
        sizes = (len(each) if isinstance(each, bytes) else each[1] for each in members)
        pieces = (each if isinstance(each, bytes) else self._read(each) for each in members)
        if sum(sizes) <= _LARGE_BYTES:
            return b"".join(pieces)
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix="object-")
        try:
            with os.fdopen(descriptor, "wb") as target:
                target.writelines(pieces)
        except OSError:
            Path(name).unlink()  # of a disk that is full, all that is left would be gone
            raise
        return Path(name)

    def _write(self, data: bytes) -> _Place:
        place = (self._file_bytes, len(data))
        # A short write is only possible when the disk is full, and then the next one raises.
        written = 0
        while written < len(data):
            written += os.pwrite(self._file.fileno(), data[written:], self._file_bytes + written)
        self._file_bytes += len(data)
        return place

    def _read(self, place: _Place) -> bytes:
        return os.pread(self._file.fileno(), place[1], place[0])
