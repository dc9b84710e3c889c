"""Builders of staged batches: a few rows given as dictionaries become small Parquet files and a `StagedBatch`.

What belongs here: making input as the transform makes it. What does not: expectations.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.records import ENVELOPE_COLUMNS, TRACK_COLUMNS, TYPE_COLUMNS
from clickstream_platform.model.schemas import DISCARDS_COLUMNS, Column, ColumnType, varchar_length
from clickstream_platform.model.staging import (
    TABLE_COLUMN,
    Pack,
    StagedBatch,
    StagedPart,
    StagedStream,
    StagedTable,
)
from clickstream_platform.model.streams import DISCARDS, TRACKS, TYPE_OF_TABLE

Row = Mapping[str, Any]
HOUR = Hour.parse("2026-11-22T09")

_ARROW = {
    ColumnType.BIGINT: pa.int64(),
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
    ColumnType.VARCHAR: pa.string(),
    ColumnType.JSON: pa.string(),
}
_TYPE_OF_VALUE: dict[type, ColumnType] = {
    bool: ColumnType.BOOLEAN,
    int: ColumnType.BIGINT,
    float: ColumnType.DOUBLE,
    datetime: ColumnType.TIMESTAMP,
    str: ColumnType.VARCHAR,
    dict: ColumnType.JSON,
    list: ColumnType.JSON,
}


@dataclass(frozen=True)
class _Table:
    """A target table's staged rows."""

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]


