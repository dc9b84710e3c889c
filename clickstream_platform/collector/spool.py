"""Records on disk: appended, synced, read again in the order they were written, also after a crash.

The folder belongs to one process (a lock on `lock`). Segments `<number>.spool` hold frames; the last is written to. A
record is safe once `append` returned. A crash leaves at most an unfinished frame at the end of a segment, which nobody
was told is safe; it is set aside as `<segment>.damaged` when the folder is opened, as is what a broken disk left.

Belongs here: files and frames; every method blocks. Does not: who writes when, sending (`spooling`).
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from clickstream_platform.errors import ConfigurationError

_HEAD = struct.Struct(">4sIIHHI")  # magic, checksum of the rest, lengths of data, key, customer; events
_MAGIC = b"CSP1"
_SUFFIX = ".spool"


class SpoolRecord(NamedTuple):
    """One Kinesis record that waits: `events` of one customer."""

    customer: str
    partition_key: str
    data: bytes
    events: int

    def to_frame(self) -> bytes:
        """Return its form on disk."""
        key, customer = self.partition_key.encode(), self.customer.encode()
        body = b"".join((key, customer, self.data))
        checksum = zlib.crc32(body, self.events)
        return _HEAD.pack(_MAGIC, checksum, len(self.data), len(key), len(customer), self.events) + body


class Segment(NamedTuple):
    """A file of records that nobody writes to any more, and the bytes of each customer in it."""

    path: Path
    bytes_of: Counter[str]


class Spool:
    """The records in one folder; not safe to use from several threads at once."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        """Lock the folder, making it if need be, and check what is in it.

        Raises ConfigurationError when another process has it or it can't be written to.
        """
        self._folder, self._segment_bytes = folder, segment_bytes
        self._active: IO[bytes] | None = None
        self._active_size = 0
        self.damaged_bytes = 0
        try:
            self._lock = _locked(folder)
        except OSError as error:
            raise ConfigurationError(
                "opening the spool",
                where=str(folder),
                cause=error.strerror or str(error),
                remedy="Give each collector a writable folder of its own.",
            ) from error
        self._segments: dict[Path, Counter[str]] = {}
        for path in sorted(folder.glob(f"*{_SUFFIX}")):
            bytes_of = self._check(path)
            if bytes_of:
                self._segments[path] = bytes_of
            else:
                path.unlink()
        self._next = 1 + max((int(path.stem) for path in self._segments), default=0)

    @property
    def bytes_of(self) -> Counter[str]:
        """The bytes on disk by customer."""
        return sum(self._segments.values(), Counter())

    def append(self, records: Sequence[SpoolRecord]) -> None:
        """Write records and sync them; raise OSError when the disk refuses, then none of them is kept."""
        if self._active is None or self._active_size >= self._segment_bytes:
            self._start_segment()
        assert self._active is not None  # noqa: S101 - for the type checker
        frames = [(record.customer, record.to_frame()) for record in records]
        try:
            _write_all(self._active.fileno(), b"".join(frame for _, frame in frames))
            os.fsync(self._active.fileno())
        except OSError:
            self._abandon()
            raise
        bytes_of = self._segments[Path(self._active.name)]
        for customer, frame in frames:
            bytes_of[customer] += len(frame)
            self._active_size += len(frame)

    def oldest(self) -> Segment | None:
        """Return the segment that comes next, ending it if it is the one being written to; None when there is none."""
        for path, bytes_of in self._segments.items():
            if self._active is not None and path == Path(self._active.name):
                if not bytes_of:
                    return None
                self._end_segment()
            return Segment(path, bytes_of)
        return None

    def read(self, segment: Segment) -> list[SpoolRecord]:
        """Return the records of a segment in their order; raise OSError when the disk can't."""
        return [record for record, _ in _frames(segment.path.read_bytes())]

    def remove(self, segment: Segment) -> None:
        """Delete a segment whose records are safe elsewhere."""
        segment.path.unlink(missing_ok=True)
        self._segments.pop(segment.path, None)

    def close(self) -> None:
        """End writing and let go of the folder."""
        self._end_segment()
        self._lock.close()

    def _start_segment(self) -> None:
        self._end_segment()
        path = self._folder / f"{self._next:016d}{_SUFFIX}"
        self._next += 1
        self._active, self._active_size = path.open("xb", buffering=0), 0
        self._segments[path] = Counter()
        self._sync_folder()

    def _end_segment(self) -> None:
        if self._active is not None:
            self._active.close()
            path = Path(self._active.name)
            if not self._segments[path]:
                del self._segments[path]
                path.unlink(missing_ok=True)
        self._active = None

    def _abandon(self) -> None:
        """Cut off what a failed write left; after a failed fsync nothing is known of the file's end, so start anew."""
        active = self._active
        if active is not None:
            os.truncate(active.fileno(), self._active_size)
            self._end_segment()

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _check(self, path: Path) -> Counter[str]:
        """Return the bytes of each customer in a segment, and set aside what is no whole frame."""
        data, good, bytes_of = path.read_bytes(), 0, Counter[str]()
        for record, end in _frames(data):
            bytes_of[record.customer] += end - good
            good = end
        rest = data[good:]
        if rest.strip(b"\0"):  # file systems fill what was never written with these
            self.damaged_bytes += len(rest)
            path.with_name(path.name + ".damaged").write_bytes(rest)
        if rest:
            os.truncate(path, good)
        return bytes_of


def _locked(folder: Path) -> IO[str]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _frames(data: bytes) -> Iterator[tuple[SpoolRecord, int]]:
    """Yield the whole frames at the beginning of some bytes, each with the place where it ends."""
    at = 0
    while at + _HEAD.size <= len(data):
        magic, checksum, data_length, key_length, customer_length, events = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        at = start + key_length + customer_length + data_length
        body = data[start:at]
        if magic != _MAGIC or at > len(data) or zlib.crc32(body, events) != checksum:
            return
        key, customer = body[:key_length], body[key_length : key_length + customer_length]
        yield SpoolRecord(customer.decode(), key.decode(), body[key_length + customer_length :], events), at
