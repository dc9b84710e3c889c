"""Records on disk: appended, synced, read again in the order they were written, also after a crash.

The folder belongs to one process (a lock on `lock`). Segments `<number>.spool` hold frames; the last is written to. A
record is safe once `append` returned. A crash leaves at most an unfinished frame at the end of a segment, which nobody
was told is safe. It is passed over, as is what a broken disk left, wherever it is: whole frames after it are read. When
the segment's records are safe elsewhere, its damaged bytes are kept as `<segment>.damaged`.

Belongs here: files and frames; every method blocks. Does not: who writes when, sending (`spooling`).
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from clickstream_platform.errors import ConfigurationError

_HEAD = struct.Struct(">4sIIHHI")  # magic, checksum of the rest, lengths of data, key, customer; events
_MAGIC = b"CSP1"
_SUFFIX, _DIGITS = ".spool", "[0-9]" * 16
_UNREADABLE = ""
"""Stands for the customer of a segment that can't be read."""


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
        self._damaged: dict[Path, bytes] = {}
        self._segments = {path: self._check(path) for path in sorted(folder.glob(f"{_DIGITS}{_SUFFIX}"))}
        # Not that of a segment that is set aside either, nor of one whose records are all gone.
        self._next = 1 + max((int(path.name[:16]) for path in folder.glob(f"{_DIGITS}{_SUFFIX}*")), default=0)
        for path, bytes_of in list(self._segments.items()):
            if not bytes_of:
                self.remove(Segment(path, bytes_of))

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
        data = segment.path.read_bytes()
        frames = list(_frames(data))
        self._note_damage(segment.path, data, frames, sum(segment.bytes_of.values()))
        return [record for record, _, _ in frames]

    def set_aside(self, records: Sequence[SpoolRecord]) -> int:
        """Keep records that Kinesis never takes as `<number>.spool.refused`, and return its length in bytes.

        Without the ending `.refused` it is a segment again.
        """
        path = self._folder / f"{self._next:016d}{_SUFFIX}.refused"
        self._next += 1
        data = b"".join(record.to_frame() for record in records)
        with path.open("xb", buffering=0) as file:
            _write_all(file.fileno(), data)
            os.fsync(file.fileno())
        self._sync_folder()
        return len(data)

    def postpone(self, segment: Segment) -> None:
        """Let a segment come after all others."""
        self._segments[segment.path] = self._segments.pop(segment.path)

    def remove(self, segment: Segment) -> None:
        """Delete a segment whose records are safe elsewhere, but for what is damaged in it."""
        damaged = self._damaged.pop(segment.path, b"")
        aside = segment.path.with_name(segment.path.name + ".damaged")
        try:
            if damaged:
                aside.write_bytes(damaged)
        except OSError:  # on a full disk there is still room for another name
            segment.path.replace(aside)
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
        try:
            self._sync_folder()
        except OSError:  # nobody knows whether the file would be found again
            self._end_segment()
            raise

    def _end_segment(self) -> None:
        active, self._active = self._active, None
        if active is None:
            return
        path = Path(active.name)
        with suppress(OSError):  # what is safe was synced before
            active.close()
        if not self._segments[path]:
            del self._segments[path]
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _abandon(self) -> None:
        """Cut off what a failed write left; after a failed fsync nothing is known of the file's end, so start anew."""
        if self._active is not None:
            with suppress(OSError):  # what is left then is passed over by who reads it
                os.truncate(self._active.fileno(), self._active_size)
            self._end_segment()

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _check(self, path: Path) -> Counter[str]:
        """Return the bytes of each customer in a segment, and note what is no whole frame."""
        try:
            data = path.read_bytes()
        except OSError:  # perhaps another time
            return Counter({_UNREADABLE: max(1, path.stat().st_size)})
        bytes_of = Counter[str]()
        frames = list(_frames(data))
        for record, start, end in frames:
            bytes_of[record.customer] += end - start
        self._note_damage(path, data, frames, 0)
        return bytes_of

    def _note_damage(self, path: Path, data: bytes, frames: Sequence[_Frame], expected: int) -> None:
        """Keep what lies around the frames for `remove`; in a segment that had so many bytes, all of it counts."""
        places = [0, *(place for frame in frames for place in frame[1:]), len(data)]
        *gaps, end = [data[start:end] for start, end in zip(places[::2], places[1::2], strict=True)]
        missing = expected - sum(end - start for _, start, end in frames)
        if missing <= 0 and not end.strip(b"\0"):  # file systems fill what was never written with these
            end = b""
        damaged = b"".join((*gaps, end))
        if (damaged or missing > 0) and path not in self._damaged:
            self._damaged[path] = damaged
            self.damaged_bytes += len(damaged) or missing


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


_Frame = tuple[SpoolRecord, int, int]


def _frames(data: bytes) -> Iterator[_Frame]:
    """Yield the whole frames in some bytes, each with the places where it begins and ends.

    What a sender wrote is never taken for a frame: there are no control characters in JSON, but in every head.
    """
    at = 0
    while 0 <= at <= len(data) - _HEAD.size:
        frame = _frame_at(data, at)
        if frame is None:
            at = data.find(_MAGIC, at + 1)
        else:
            yield frame
            at = frame[2]


def _frame_at(data: bytes, at: int) -> _Frame | None:
    magic, checksum, data_length, key_length, customer_length, events = _HEAD.unpack_from(data, at)
    start = at + _HEAD.size
    end = start + key_length + customer_length + data_length
    if magic != _MAGIC or end > len(data):
        return None
    body = data[start:end]
    if zlib.crc32(body, events) != checksum:
        return None
    key, customer = body[:key_length], body[key_length : key_length + customer_length]
    return SpoolRecord(customer.decode(), key.decode(), body[key_length + customer_length :], events), at, end