@dataclass
class BatchBuilder:
    """Collects the streams of one customer-hour; `build` writes their Parquet below `folder`."""

    folder: Path
    customer: str = "shop"
    hour: Hour = HOUR
    _streams: list[StagedStream] = field(default_factory=list)
    _tables: list[_Table] = field(default_factory=list)
    _discards: list[Row] = field(default_factory=list)

    def add(
        self,
        event: str,
        rows: Iterable[Row],
        *,
        duplicates: int = 0,
        rejected: int = 0,
        discards: Iterable[Row] = (),
        types: Mapping[str, ColumnType] | None = None,
        digest: str | None = None,
    ) -> BatchBuilder:
        """Add a stream; rows need an `id`, columns are typed by their values unless `types` says otherwise.

        `received_at` defaults to one second more into the hour for every row. The digest defaults to one of everything.
        """
        full = [self._complete(event, number, row) for number, row in enumerate(rows)]
        discarded = [{"event": event, "table_name": event, **discard} for discard in discards]
        if full:
            self._tables.append(_Table(event, _columns_of(event, full, types or {}), full))
        self._discards.extend(discarded)
        counts = StreamCounts(
            objects=1,
            bytes=100 * len(full),
            raw=len(full) + duplicates + rejected,
            rows=len(full),
            duplicates=duplicates,
            rejected=rejected,
            discarded=len(discarded),
        )
        content = json.dumps([event, full, duplicates, rejected, discarded], default=str, sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()[:40] if digest is None else digest
        self._streams.append(StagedStream(event, digest, counts))
        return self

    def build(self, *, shared: bool = True) -> StagedBatch:
        """Write the Parquet and return the batch; tables share a pack where they can, unless told not to."""
        packs: list[Pack] = []
        staged: list[StagedTable] = []
        for group in _group(self._tables, shared=shared):
            columns = tuple({column.name: column for table in group for column in table.columns}.values())
            numbered = [(number, table) for number, table in enumerate(group)]
            for number, table in numbered:
                staged.append(StagedTable(table.name, len(packs), number, table.columns, len(table.rows)))
            packs.append(self._write(numbered, columns, shared=len(group) > 1))
        tracks, discards = self._shared_table(self._track_rows(), packs), None
        if self._discards:
            rows = [{**row, "batch_hour": self.hour.start} for row in self._discards]
            discards = self._shared_table(_Table(DISCARDS, DISCARDS_COLUMNS, rows), packs)
        digest = hashlib.sha256("".join(stream.digest for stream in self._streams).encode()).hexdigest()[:40]
        return StagedBatch(
            self.customer, self.hour, digest, tuple(self._streams), tuple(packs), tuple(staged), tracks, discards
        )

    def _complete(self, event: str, number: int, row: Row) -> Row:
        own: dict[str, Any] = {"received_at": self.hour.start + timedelta(seconds=number)}
        if event not in TYPE_OF_TABLE:
            own |= {"event": event, "event_text": event.replace("_", " ").title()}
        return {**own, **row}

    def _track_rows(self) -> _Table | None:
        """Return the rows of `tracks`: what the track events have in common."""
        tables = [table for table in self._tables if table.name not in TYPE_OF_TABLE]
        common = {column.name for column in (*ENVELOPE_COLUMNS, *TRACK_COLUMNS)}
        columns = {
            column.name: column
            for table in tables
            for column in table.columns
            if column.name in common or column.name.startswith("context_")
        }
        return (
            _Table(TRACKS, tuple(columns.values()), [row for table in tables for row in table.rows]) if tables else None
        )

    def _shared_table(self, table: _Table | None, packs: list[Pack]) -> StagedTable | None:
        if table is None:
            return None
        packs.append(self._write([(0, table)], table.columns, shared=False))
        return StagedTable(table.name, len(packs) - 1, 0, table.columns, len(table.rows))

    def _write(self, tables: Sequence[tuple[int, _Table]], columns: Sequence[Column], *, shared: bool) -> Pack:
        """Write one pack in two parts, so that no test passes by reading only the first."""
        rows = [(number, row) for number, table in tables for row in table.rows]
        half = (len(rows) + 1) // 2
        parts = [self._part(chunk, columns, shared=shared) for chunk in (rows[:half], rows[half:]) if chunk]
        return Pack(tuple(parts), tuple(columns), shared)

    def _part(self, rows: Sequence[tuple[int, Row]], columns: Sequence[Column], *, shared: bool) -> StagedPart:
        arrays = {
            column.name: pa.array([_stored(row.get(column.name), column) for _, row in rows], _ARROW[column.type])
            for column in columns
        }
        if shared:
            arrays[TABLE_COLUMN] = pa.array([number for number, _ in rows], pa.int32())
        path = (
            self.folder / f"customer={self.customer}" / f"hour={self.hour}" / f"part-{len(self._files()):03d}.parquet"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(arrays), path)
        return StagedPart(str(path.relative_to(self.folder)), path.stat().st_size, len(rows))

    def _files(self) -> list[Path]:
        return list((self.folder / f"customer={self.customer}" / f"hour={self.hour}").glob("*.parquet"))


def locate_in(folder: Path) -> Any:
    """Return the locator of parts that a builder wrote below this folder."""
    return lambda part: str(folder / part.key)


def _columns_of(event: str, rows: Sequence[Row], types: Mapping[str, ColumnType]) -> tuple[Column, ...]:
    kind = TYPE_OF_TABLE.get(event, "track")
    fixed = {column.name: column for column in (*ENVELOPE_COLUMNS, *TYPE_COLUMNS[kind])}
    names = dict.fromkeys(name for row in rows for name in row if name not in fixed)
    return (*fixed.values(), *(_infer(name, [row.get(name) for row in rows], types.get(name)) for name in names))


def _infer(name: str, values: Sequence[Any], given: ColumnType | None) -> Column:
    found = given or next((_TYPE_OF_VALUE[type(value)] for value in values if value is not None), ColumnType.VARCHAR)
    if found is not ColumnType.VARCHAR:
        return Column(name, found)
    longest = max((len(str(value).encode()) for value in values if value is not None), default=0)
    return Column(name, found, varchar_length(longest))


def _stored(value: Any, column: Column) -> Any:
    if value is not None and column.type is ColumnType.JSON:
        return json.dumps(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _group(tables: Sequence[_Table], *, shared: bool) -> list[list[_Table]]:
    """Put tables together whose columns agree."""
    groups: list[list[_Table]] = []
    for table in tables:
        fitting = next((group for group in groups if shared and _agree(group, table)), None)
        if fitting is None:
            groups.append([table])
        else:
            fitting.append(table)
    return groups


def _agree(group: Sequence[_Table], table: _Table) -> bool:
    types = {column.name: column.type for other in group for column in other.columns}
    return all(types.get(column.name, column.type) is column.type for column in table.columns)
