"""The first pass over a batch: shred, drop repeated records, note the kinds of values, spool.

Belongs here: everything that must be known of all rows before any column can get its type. Does not: types (`plan`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc

from clickstream_platform.model.damage_marker import DamageMarker
from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.model.records import ENVELOPE_COLUMNS, RejectReason
from clickstream_platform.model.schemas import ColumnType, TableState
from clickstream_platform.model.streams import TYPE_OF_TABLE, UNIDENTIFIED
from clickstream_platform.transform.chunks import BatchStream, Chunk
from clickstream_platform.transform.dedup import SeenRecords
from clickstream_platform.transform.engines.port import Rejection, Shredded
from clickstream_platform.transform.kinds import kinds_of, reduce_kinds
from clickstream_platform.transform.layout import standard_columns
from clickstream_platform.transform.notes import NoteSpool
from clickstream_platform.transform.plan import ColumnFacts
from clickstream_platform.transform.quarantine import Quarantine
from clickstream_platform.transform.shreds import Shred, ShredSpool
from clickstream_platform.transform.texts import Ints

_TIMES = frozenset(column.name for column in ENVELOPE_COLUMNS if column.type is ColumnType.TIMESTAMP)


@dataclass(slots=True)
class Gatherer:
    """Takes what an engine made of each chunk. `strict_tables` are those whose unknown columns reject a record."""

    streams: Sequence[BatchStream]
    spool: ShredSpool
    notes: NoteSpool
    quarantine: Quarantine
    seen: SeenRecords
    strict_tables: Mapping[int, TableState] = field(default_factory=dict)
    facts: dict[int, ColumnFacts] = field(default_factory=dict)
    blank: dict[int, int] = field(default_factory=dict)
    duplicates: dict[int, int] = field(default_factory=dict)
    broken: dict[int, int] = field(default_factory=dict)

    def take(self, chunk: Chunk, shredded: Shredded) -> None:
        """Take one chunk's rows, rejections and notes."""
        shreds = [self._reject_unknown_columns(chunk, shred) for shred in shredded.shreds]
        for rejection in shredded.rejections:
            self._reject(chunk, rejection)
        for index in shredded.blank:
            count_streams(self.blank, chunk.stream[index : index + 1])
        if shredded.broken:
            count_streams(self.broken, chunk.stream[shredded.broken])
        self.notes.add(chunk.first_position, shredded.notes)
        shreds = [shred for shred in shreds if len(shred)]
        for shred, keep in zip(shreds, self.seen.add(shreds), strict=True):
            count_streams(self.duplicates, shred.stream[~keep])
            # Facts of all records, repeated ones too: which of them wins must not change a column's type.
            kept = shred.select(keep)
            self._note_facts(kept)
            self._note_facts(shred.select(~keep))
            self.spool.append(kept)

    def _note_facts(self, shred: Shred) -> None:
        if not len(shred):
            return
        numbers, starts = shred.segments()
        facts = [self.facts.setdefault(number, ColumnFacts()) for number in numbers.tolist()]
        for name, column in shred.columns.items():
            if name in _TIMES:
                continue  # their type never depends on the data
            kinds, longest = reduce_kinds(*kinds_of(column), starts)
            for index in np.flatnonzero(kinds).tolist():
                facts[index].note(name, int(kinds[index]), int(longest[index]))

    def _reject_unknown_columns(self, chunk: Chunk, shred: Shred) -> Shred:
        """Reject the records of strict tables that bring a column the table does not have."""
        keep = np.ones(len(shred), bool)
        for number in set(shred.stream.tolist()) & self.strict_tables.keys():
            known = self.strict_tables[number].columns
            standard = standard_columns(TYPE_OF_TABLE.get(self.streams[number].event, "track"))
            rows = shred.stream == number
            for name in sorted(shred.columns.keys() - known.keys() - standard):
                odd = rows & keep & np.asarray(pc.is_valid(shred.columns[name]))
                for row in np.flatnonzero(odd).tolist():
                    index = int(shred.position[row]) - chunk.first_position
                    self._reject(chunk, Rejection(index, RejectReason.UNKNOWN_COLUMN, f"column {name!r}"))
                keep &= ~odd
        return shred.select(keep)

    def _reject(self, chunk: Chunk, rejection: Rejection) -> None:
        source = chunk.sources[int(chunk.source[rejection.index])]
        line, number = chunk.line(rejection.index), int(chunk.number[rejection.index])
        record = QuarantinedRecord(source.key, number, RejectReason(rejection.reason), rejection.detail, line)
        if source.stream.event == UNIDENTIFIED and (marker := DamageMarker.from_line(line)) is not None:
            detail = f"{marker.source}, line {marker.line}: {marker.detail}"
            record = QuarantinedRecord(source.key, number, marker.reason, detail, marker.rest)
        self.quarantine.add(source.stream.number, record)


def count_streams(counts: dict[int, int], numbers: Ints) -> None:
    """Add the number of rows of each stream to `counts`."""
    for number, rows in zip(*np.unique(numbers, return_counts=True), strict=True):
        counts[int(number)] = counts.get(int(number), 0) + int(rows)
