"""Raw objects of many stream-hours at once, built in bounded memory.

Belongs here: which lines share an object, compression, and moving what does not fit into memory to disk. Does not:
where a line belongs (`routing`), the store (`uploads`), seals (`sealing`).

The bytes of an object depend on the lines and the limits only. Above the memory limit the largest open objects are
compressed into a spill file, each as a gzip member of its own; an object is the sequence of its members, which is
gzip too.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from isal import igzip

from clickstream_platform.ingest.ports import RawStore
from clickstream_platform.ingest.uploads import FinishedObject, Uploads, WrittenObject
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream

SEQUENCE_DIGITS = 12
GZIP_LEVEL = 2
_LARGE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """Uncompressed bytes of the lines of one raw object, and of all lines held in memory. Objects depend on both."""

    object_bytes: int = 64 * 1024 * 1024
    held_bytes: int = 32 * 1024 * 1024


@dataclass(slots=True)
class _OpenObject:
    first: int
    last: int
    records: int = 0
    size_bytes: int = 0
    held_bytes: int = 0
    pieces: list[bytes] = field(default_factory=list)
    members: list[tuple[int, int]] = field(default_factory=list)  # offset and size in the spill file

    def take_member(self) -> bytes:
        """Return the held lines as a gzip member, and hold them no longer."""
        member: bytes = igzip.compress(b"".join(self.pieces), GZIP_LEVEL, mtime=0)
        self.pieces, self.held_bytes = [], 0
        return member


_Target = tuple[str, Hour, str]


class RawWriter:
    """Writes lines of one customer into raw objects. Use it as a context manager: it cleans up after itself."""

    def __init__(
        self, store: RawStore, customer: str, work_dir: Path | None = None, limits: WriterLimits | None = None
    ) -> None:
        """Write into a store; what does not fit into memory goes into `work_dir` (default: the system's)."""
        self._customer = customer
        self._folder = Path(tempfile.mkdtemp(prefix="clickstream-raw-", dir=work_dir))
        self._limits = limits or WriterLimits()
        self._uploads = Uploads(store)
        self._open: dict[_Target, _OpenObject] = {}
        self._held_bytes = 0
        self._files = 0
        self._spill: BinaryIO = (self._folder / "spill").open("w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spill.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, shard: str, hour: Hour, event: str, number: int, data: bytes, *, begins: bool = True) -> None:
        """Append to a stream-hour: a whole line with its line end, or a part of line `number` that `begins` it or not.

        Lines are kept in the order they are added; an object never ends inside a line.
        """
        target = (shard, hour, event)
        item = self._open.get(target)
        if item is not None and begins and item.size_bytes + len(data) > self._limits.object_bytes:
            self._finish(target, item)
            item = None
        if item is None:
            item = self._open[target] = _OpenObject(number, number)
        item.pieces.append(data)
        item.records += begins
        item.first, item.last = min(item.first, number), max(item.last, number)
        item.size_bytes += len(data)
        item.held_bytes += len(data)
        self._held_bytes += len(data)
        if self._held_bytes > self._limits.held_bytes:
            self._spill_largest()

    def finish(self) -> list[WrittenObject]:
        """Write everything that is still open and return all objects of this writer."""
        for target, item in list(self._open.items()):
            self._finish(target, item)
        return self._uploads.finish()

    def _spill_largest(self) -> None:
        # Largest first and only down to half: thousands of small streams stay in memory instead of in tiny members.
        for item in sorted(self._open.values(), key=lambda each: each.held_bytes, reverse=True):
            if self._held_bytes <= self._limits.held_bytes // 2:
                return
            self._held_bytes -= item.held_bytes
            member = item.take_member()
            item.members.append((self._spill.seek(0, 2), len(member)))
            self._spill.write(member)

    def _finish(self, target: _Target, item: _OpenObject) -> None:
        del self._open[target]
        self._held_bytes -= item.held_bytes
        shard, hour, event = target
        key = RawObjectKey(hour, Stream(self._customer, event), shard, sequence(item.first), sequence(item.last))
        self._uploads.add(FinishedObject(key, item.records, item.size_bytes, self._body(item)))

    def _body(self, item: _OpenObject) -> bytes | Path:
        rest = item.take_member() if item.pieces else b""
        if sum(size for _, size in item.members) <= _LARGE_BYTES:
            return b"".join((*(self._member(offset, size) for offset, size in item.members), rest))
        self._files += 1
        path = self._folder / f"object-{self._files}"
        with path.open("wb") as target:
            target.writelines(self._member(offset, size) for offset, size in item.members)
            target.write(rest)
        return path

    def _member(self, offset: int, size: int) -> bytes:
        self._spill.seek(offset)
        return self._spill.read(size)


def sequence(number: int) -> str:
    """Return a line number as the sequence of a raw object key: twelve digits, so that keys sort by it."""
    return f"{number:0{SEQUENCE_DIGITS}d}"
