"""Gzip data of every kind, built for tests. Belongs here: making bytes. Does not: what is expected of them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from itertools import pairwise
from typing import BinaryIO

FTEXT, FHCRC, FEXTRA, FNAME, FCOMMENT = 1, 2, 4, 8, 16
TRAILER_BYTES = 8


def member(data: bytes, *, flags: int = 0, level: int = 6) -> bytes:
    """Return one gzip member with the header fields that `flags` asks for, and a deterministic header."""
    header = b"\x1f\x8b\x08" + bytes((flags,)) + b"\0\0\0\0\0\x03"
    if flags & FEXTRA:
        header += struct.pack("<H", 6) + b"AB\2\0xy"
    if flags & FNAME:
        header += "Aufträge.json".encode("latin-1") + b"\0"
    if flags & FCOMMENT:
        header += b"a comment\0"
    if flags & FHCRC:
        header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    return header + body + struct.pack("<II", zlib.crc32(data), len(data))


def cut(data: bytes, positions: Iterable[int]) -> list[bytes]:
    """Return the pieces of `data` between the positions (taken modulo its length)."""
    bounds = [0, *sorted(position % (len(data) + 1) for position in positions), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


class ShortReads(io.RawIOBase):
    """A stream that gives at most `step` bytes at a time, as sockets do, and counts how often it was closed."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step, self._position = data, step, 0

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        size = self._step if size < 0 else min(size, self._step)
        piece = self._data[self._position : self._position + size]
        self._position += len(piece)
        return piece


def opener(data: bytes, step: int | None = None) -> _Opener:
    """Return a function that opens `data` from its start."""
    return _Opener(data, step)


class _Opener:
    """Opens the same bytes any number of times; keeps the streams, to see that they were closed."""

    def __init__(self, data: bytes, step: int | None) -> None:
        self.data, self.step = data, step
        self.opened: list[BinaryIO] = []

    def __call__(self) -> BinaryIO:
        stream: BinaryIO = io.BytesIO(self.data) if self.step is None else ShortReads(self.data, self.step)  # type: ignore[assignment]
        self.opened.append(stream)
        return stream
