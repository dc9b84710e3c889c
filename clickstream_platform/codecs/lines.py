r"""Lines of an object, in blocks of bounded size, with their numbers; split at `\n` only.

A byte-order mark at the start, `\r` before `\n`, a missing final newline and blank lines are all fine. A line over the
limit comes in pieces of bounded size, so memory never depends on the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from clickstream_platform.codecs.gunzip import Damage, Gunzip, Opener
from clickstream_platform.model.records import MAX_RECORD_BYTES, RejectReason

Offsets = npt.NDArray[np.int64]

BLOCK_BYTES = 12 * 1024 * 1024
_NEWLINE, _RETURN = 10, 13
_BLANK_BYTES = 16
# After these the last line may lack its end; after other damage everything before it was decoded.
_CUTTING = frozenset({RejectReason.GZIP_TRUNCATED, RejectReason.GZIP_CORRUPT})
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class LineBlock:
    """Consecutive lines: line i is `data[starts[i]:ends[i]]`, its number in the object is `numbers[i]` (from 1).

    Blank lines are left out. `oversize` holds pieces of lines over the limit: (line number, piece number, bytes).
    """

    data: bytes
    starts: Offsets
    ends: Offsets
    numbers: Offsets
    oversize: list[tuple[int, int, bytes]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, index: int) -> bytes:
        """Return the bytes of one line, without its line end."""
        return self.data[self.starts[index] : self.ends[index]]


class LineReader:
    """Iterate over the LineBlocks of one object; afterwards `damage` and `bytes_read` tell how reading ended."""

    def __init__(
        self, open_object: Opener, *, block_bytes: int = BLOCK_BYTES, max_line_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """Read blocks of about `block_bytes`; a line over `max_line_bytes` is delivered as oversize pieces."""
        self._source = Gunzip(open_object)
        self._block_bytes = max(block_bytes, 2 * max_line_bytes)
        self._max_line_bytes = max_line_bytes
        self._number = 1
        self._oversize_piece = -1  # number of the next piece of the oversize line being read, -1 outside of one
        self.partial_line: tuple[int, bytes] | None = None

    @property
    def damage(self) -> Damage | None:
        """What could not be decoded, once iteration has ended."""
        return self._source.damage

    @property
    def bytes_read(self) -> int:
        """Stored (compressed) bytes read so far."""
        return self._source.bytes_read

    def __iter__(self) -> Iterator[LineBlock]:
        """Yield blocks in order. Where decoding broke off inside a line, `partial_line` is its number and beginning."""
        held: list[bytes] = []
        size = 0
        is_first = True
        for piece in self._source:
            held.append(piece)
            size += len(piece)
            if size < self._block_bytes:
                continue
            data, rest = _split(_without_bom(held) if is_first else held)
            block, rest = self._cut(data, rest)
            held, size, is_first = [rest], len(rest), False
            yield block
        data, tail = _split(_without_bom(held) if is_first else held)
        if self.damage is None or self.damage.reason not in _CUTTING:
            data, tail = data + tail + b"\n" if tail else data, b""
        block, _ = self._cut(data, b"")
        if tail:
            self.partial_line = (self._number, tail)
        yield block

    def _cut(self, data: bytes, rest: bytes) -> tuple[LineBlock, bytes]:
        """Find the lines of `data`; keep the `rest`, unless it already is longer than a line may be."""
        view = np.frombuffer(data, dtype=np.uint8)
        ends = np.flatnonzero(view == _NEWLINE).astype(np.int64)
        starts = np.concatenate((np.zeros(min(1, len(ends)), np.int64), ends[:-1] + 1))
        numbers = np.arange(self._number, self._number + len(ends), dtype=np.int64)
        block = LineBlock(data, starts, _without_returns(view, starts, ends), numbers)
        self._number += len(block)
        lengths = block.ends - block.starts
        keep = lengths <= self._max_line_bytes
        # Blank lines are short; of long ones the engines find out.
        for index in np.flatnonzero(lengths < _BLANK_BYTES).tolist():
            keep[index] = bool(block.line(index).strip())
        if self._oversize_piece >= 0 and len(block):  # the end of a line whose beginning was over the limit
            if end := block.line(0):
                block.oversize.append((int(numbers[0]), self._oversize_piece, end))
            self._oversize_piece, lengths[0], keep[0] = -1, 0, False
        for index in np.flatnonzero(lengths > self._max_line_bytes).tolist():
            block.oversize.append((int(numbers[index]), 0, block.line(index)))
        if len(rest) - rest.endswith(b"\r") > self._max_line_bytes:  # the return may belong to the line end to come
            self._oversize_piece = max(self._oversize_piece, 0)
            block.oversize.append((self._number, self._oversize_piece, rest))
            self._oversize_piece, rest = self._oversize_piece + 1, b""
        if not keep.all():
            block.starts, block.ends, block.numbers = starts[keep], block.ends[keep], numbers[keep]
        return block, rest


def _split(pieces: list[bytes]) -> tuple[bytes, bytes]:
    """Join the pieces and split them behind the last line end, copying little when it is in the last piece."""
    end = pieces[-1].rfind(b"\n") + 1 if pieces else 0
    if end:
        return b"".join((*pieces[:-1], pieces[-1][:end])), pieces[-1][end:]
    data = b"".join(pieces)
    end = data.rfind(b"\n") + 1
    return data[:end], data[end:]


def _without_returns(view: npt.NDArray[np.uint8], starts: Offsets, ends: Offsets) -> Offsets:
    """Move the ends of lines that end with a carriage return before it."""
    if not len(ends):
        return ends
    shortened: Offsets = ends - ((view[np.maximum(ends - 1, 0)] == _RETURN) & (ends > starts))
    return shortened


def _without_bom(pieces: list[bytes]) -> list[bytes]:
    head = b"".join(pieces[: len(_BOM)])
    return [head[len(_BOM) :], *pieces[len(_BOM) :]] if head.startswith(_BOM) else pieces
