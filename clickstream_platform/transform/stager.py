"""The second pass over a batch: plan every table, then write all packs, `tracks` and `_discards`.

Belongs here: building the sinks and describing what was written. Does not: the plans' rules (`plan`), the values
(`settle`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.schemas import DISCARDS_COLUMNS, Column, TableState
from clickstream_platform.model.staging import Pack, StagedTable
from clickstream_platform.model.streams import DISCARDS, TRACKS, TYPE_OF_TABLE
from clickstream_platform.transform.chunks import BatchStream
from clickstream_platform.transform.discards import DiscardSink
from clickstream_platform.transform.gathering import Gatherer, count_streams
from clickstream_platform.transform.layout import is_common_column
from clickstream_platform.transform.parts import Holdings, PartWriter
from clickstream_platform.transform.plan import (
    ColumnFacts,
    GreatestInteger,
    SchemaPolicy,
    TablePlan,
    plan_packs,
    plan_table,
)
from clickstream_platform.transform.port import Objects
from clickstream_platform.transform.settle import PackSink, Settler
from clickstream_platform.transform.texts import Ints
from clickstream_platform.transform.timestamps import microseconds_of


@dataclass(slots=True)
class StagedOutput:
    """What was written. The counts are by stream number; `contested` are repeated records that lost."""

    packs: tuple[Pack, ...] = ()
    tables: tuple[StagedTable, ...] = ()
    tracks: StagedTable | None = None
    discards: StagedTable | None = None
    rows: dict[int, int] = field(default_factory=dict)
    contested: dict[int, int] = field(default_factory=dict)
    discarded: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Stager:
    """Stages what a Gatherer gathered, below one key prefix."""

    objects: Objects
    prefix: str
    folder: Path
    hour: Hour
    streams: Sequence[BatchStream]
    states: Mapping[str, TableState]
    policy: SchemaPolicy
    max_abs_integer: GreatestInteger
    part_bytes: int
    long_value_keys: Mapping[int, str]
    holdings: Holdings = field(default_factory=Holdings)

    def stage(self, gathered: Gatherer) -> StagedOutput:
        """Write everything; return its description."""
        output = StagedOutput()
        losers = np.array(sorted(gathered.seen.losers), np.int64)
        _count_rows(gathered, losers, output)
        plans = {number: self._plan(self.streams[number], gathered.facts[number]) for number in output.rows}
        sinks = self._open_packs(plans, output.rows)
        tracks = self._open_tracks(plans, gathered.facts)
        discard_writer = self._writer("discards", DISCARDS_COLUMNS, shared=False)
        hour_us = microseconds_of(self.hour.start)
        discards = DiscardSink(discard_writer, self.long_value_keys, self.folder, hour_us)
        settler = Settler(self.streams, sinks, tracks, discards, hour_us, gathered.notes, self.policy.max_json_bytes)
        for shred in gathered.spool:
            kept = shred.select(~np.isin(shred.position, losers)) if len(losers) else shred
            if len(kept):
                settler.write(kept)
        discards.close(self.objects)
        output.discarded = discards.counts
        self._describe(output, sinks, tracks, discards)
        return output

    def _plan(self, stream: BatchStream, facts: ColumnFacts) -> TablePlan:
        state = self.states.get(stream.event) or TableState(stream.event)
        record_type = TYPE_OF_TABLE.get(stream.event, "track")
        return plan_table(state, record_type, facts, self.policy, self.max_abs_integer)

    def _open_packs(self, plans: Mapping[int, TablePlan], rows: Mapping[int, int]) -> list[PackSink]:
        numbers = {plan.table: number for number, plan in plans.items()}
        packs = plan_packs({p.table: p for p in plans.values()}, {p.table: rows[n] for n, p in plans.items()})
        sinks = []
        for index, pack in enumerate(packs):
            shared = len(pack.tables) > 1
            writer = self._writer(f"pack-{index:03d}", tuple(pack.columns.values()), shared=shared)
            sinks.append(PackSink({numbers[plan.table]: plan for plan in pack.tables}, pack.columns, writer, shared))
        return sinks

    def _open_tracks(self, plans: Mapping[int, TablePlan], facts: Mapping[int, ColumnFacts]) -> PackSink | None:
        """Plan `tracks` from the common columns of all its events together."""
        numbers = [number for number in plans if self.streams[number].event not in TYPE_OF_TABLE]
        if not numbers:
            return None
        common = ColumnFacts()
        for number in numbers:
            columns = facts[number].columns
            common.merge(ColumnFacts({name: columns[name] for name in columns if is_common_column(name)}))
        state = self.states.get(TRACKS) or TableState(TRACKS)
        plan = plan_table(state, "track", common, self.policy, self.max_abs_integer)
        writer = self._writer(TRACKS, tuple(plan.columns.values()), shared=False)
        return PackSink(dict.fromkeys(numbers, plan), plan.columns, writer, shared=False)

    def _writer(self, name: str, columns: Sequence[Column], *, shared: bool) -> PartWriter:
        return PartWriter(
            self.objects,
            f"{self.prefix}{name}-",
            columns,
            self.folder,
            shared=shared,
            part_bytes=self.part_bytes,
            holdings=self.holdings,
        )

    def _describe(
        self, output: StagedOutput, sinks: Sequence[PackSink], tracks: PackSink | None, discards: DiscardSink
    ) -> None:
        packs: list[Pack] = []
        tables: list[StagedTable] = []
        for sink in sinks:
            for number, plan in sink.streams.items():
                columns = tuple(plan.columns.values())
                tables.append(StagedTable(plan.table, len(packs), number, columns, output.rows[number]))
            packs.append(Pack(sink.writer.close(), tuple(sink.columns.values()), sink.shared))
        if tracks is not None:
            columns = tuple(tracks.columns.values())
            output.tracks = StagedTable(TRACKS, len(packs), 0, columns, sum(output.rows[n] for n in tracks.streams))
            packs.append(Pack(tracks.writer.close(), columns, shared=False))
        if discards.rows:
            output.discards = StagedTable(DISCARDS, len(packs), 0, DISCARDS_COLUMNS, discards.rows)
            packs.append(Pack(discards.writer.close(), DISCARDS_COLUMNS, shared=False))
        output.packs, output.tables = tuple(packs), tuple(tables)


def _count_rows(gathered: Gatherer, losers: Ints, output: StagedOutput) -> None:
    """Count rows and contested records that lost, for streams that have any."""
    rows: dict[int, int] = {}
    for stream, position in gathered.spool.rows():
        lost = np.isin(position, losers)
        count_streams(rows, stream[~lost])
        count_streams(output.contested, stream[lost])
    output.rows = dict(sorted(rows.items()))
