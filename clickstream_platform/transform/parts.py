"""Parquet parts of bounded size: written to a temporary file, then put into the object store.

Belongs here: Parquet. Does not: what the rows are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clickstream_platform.model.schemas import Column, ColumnType
from clickstream_platform.model.staging import TABLE_COLUMN, StagedPart
from clickstream_platform.transform.port import Objects
from clickstream_platform.transform.typed import ARROW_TYPES

_DICTIONARY_TYPES = frozenset({ColumnType.VARCHAR})


class PartWriter:
    """Writes the rows of one pack as `<prefix>part-NNN.parquet`; opens nothing until there is a row."""

    def __init__(
        self, objects: Objects, prefix: str, columns: Sequence[Column], folder: Path, *, shared: bool, part_bytes: int
    ) -> None:
        """Write columns (and `_table` when shared) below the key prefix, in parts of about `part_bytes`."""
        self._objects = objects
        self._prefix = prefix
        self._path = folder / f"{prefix.rstrip('-').rpartition('/')[2]}.parquet"
        self._columns = columns
        fields = [pa.field(column.name, ARROW_TYPES[column.type]) for column in columns]
        self._schema = pa.schema([*fields, *([pa.field(TABLE_COLUMN, pa.int32())] if shared else [])])
        self._part_bytes = part_bytes
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0
        self._parts: list[StagedPart] = []

    def write(self, arrays: Mapping[str, pa.Array], rows: int) -> None:
        """Append rows; a column that is missing is null."""
        if not rows:
            return
        if self._writer is None:
            names = [column.name for column in self._columns if column.type in _DICTIONARY_TYPES]
            self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd", use_dictionary=names)
        columns = [arrays[f.name] if f.name in arrays else pa.nulls(rows, f.type) for f in self._schema]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._rows += rows
        if self._path.stat().st_size >= self._part_bytes:
            self._finish_part()

    def close(self) -> tuple[StagedPart, ...]:
        """Finish the last part; return all parts."""
        self._finish_part()
        return tuple(self._parts)

    def _finish_part(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        key = f"{self._prefix}part-{len(self._parts):03d}.parquet"
        info = self._objects.put_file(key, self._path)
        self._parts.append(StagedPart(key, info.size, self._rows))
        self._path.unlink()
        self._rows = 0
