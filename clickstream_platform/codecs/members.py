"""One gzip member, decoded as it comes: fast, or with care where something is wrong in it.

Belongs here: the two decoders behind one interface. Does not: sequences of members (`codecs.gunzip`).
"""

from __future__ import annotations

import zlib
from typing import Protocol

from isal import isal_zlib

_GZIP_WINDOW = 31  # zlib's wbits for "gzip header and trailer"
_STEP_BYTES = 1024
HEADER_BYTES = 10  # at least
_FLAGS, _HAS_HEADER_CHECKSUM = 3, 2


class UnsureMemberError(Exception):
    """The fast decoder refuses the member; the careful one must judge it from its start."""


class FaultyMemberError(Exception):
    """The member is damaged: all `output` before the fault, the `rest` of the input from the fault on, and what."""

    def __init__(self, output: bytes, rest: bytes, detail: str, *, is_checksum: bool) -> None:
        self.output, self.rest, self.detail, self.is_checksum = output, rest, detail, is_checksum
        super().__init__(detail)


class Member(Protocol):
    """A member that takes its compressed bytes in pieces."""

    def decode(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Return what the bytes become, and the bytes after the member's end (None before its end)."""
        ...


class FastMember:
    """Decodes with isa-l. After an error nothing is known of the output that came before it."""

    def __init__(self) -> None:
        """Begin a member."""
        self._decoder = isal_zlib.decompressobj(wbits=_GZIP_WINDOW)

    def decode(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Decode; raise UnsureMemberError when isa-l refuses the bytes."""
        try:
            output = self._decoder.decompress(data)
        except isal_zlib.IsalError as error:  # type: ignore[misc]  # its stub takes the class for an instance
            raise UnsureMemberError(str(error)) from error
        return output, self._decoder.unused_data if self._decoder.eof else None


class CarefulMember:
    """Decodes with zlib, going back over the bytes around a fault one by one to deliver all that comes before it."""

    def __init__(self, skip_bytes: int) -> None:
        """Begin a member of whose output the first `skip_bytes` bytes are known already."""
        self._decoder = zlib.decompressobj(wbits=_GZIP_WINDOW)
        self._skip_bytes = skip_bytes

    def decode(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Decode; raise FaultyMemberError at the first byte that is wrong."""
        output = b""
        for start in range(0, len(data), _STEP_BYTES):
            before = self._decoder.copy()
            try:
                output += self._new(self._decoder.decompress(data[start : start + _STEP_BYTES]))
            except zlib.error as error:
                position, found = _decode_singly(before, data, start)
                detail = str(error)
                raise FaultyMemberError(
                    output + self._new(found), data[position:], detail, is_checksum="check" in detail
                ) from error
            if self._decoder.eof:
                return output, self._decoder.unused_data + data[start + _STEP_BYTES :]
        return output, None

    def _new(self, output: bytes) -> bytes:
        known = min(self._skip_bytes, len(output))
        self._skip_bytes -= known
        return output[known:]


def new_member(header: bytes) -> Member:
    """Return the decoder for a member that begins with these (HEADER_BYTES or more) bytes."""
    # isa-l gives wrong output for a header with a checksum that comes in two pieces. Few writers make any.
    if len(header) > _FLAGS and header[_FLAGS] & _HAS_HEADER_CHECKSUM:
        return CarefulMember(skip_bytes=0)
    return FastMember()


def _decode_singly(decoder: zlib._Decompress, data: bytes, start: int) -> tuple[int, bytes]:  # type: ignore[name-defined,unused-ignore]
    """Return the position of the first byte that is wrong, and what the bytes from `start` up to it become."""
    output = bytearray()
    for position in range(start, len(data)):
        try:
            output += decoder.decompress(data[position : position + 1])
        except zlib.error:
            return position, bytes(output)
    return len(data), bytes(output)
