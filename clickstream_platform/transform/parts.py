"""Parquet parts of bounded size: written to a temporary file, then put into the object store.

Belongs here: Parquet. Does not: what the rows are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clickstream_platform.model.schemas import Column
from clickstream_platform.model.staging import TABLE_COLUMN, StagedPart
from clickstream_platform.transform.port import Objects
from clickstream_platform.transform.typed import ARROW_TYPES

# Of Arrow data: what a table holds before it is written, and what all tables of a batch hold together.
ROW_GROUP_BYTES = 12 * 1024 * 1024
HELD_BYTES = 128 * 1024 * 1024
_SAMPLED_ROWS = 1_000
_MANY_VALUES = 0.3  # a dictionary costs more than it saves when more of the sampled values than this are distinct


class Holdings:
    """What the writers of one batch hold together; beyond HELD_BYTES those that hold most finish their parts."""

    def __init__(self) -> None:
        """Start empty."""
        self._writers: dict[PartWriter, int] = {}
        self._total = 0

    def set(self, writer: PartWriter, size_bytes: int) -> None:
        """Take note of what a writer holds now."""
        self._total += size_bytes - self._writers.pop(writer, 0)
        if size_bytes:
            self._writers[writer] = size_bytes

    def shrink(self) -> None:
        """Finish parts until half of the limit is free; nothing below the limit."""
        if self._total <= HELD_BYTES:
            return
        # Finished, not only written: thousands of tables must not have a file open each.
        for writer in sorted(self._writers, key=self._writers.__getitem__, reverse=True):
            if self._total <= HELD_BYTES // 2:
                return
            writer.finish_part()


class PartWriter:
    """Writes the rows of one pack as `<prefix>part-NNN.parquet`; opens nothing until there is a row."""

    def __init__(
        self,
        objects: Objects,
        prefix: str,
        columns: Sequence[Column],
        folder: Path,
        *,
        shared: bool,
        part_bytes: int,
        holdings: Holdings,
    ) -> None:
        """Write columns (and `$table` when shared) below the key prefix, in parts of about `part_bytes`."""
        self._objects = objects
        self._prefix = prefix
        self._path = folder / f"{prefix.rstrip('-').rpartition('/')[2]}.parquet"
        fields = [pa.field(column.name, ARROW_TYPES[column.type]) for column in columns]
        self._schema = pa.schema([*fields, *([pa.field(TABLE_COLUMN, pa.int32())] if shared else [])])
        self._part_bytes = part_bytes
        self._holdings = holdings
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.Table] = []
        self._held_bytes = 0
        self._rows = 0
        self._parts: list[StagedPart] = []

    def write(self, arrays: Mapping[str, pa.Array], rows: int) -> None:
        """Append rows; a column that is missing is null."""
        if not rows:
            return
        columns = [arrays[f.name] if f.name in arrays else pa.nulls(rows, f.type) for f in self._schema]
        self._held.append(pa.Table.from_arrays(columns, schema=self._schema))
        self._held_bytes += self._held[-1].nbytes
        self._rows += rows
        self._holdings.set(self, self._held_bytes)
        if self._held_bytes >= ROW_GROUP_BYTES:
            self._write_row_group()
            if self._path.stat().st_size >= self._part_bytes:
                self.finish_part()
        self._holdings.shrink()

    def _write_row_group(self) -> None:
        if not self._held:
            return
        table = pa.concat_tables(self._held)
        self._held, self._held_bytes = [], 0
        self._holdings.set(self, 0)
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path,
                self._schema,
                compression="snappy",  # what every warehouse reads, and the fastest to write and to load
                use_dictionary=_columns_with_few_values(table),
                write_statistics=False,  # the loader reads every row
            )
        self._writer.write_table(table, row_group_size=len(table))

    def close(self) -> tuple[StagedPart, ...]:
        """Finish the last part; return all parts."""
        self.finish_part()
        return tuple(self._parts)

    def finish_part(self) -> None:
        """Put what was written so far as a part, if anything was."""
        self._write_row_group()
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        key = f"{self._prefix}part-{len(self._parts):03d}.parquet"
        info = self._objects.put_file(key, self._path)
        self._parts.append(StagedPart(key, info.size, self._rows))
        self._path.unlink()
        self._rows = 0


def _columns_with_few_values(table: pa.Table) -> list[str]:
    """Return the text columns that a dictionary makes smaller and faster, judged by their first rows."""
    sample = table.slice(0, _SAMPLED_ROWS)
    limit = max(1, _MANY_VALUES * len(sample))
    texts = (field.name for field in table.schema if pa.types.is_string(field.type))
    return [name for name in texts if len(sample.column(name).unique()) <= limit]
