"""One file of events becomes raw objects and seals, so that ingesting it again writes nothing.

Belongs here: the steps and their report. Does not: the single steps (`sources`, `routing`, `writer`, `sealing`),
printing.

Lines whose record states its hour are written under a shard of their own (`….dated`). Only the others depend on the
hour that ingesting was asked for, so the same file ingested for another hour can never give one object key other
content.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from clickstream_platform.codecs.lines import LineReader
from clickstream_platform.ingest.ports import RawStore
from clickstream_platform.ingest.routing import Router
from clickstream_platform.ingest.sealing import write_seals
from clickstream_platform.ingest.sources import (
    WHOLE_LINE,
    Progress,
    Source,
    SourceLine,
    lines_of,
    no_progress,
    source_digest,
)
from clickstream_platform.ingest.uploads import WrittenObject
from clickstream_platform.ingest.writer import RawWriter, WriterLimits
from clickstream_platform.model.damage_marker import DamageMarker
from clickstream_platform.model.hours import Hour

SHARD_PREFIX = "ingest."
DATED_SUFFIX = ".dated"


@dataclass(frozen=True, slots=True)
class StreamHour:
    """What one stream-hour got from one source: raw lines, their bytes uncompressed, objects, how many are new."""

    event: str
    hour: Hour
    records: int
    size_bytes: int
    objects: int
    new_objects: int


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of one source. Every line of it is a raw line: `records` = lines + `markers` of damage.

    `unidentified` lines name no stream. `damage` is the damage of the source, if any, as its (first) marker has it.
    """

    source: str
    customer: str
    digest: str
    source_bytes: int
    records: int
    unidentified: int
    markers: int
    damage: DamageMarker | None
    stream_hours: tuple[StreamHour, ...]
    seals: int
    new_seals: int

    @property
    def new_objects(self) -> int:
        """How many raw objects were not there before."""
        return sum(item.new_objects for item in self.stream_hours)

    @property
    def is_already_ingested(self) -> bool:
        """Whether an earlier ingest had written all of it."""
        return bool(self.stream_hours) and not self.new_objects and not self.new_seals


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """The customer, the hour of lines that state none, a folder for temporary files, and the limits of memory."""

    customer: str
    default_hour: Hour
    work_dir: Path | None = None
    limits: WriterLimits = field(default_factory=WriterLimits)


def ingest(store: RawStore, source: Source, options: IngestOptions, progress: Progress = no_progress) -> IngestReport:
    """Write all lines of a source to their stream-hours and seal these hours; running it again writes nothing.

    Raises ObjectNotFoundError when the file can't be read and ObjectChangedError when it changes meanwhile.
    """
    state = source.state()
    digest = source_digest(options.customer, source, progress)
    reader = LineReader(source.open)
    with RawWriter(store, options.customer, options.work_dir, options.limits) as writer:
        feeder = _Feeder(Router(options.default_hour), writer, f"{SHARD_PREFIX}{digest}")
        for block in reader:
            for line in lines_of(block):
                feeder.add(line)
            progress("ingesting", reader.bytes_read, state[0])
        feeder.end_line()
        damage = _damage_of(reader, source.name, feeder.last_number)
        if damage is not None:
            feeder.add_markers(damage)
        source.check_unchanged(state)
        written = writer.finish()
    seals, new_seals = write_seals(store, written)
    return IngestReport(
        source.name,
        options.customer,
        digest,
        state[0],
        sum(item.records for item in written),
        feeder.unidentified,
        feeder.markers,
        damage,
        stream_hours(written),
        seals,
        new_seals,
    )


def stream_hours(written: Iterable[WrittenObject]) -> tuple[StreamHour, ...]:
    """Add up written objects by stream-hour, ordered by hour and event."""
    groups: dict[tuple[Hour, str], list[WrittenObject]] = defaultdict(list)
    for item in written:
        groups[item.key.hour, item.key.stream.event].append(item)
    return tuple(
        StreamHour(
            event,
            hour,
            sum(item.records for item in items),
            sum(item.size_bytes for item in items),
            len(items),
            sum(item.is_new for item in items),
        )
        for (hour, event), items in sorted(groups.items())
    )


class _Feeder:
    """Hands lines to the writer; joins the pieces of a line over the size limit again."""

    def __init__(self, router: Router, writer: RawWriter, shard: str) -> None:
        self._router, self._writer, self._shard = router, writer, shard
        self._is_inside_line = False
        self.last_number = self.unidentified = self.markers = 0

    def add(self, line: SourceLine) -> None:
        if line.part <= 0:
            self.end_line()
            self.last_number = line.number
        if line.part == WHOLE_LINE:
            place, raw_line = self._router.route(line.data)
            self.unidentified += place.is_unidentified
            shard = self._shard + DATED_SUFFIX if place.is_dated else self._shard
            self._writer.add(shard, place.hour, place.event, line.number, raw_line + b"\n")
        else:
            self.unidentified += line.part == 0
            self._add_unidentified(line.data, begins=line.part == 0)
            self._is_inside_line = True

    def end_line(self) -> None:
        """End a line over the size limit: only what follows its last piece tells that it was the last."""
        if self._is_inside_line:
            self._add_unidentified(b"\n", begins=False)
            self._is_inside_line = False

    def add_markers(self, damage: DamageMarker) -> None:
        """Write the marker lines of a damaged source."""
        self.last_number = max(self.last_number, damage.line)
        for marker in damage.split():
            self._add_unidentified(marker.to_line() + b"\n", begins=True)
            self.markers += 1

    def _add_unidentified(self, data: bytes, *, begins: bool) -> None:
        place = self._router.unidentified
        self._writer.add(self._shard, place.hour, place.event, self.last_number, data, begins=begins)


def _damage_of(reader: LineReader, name: str, last_number: int) -> DamageMarker | None:
    found = reader.damage
    if found is None:
        return None
    number, partial = reader.partial_line or (last_number + 1, b"")
    return DamageMarker(found.reason, found.detail, name, number, partial + found.rest)
