"""Shreds to Parquet: every table's rows with their final types, `tracks` beside them, and the discards.

Belongs here: applying the plans. Does not: making them (`plan`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickstream_platform.model.records import DiscardReason
from clickstream_platform.model.schemas import Column, ColumnType
from clickstream_platform.model.staging import TABLE_COLUMN
from clickstream_platform.model.streams import TRACKS
from clickstream_platform.transform.chunks import BatchStream
from clickstream_platform.transform.discards import Discard, DiscardSink
from clickstream_platform.transform.notes import NoteSpool
from clickstream_platform.transform.parts import PartWriter
from clickstream_platform.transform.plan import TablePlan
from clickstream_platform.transform.shreds import Shred
from clickstream_platform.transform.texts import Ints
from clickstream_platform.transform.typed import Converted, Fault, convert


@dataclass(slots=True)
class PackSink:
    """A pack being written: the streams in it with their table plans, the pack's columns, its writer."""

    streams: dict[int, TablePlan]
    columns: dict[str, Column]
    writer: PartWriter
    shared: bool


@dataclass(slots=True)
class Rows:
    """Rows of one shred that belong to one pack, with their columns converted once for all tables that want them."""

    shred: Shred
    ids: pa.StringArray
    received_us: Ints
    received_faults: list[Fault] = field(default_factory=list)
    max_json_bytes: int | None = None
    _converted: dict[Column, Converted] = field(default_factory=dict)

    def convert(self, column: Column) -> Converted:
        """Return a column's typed values; VARCHAR lengths make no difference to them."""
        key = Column(column.name, column.type)
        if key not in self._converted:
            self._converted[key] = convert(self.shred.columns[column.name], column, self.max_json_bytes)
        return self._converted[key]


@dataclass(slots=True)
class Settler:
    """Writes shreds into packs, `tracks` and `_discards`."""

    streams: Sequence[BatchStream]
    packs: Sequence[PackSink]
    tracks: PackSink | None
    discards: DiscardSink
    hour_us: int
    notes: NoteSpool
    max_json_bytes: int | None = None

    def write(self, shred: Shred) -> None:
        """Write all rows of a shred."""
        numbers, _ = shred.segments()
        for pack in self.packs:
            inside = np.array([number in pack.streams for number in numbers.tolist()])
            if inside.any():
                part = shred if inside.all() else shred.select(np.isin(shred.stream, numbers[inside]))
                self._write_rows(self._with_fixed_columns(part), pack)

    def _write_rows(self, rows: Rows, pack: PackSink) -> None:
        self._note_rest(rows, pack)
        self._write_pack(rows, pack, table=None)
        if self.tracks is None:
            return
        inside = np.isin(rows.shred.stream, list(self.tracks.streams))
        if inside.all():
            self._write_pack(rows, self.tracks, table=TRACKS)
        elif inside.any():
            part = self._with_fixed_columns(rows.shred.select(inside))
            self._write_pack(part, self.tracks, table=TRACKS)

    def _write_pack(self, rows: Rows, pack: PackSink, table: str | None) -> None:
        shred = rows.shred
        refused = _refused_columns(pack, np.unique(shred.stream).tolist())
        arrays: dict[str, pa.Array] = {"received_at": pa.array(rows.received_us).cast(pa.timestamp("us"))}
        for name, column in pack.columns.items():
            if name == "event":
                arrays[name] = _event_names(self.streams, shred.stream)
            elif name in shred.columns and name != "received_at":
                converted = rows.convert(column)
                arrays[name] = converted.values
                for fault in converted.faults:
                    number = int(shred.stream[fault.row])
                    if name in pack.streams[number].columns:
                        self._discard(rows, fault, name, pack.streams[number], table)
        for name in refused & shred.columns.keys():
            self._refuse(rows, name, pack, table)
        if pack.shared:
            arrays[TABLE_COLUMN] = pa.array(shred.stream.astype(np.int32))
        pack.writer.write(arrays, len(shred))

    def _refuse(self, rows: Rows, name: str, pack: PackSink, table: str | None) -> None:
        """Discard the values of a column that some tables of the pack do not take."""
        column = rows.shred.columns[name]
        for row in np.flatnonzero(np.asarray(pc.is_valid(column))):
            plan = pack.streams[int(rows.shred.stream[row])]
            reason = plan.refused.get(name)
            if reason is not None:
                self._discard(rows, Fault(int(row), str(column[int(row)]), reason), name, plan, table)

    def _with_fixed_columns(self, shred: Shred) -> Rows:
        """Convert what every row needs: its id, and its arrival (the hour's start where the record has none)."""
        ids = convert(shred.columns["id"], Column("id", ColumnType.VARCHAR)).values
        column = shred.columns.get("received_at")
        if column is None:
            return Rows(shred, ids, np.full(len(shred), self.hour_us, np.int64), max_json_bytes=self.max_json_bytes)
        received = convert(column, Column("received_at", ColumnType.TIMESTAMP))
        received_us = np.asarray(pc.fill_null(received.values.cast(pa.int64()), self.hour_us))
        return Rows(shred, ids, received_us, received.faults, self.max_json_bytes)

    def _note_rest(self, rows: Rows, pack: PackSink) -> None:
        """Discard what flattening left out, and arrival times that are no times."""
        for fault in rows.received_faults:
            self._discard(rows, fault, "received_at", pack.streams[int(rows.shred.stream[fault.row])], None)
        notes = self.notes.of(int(rows.shred.position[0]))
        noted = np.isin(rows.shred.position, np.fromiter(notes, np.int64, len(notes))) if notes else ()
        for row in np.flatnonzero(noted).tolist():
            for note in notes[int(rows.shred.position[row])]:
                plan = pack.streams[int(rows.shred.stream[row])]
                self._discard(rows, Fault(row, note.text, note.reason), note.column, plan, None)

    def _discard(self, rows: Rows, fault: Fault, name: str, plan: TablePlan, table: str | None) -> None:
        number = int(rows.shred.stream[fault.row])
        column = plan.columns.get(name)
        self.discards.add(
            Discard(
                stream=number,
                event=self.streams[number].event,
                table=table or plan.table,
                column=name,
                text=fault.text,
                column_type=column.type if column is not None else "",
                reason=DiscardReason(fault.reason),
                row_id=str(rows.ids[fault.row]),
                received_us=int(rows.received_us[fault.row]),
            )
        )


def _refused_columns(pack: PackSink, numbers: Sequence[int]) -> set[str]:
    return {name for number in numbers for name in pack.streams[number].refused}


def _event_names(streams: Sequence[BatchStream], numbers: Ints) -> pa.Array:
    present, codes = np.unique(numbers, return_inverse=True)
    names = pa.array([streams[number].event for number in present.tolist()], pa.string())
    return names.take(pa.array(codes))
