"""Streaming gzip that keeps every byte it could decode, whatever is wrong with the rest.

Handles plain text under a `.gz` name, concatenated members, gzip inside gzip, truncation, corrupt data, wrong checksums
and bytes after the last member. Belongs here: compressed bytes to bytes. Does not: lines (`codecs.lines`), and how one
member is decoded (`codecs.members`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from clickstream_platform.codecs.members import (
    HEADER_BYTES,
    CarefulMember,
    FastMember,
    FaultyMemberError,
    Member,
    UnsureMemberError,
    new_member,
)
from clickstream_platform.model.records import RejectReason

READ_BYTES = 256 * 1024
# What is decoded at once: deflate makes at most 1,032 bytes of one, so a decoded piece has at most 17 MB.
SLICE_BYTES = 16 * 1024
# Of bytes that can't be decoded so many are kept in memory; the raw object has all of them.
MAX_REST_BYTES = 1024 * 1024
MAX_LAYERS = 2  # gzip, or gzip inside gzip
_MAGIC = b"\x1f\x8b"

Opener = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Damage:
    """What was wrong with a compressed object, after everything decodable was delivered.

    `rest` are the compressed bytes from the fault on, at most MAX_REST_BYTES; none when the object just ends too early.
    """

    reason: RejectReason
    detail: str
    rest: bytes = b""


class Gunzip:
    """Iterate (once) over the decoded pieces of an object; `damage` tells afterwards what could not be decoded.

    `bytes_read` counts stored bytes; after iteration it is the object's size, damaged or not.
    """

    def __init__(self, open_object: Opener) -> None:
        """Take a function that opens the object from its start; it is called again when data is corrupt."""
        self._open = open_object
        self._first_reading: Generator[bytes] | None = None
        self.damage: Damage | None = None
        self.bytes_read = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield decoded pieces of bounded size, in order."""
        try:
            yield from self._pieces(MAX_LAYERS)
            for _ in self._first_reading or ():  # decoding ends at a fault; the object's size is wanted all the same
                continue
        finally:
            if self._first_reading is not None:
                self._first_reading.close()

    def _pieces(self, layers: int) -> Iterator[bytes]:
        """Return the object's bytes below so many layers of gzip, or of fewer where it has fewer."""
        if layers:
            return self._unpack(layers)
        reading = self._read(is_first=self._first_reading is None)
        self._first_reading = self._first_reading or reading
        return reading

    def _unpack(self, layers: int) -> Iterator[bytes]:
        below = self._pieces(layers - 1)
        head = b""
        while len(head) < len(_MAGIC) and (piece := next(below, b"")):
            head += piece
        pieces = chain((head,) if head else (), below)
        if head.startswith(_MAGIC):
            yield from _Layer(pieces, lambda: self._pieces(layers - 1), self._note)
        else:
            yield from pieces

    def _read(self, *, is_first: bool) -> Generator[bytes]:
        with closing(self._open()) as raw:
            while piece := raw.read(READ_BYTES):
                if is_first:
                    self.bytes_read += len(piece)
                yield piece

    def _note(self, damage: Damage) -> None:
        self.damage = self.damage or damage


class _Layer:
    """Iterates over the decoded pieces of a sequence of members."""

    def __init__(
        self, pieces: Iterator[bytes], open_again: Callable[[], Iterator[bytes]], note: Callable[[Damage], None]
    ) -> None:
        self._slices = _slices(pieces)
        self._open_again, self._note = open_again, note
        self._member: Member = FastMember()
        self._is_inside = False  # of that member; between members otherwise
        self._position = self._member_start = self._delivered = 0  # bytes: of input, of input, of this member's output

    def __iter__(self) -> Iterator[bytes]:
        for data in iter(lambda: next(self._slices, b""), b""):
            rest = data
            while rest and (self._is_inside or (rest := self._begin(rest))):
                try:
                    output, rest = self._decode(rest)
                except FaultyMemberError as fault:
                    if fault.output:
                        yield fault.output
                    self._give_up(fault)
                    return
                if output:
                    yield output
        if self._is_inside:
            detail = f"the object ends inside a gzip member, after {self._position} bytes"
            self._note(Damage(RejectReason.GZIP_TRUNCATED, detail))

    def _begin(self, data: bytes) -> bytes:
        """Begin a member; return its bytes, none where there is only padding or where no member follows."""
        rest = data.lstrip(b"\0")  # zeros after a member are allowed
        self._position += len(data) - len(rest)
        if not rest:
            return b""
        if not _MAGIC.startswith(rest[: len(_MAGIC)]):
            kept, size = self._take_rest(rest)
            detail = f"{size} bytes after the last member"
            self._note(Damage(RejectReason.GZIP_TRAILING_BYTES, detail, kept))
            return b""
        while len(rest) < HEADER_BYTES and (more := next(self._slices, b"")):
            rest += more
        self._member, self._is_inside = new_member(rest), True
        self._member_start, self._delivered = self._position, 0
        return rest

    def _decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Return what the bytes become, and the bytes after the end of the member."""
        try:
            output, after = self._member.decode(data)
        except UnsureMemberError:
            self._go_back()
            return b"", b""
        self._position += len(data) - len(after or b"")
        self._delivered += len(output)
        self._is_inside = after is None
        return output, after or b""

    def _go_back(self) -> None:
        """Read the member again from its start, with care."""
        self._member = CarefulMember(self._delivered)
        self._slices = _slices(self._open_again(), skip_bytes=self._member_start)
        self._position = self._member_start

    def _give_up(self, fault: FaultyMemberError) -> None:
        reason = RejectReason.GZIP_CHECKSUM if fault.is_checksum else RejectReason.GZIP_CORRUPT
        kept, size = self._take_rest(fault.rest)
        self._note(Damage(reason, f"{fault.detail}; {size} bytes from there on are not decoded", kept))

    def _take_rest(self, first: bytes) -> tuple[bytes, int]:
        """Read everything that is left; return its beginning, and its size in bytes."""
        kept, size = bytearray(first), len(first)
        for data in self._slices:
            size += len(data)
            kept += data[: max(0, MAX_REST_BYTES - len(kept))]
        return bytes(kept), size


def _slices(pieces: Iterator[bytes], skip_bytes: int = 0) -> Iterator[bytes]:
    for piece in pieces:
        if skip_bytes >= len(piece):
            skip_bytes -= len(piece)
            continue
        for start in range(skip_bytes, len(piece), SLICE_BYTES):
            yield piece[start : start + SLICE_BYTES]
        skip_bytes = 0
