"""Arrow text columns seen through numpy: the intermediate form of every value is its JSON text.

Belongs here: views and tests over whole columns of JSON text. Does not: types (`transform.kinds`, `transform.typed`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(slots=True)
class TextView:
    """A text column as numpy: byte `offsets` (n + 1), byte `lengths`, the `data` below, and which are `valid`."""

    offsets: Ints
    lengths: Ints
    data: Bytes
    valid: Bools

    @classmethod
    def of(cls, column: pa.StringArray) -> TextView:
        """View a column (sliced or not) without copying its data."""
        validity, offsets_buffer, data_buffer = column.buffers()
        offsets = np.frombuffer(offsets_buffer, np.int32, len(column) + 1, column.offset * 4).astype(np.int64)
        data = (
            np.frombuffer(data_buffer, np.uint8)
            if data_buffer is not None and data_buffer.size
            else np.zeros(1, np.uint8)
        )
        if validity is None or not column.null_count:
            valid = np.ones(len(column), bool)
        else:
            bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
            valid = bits[column.offset : column.offset + len(column)].astype(bool)
        return cls(offsets, np.diff(offsets), data, valid)

    def byte_at(self, position: int) -> Bytes:
        """Return the byte at `position` of every value (an arbitrary one where the value is shorter)."""
        return self.data[np.minimum(self.offsets[:-1] + position, len(self.data) - 1)]


def from_pieces(pieces: Iterable[str | None]) -> pa.StringArray:
    """Return a text column from Python strings."""
    return pa.array(pieces, pa.string())


def text_at(column: pa.StringArray, index: int) -> str:
    """Return one value that is known not to be null."""
    return str(column[index].as_py())
