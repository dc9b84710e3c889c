"""Streaming gzip that keeps every byte it could decode, whatever is wrong with the rest.

Handles plain text under a `.gz` name, concatenated members, gzip inside gzip, truncation, corrupt data, wrong checksums
and bytes after the last member. Belongs here: compressed bytes to bytes. Does not: lines (`codecs.lines`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from isal import isal_zlib

from clickstream_platform.model.records import RejectReason

READ_BYTES = 256 * 1024
_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's wbits for "gzip header and trailer"

Opener = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Damage:
    """What was wrong with a compressed object, after everything decodable was delivered."""

    reason: RejectReason
    detail: str
    rest: bytes = b""


class Gunzip:
    """Iterate over the decoded pieces of one object; `damage` is set afterwards when a part could not be decoded."""

    def __init__(self, open_object: Opener) -> None:
        """Take a function that opens the object from its start (called twice only when its data is corrupt)."""
        self._open = open_object
        self.damage: Damage | None = None
        self.bytes_read = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield decoded pieces of bounded size, in order."""
        with closing(self._open()) as raw:
            pieces = self._raw_pieces(raw)
            for _ in range(2):  # gzip, or gzip inside gzip
                first = next(pieces, b"")
                pieces = _chain(first, pieces)
                if first[:2] != _MAGIC:
                    break
                pieces = self._decode(pieces)
            yield from pieces

    def _raw_pieces(self, raw: BinaryIO) -> Iterator[bytes]:
        while piece := raw.read(READ_BYTES):
            self.bytes_read += len(piece)
            yield piece

    def _decode(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        member = isal_zlib.decompressobj(wbits=_GZIP_WINDOW)
        delivered = consumed = 0
        for piece in pieces:
            data = piece
            while data:
                if member.eof:
                    data = data.lstrip(b"\0")  # padding after a member is allowed
                    if not data:
                        break
                    if not _MAGIC.startswith(data[:2]):
                        self._note(RejectReason.GZIP_TRAILING_BYTES, f"{len(data)} bytes after the last member", data)
                        return
                    member = isal_zlib.decompressobj(wbits=_GZIP_WINDOW)
                try:
                    out = member.decompress(data)
                except (isal_zlib.IsalError, zlib.error) as error:
                    yield from self._salvage(delivered, error)
                    return
                delivered += len(out)
                yield out
                data = member.unused_data if member.eof else b""
            consumed += len(piece)
        if not member.eof:
            self._note(RejectReason.GZIP_TRUNCATED, f"the object ends inside a gzip member, after {consumed} bytes")

    def _note(self, reason: RejectReason, detail: str, rest: bytes = b"") -> None:
        self.damage = self.damage or Damage(reason, detail, rest)

    def _salvage(self, delivered: int, error: Exception) -> Iterator[bytes]:
        """Decode the object again in single bytes around the fault, to deliver all that comes before it."""
        checksum = "crc" in str(error).lower() or "check" in str(error).lower()
        reason = RejectReason.GZIP_CHECKSUM if checksum else RejectReason.GZIP_CORRUPT
        self._note(reason, str(error))
        member = zlib.decompressobj(wbits=_GZIP_WINDOW)
        position = 0
        with closing(self._open()) as raw:
            while piece := raw.read(READ_BYTES):
                start = 0
                while start < len(piece):
                    step = 1 if position >= delivered else 4096
                    before = member.copy()
                    try:
                        out = member.decompress(piece[start : start + step])
                    except zlib.error:
                        if step == 1:
                            return
                        yield from _byte_by_byte(before, piece[start : start + step], delivered - position)
                        return
                    skip = max(0, min(len(out), delivered - position))
                    position += len(out)
                    yield out[skip:]
                    start += step
                    if member.eof:
                        start -= len(member.unused_data)
                        member = zlib.decompressobj(wbits=_GZIP_WINDOW)


def _byte_by_byte(member: zlib._Decompress, data: bytes, skip: int) -> Iterator[bytes]:  # type: ignore[name-defined,unused-ignore]
    for value in data:
        try:
            out = member.decompress(bytes((value,)))
        except zlib.error:
            return
        yield out[max(0, skip) :]
        skip -= len(out)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
