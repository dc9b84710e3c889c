"""Shreds: rows of several streams, flattened into columns of JSON text; the transform's intermediate form.

Belongs here: the structure, its filters and how it is spooled to disk. Does not: who makes shreds (`engines`) or what
types their columns get (`inference`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from clickstream_platform.transform.texts import Bools, Ints

_FIXED = ("_stream", "_position", "_line_hash")


class Columns(Mapping[str, pa.StringArray]):
    """Columns by name that can be narrowed to some rows; an engine may make a column only when it is asked for."""

    def __init__(self, arrays: Mapping[str, pa.StringArray]) -> None:
        """Hold columns of equal length."""
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> pa.StringArray:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def select(self, keep: Bools) -> Columns:
        """Return the columns with the rows where `keep` is set."""
        mask = pa.array(keep)
        return Columns({name: column.filter(mask) for name, column in self._arrays.items()})


@dataclass(slots=True)
class Shred:
    """Rows ordered by stream. `columns`: column name -> JSON text or null. The fixed columns are one value a row.

    `stream`: index of the stream in the batch; `position`: ordinal of the record in the batch; `line_hash`: of the
    raw line, which decides between records that arrived at once.
    """

    columns: Columns
    stream: Ints
    position: Ints
    line_hash: Ints

    def __len__(self) -> int:
        return len(self.stream)

    def select(self, keep: Bools) -> Shred:
        """Return the rows where `keep` is set."""
        if keep.all():
            return self
        return Shred(self.columns.select(keep), self.stream[keep], self.position[keep], self.line_hash[keep])

    def segments(self) -> tuple[Ints, Ints]:
        """Return the streams present and the first row of each."""
        if not len(self):
            return self.stream, np.zeros(0, np.int64)
        starts = np.flatnonzero(np.concatenate(([True], self.stream[1:] != self.stream[:-1])))
        return self.stream[starts], starts

    @property
    def size_bytes(self) -> int:
        """Memory of the columns, in bytes."""
        return int(sum(column.nbytes for column in self.columns.values())) + 24 * len(self)


def shred_from_rows(
    rows: Sequence[Mapping[str, str]], stream: Sequence[int], position: Sequence[int], line_hash: Sequence[int]
) -> Shred:
    """Build a shred from flattened records (column -> JSON text), given in stream order."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    return Shred(
        Columns(columns), np.array(stream, np.int64), np.array(position, np.int64), np.array(line_hash, np.int64)
    )


class ShredSpool:
    """Keeps shreds in memory up to a limit, the rest on disk; iterating gives all in order, any number of times."""

    def __init__(self, folder: Path, memory_bytes: int) -> None:
        """Spool into `folder` what exceeds `memory_bytes`."""
        self._folder = folder
        self._memory_left = memory_bytes
        self._items: list[Shred | Path] = []

    def rows(self) -> Iterator[tuple[Ints, Ints]]:
        """Yield the streams and positions of each shred's rows, without reading its columns."""
        for item in self._items:
            yield _read_places(item) if isinstance(item, Path) else (item.stream, item.position)

    def append(self, shred: Shred) -> None:
        """Keep a shred."""
        if not len(shred):
            return
        shred = Shred(Columns(shred.columns), shred.stream, shred.position, shred.line_hash)
        size = shred.size_bytes
        if size <= self._memory_left:
            self._memory_left -= size
            self._items.append(shred)
        else:
            self._items.append(self._write(shred))

    def __iter__(self) -> Iterator[Shred]:
        for item in self._items:
            yield self._read(item) if isinstance(item, Path) else item

    def _write(self, shred: Shred) -> Path:
        fixed = dict(zip(_FIXED, (shred.stream, shred.position, shred.line_hash), strict=True))
        table = pa.table({**{name: pa.array(values) for name, values in fixed.items()}, **_prefixed(shred.columns)})
        path = self._folder / f"shred-{len(self._items):06d}.arrow"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with path.open("wb") as file, pa.ipc.new_file(file, table.schema, options=options) as writer:
            writer.write_table(table)
        return path

    def _read(self, path: Path) -> Shred:
        with path.open("rb") as file:
            table = pa.ipc.open_file(file).read_all().combine_chunks()
        arrays = {name: table.column(name).chunk(0) for name in table.column_names}
        stream, position, line_hash = (np.asarray(arrays.pop(name)) for name in _FIXED)
        return Shred(Columns({name[1:]: column for name, column in arrays.items()}), stream, position, line_hash)


def _read_places(path: Path) -> tuple[Ints, Ints]:
    options = pa.ipc.IpcReadOptions(included_fields=[0, 1])  # the first of _FIXED
    with path.open("rb") as file:
        table = pa.ipc.open_file(file, options=options).read_all()
    return table.column(0).to_numpy(), table.column(1).to_numpy()


def _prefixed(columns: Mapping[str, pa.StringArray]) -> dict[str, pa.StringArray]:
    return {f"={name}": column for name, column in columns.items()}
