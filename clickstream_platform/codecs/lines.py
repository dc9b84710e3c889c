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
from clickstream_platform.model.records import MAX_RECORD_BYTES

Offsets = npt.NDArray[np.int64]

BLOCK_BYTES = 16 * 1024 * 1024
_NEWLINE, _RETURN = 10, 13
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
        """Yield blocks in order. When the object is damaged, the cut-off last line is `partial_line`, not a line."""
        held: list[bytes] = []
        size = 0
        first = True
        for piece in self._source:
            held.append(piece)
            size += len(piece)
            if size < self._block_bytes:
                continue
            data = _without_bom(b"".join(held)) if first else b"".join(held)
            first = False
            block, rest = self._cut(data)
            held, size = [rest], len(rest)
            yield block
        data = _without_bom(b"".join(held)) if first else b"".join(held)
        cut_off = self.damage is not None and not data.endswith(b"\n")
        if cut_off:
            whole, _, tail = data.rpartition(b"\n")
            data = whole + b"\n" if whole else b""
        elif data and not data.endswith(b"\n"):
            data += b"\n"
        block, _ = self._cut(data)
        if cut_off and tail:
            self.partial_line = (self._number, tail)
        yield block

    def _cut(self, data: bytes) -> tuple[LineBlock, bytes]:
        """Split off all whole lines; keep the rest, unless it already is longer than a line may be."""
        view = np.frombuffer(data, dtype=np.uint8)
        line_ends = np.flatnonzero(view == _NEWLINE).astype(np.int64)
        oversize: list[tuple[int, int, bytes]] = []
        starts = np.concatenate((np.zeros(1, np.int64), line_ends + 1))
        rest_start = int(starts[-1])
        starts = starts[:-1]
        numbers = np.arange(self._number, self._number + len(line_ends), dtype=np.int64)
        if self._oversize_piece >= 0 and len(line_ends):  # the end of a line whose beginning was over the limit
            oversize.append((self._number, self._oversize_piece, data[: line_ends[0]]))
            starts, line_ends, numbers = starts[1:], line_ends[1:], numbers[1:]
            self._oversize_piece = -1
            self._number += 1
        self._number += len(line_ends)
        ends = line_ends
        if len(ends):
            ends = ends - ((view[np.maximum(ends - 1, 0)] == _RETURN) & (ends > starts))
        keep = np.ones(len(starts), bool)
        lengths = ends - starts
        for index in np.flatnonzero(lengths > self._max_line_bytes):
            oversize.append((int(numbers[index]), 0, data[starts[index] : ends[index]]))
            keep[index] = False
        for index in np.flatnonzero(
            lengths < 16
        ):  # blank lines are short, or there is nothing to gain from dropping them
            keep[index] = bool(data[starts[index] : ends[index]].strip())
        rest = data[rest_start:]
        if len(rest) > self._max_line_bytes:
            self._oversize_piece = max(self._oversize_piece, 0)
            oversize.append((self._number, self._oversize_piece, rest))
            self._oversize_piece += 1
            rest = b""
        if not keep.all():
            starts, ends, numbers = starts[keep], ends[keep], numbers[keep]
        return LineBlock(data, starts, ends, numbers, oversize), rest


def _without_bom(data: bytes) -> bytes:
    return data[len(_BOM) :] if data.startswith(_BOM) else data
