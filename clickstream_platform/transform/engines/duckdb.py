"""The default engine: extracts the known paths of whole groups of lines with DuckDB, and reads the rest one by one.

Streams whose records look alike share one extraction, so a thousand small streams cost little more than a large one.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from isal.isal_zlib import crc32

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.naming import event_slug
from clickstream_platform.model.records import MAX_MESSAGE_ID_BYTES
from clickstream_platform.model.streams import TABLE_OF_TYPE, TYPE_OF_TABLE, UNIDENTIFIED
from clickstream_platform.transform.chunks import BatchStream, Chunk
from clickstream_platform.transform.engines.extraction import ExtractedColumns, Extraction, extract, find_regular
from clickstream_platform.transform.engines.paths import MAX_PATHS, FrozenPlan, PathPlan, leaf_paths
from clickstream_platform.transform.engines.port import Shredded
from clickstream_platform.transform.engines.single import SingleEngine
from clickstream_platform.transform.parsing import parse_line
from clickstream_platform.transform.shreds import Shred
from clickstream_platform.transform.texts import Bools, Ints, TextView

MIN_ROWS = 256  # fewer rows are read one by one: an extraction has a fixed cost
SAMPLE_RECORDS = 12
SAMPLE_RECORDS_SMALL = 2
MIN_SHARED_PATHS = 0.5
_MANY_SLICES = 64  # from here on a copy of the lines is cheaper


class DuckDBEngine:
    """Shreds chunks with DuckDB; learns the paths of streams as it goes and keeps them from chunk to chunk."""

    def __init__(self, *, max_depth: int, memory_mb: int = 512, threads: int = 1) -> None:
        """Flatten objects down to `max_depth` levels; let DuckDB use `memory_mb` and `threads`."""
        self._max_depth = max_depth
        self._single = SingleEngine(max_depth=max_depth)
        self._config: dict[str, Any] = {"threads": threads, "memory_limit": f"{memory_mb}MB"}
        self._plans: list[PathPlan] = []
        self._plan_of: dict[int, PathPlan] = {}

    def shred(self, chunk: Chunk, streams: list[BatchStream]) -> Shredded:
        """Shred all lines of the chunk."""
        result = Shredded()
        lines = chunk.lines()
        single = _find_delicate(chunk, lines)
        for plan, members in self._groups(chunk, streams):
            rows = members[~single[members]]
            if plan is None or len(rows) < MIN_ROWS:
                single[rows] = True
                continue
            edited, broken = _hold_to_contracts(chunk, rows, streams)
            single[edited] = True
            rows = rows[~single[rows]]
            if not len(rows):
                continue
            done = self._shred_group(chunk, lines, rows, plan, streams, result)
            single[rows[~done]] = True
            result.broken.extend(broken[~single[broken]].tolist())
        indexes = np.flatnonzero(single).tolist()
        self._single.shred_lines(chunk, indexes, streams, result, self._learn)
        return result

    def close(self) -> None:
        """Close the connection."""
        if "_connection" in self.__dict__:
            self._connection.close()

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        """Opened at its first use: most batches of small customers need none."""
        return duckdb.connect(config=self._config)

    def _learn(self, number: int, record: dict[str, Any]) -> None:
        plan = self._plan_of.get(number)
        if plan is not None:
            plan.learn(record)

    def _groups(self, chunk: Chunk, streams: list[BatchStream]) -> list[tuple[PathPlan | None, Ints]]:
        """Return the plans of the chunk's streams with their rows; None for streams without a plan."""
        numbers, starts = np.unique(chunk.stream, return_index=True)
        bounds = np.append(starts, len(chunk))
        rows: dict[int, list[Ints]] = {}
        plans: dict[int, PathPlan | None] = {}
        small = len(numbers) > SAMPLE_RECORDS_SMALL * SAMPLE_RECORDS
        for number, start, end in zip(numbers.tolist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            plan = self._plan_of.get(number)
            if plan is None:
                samples = np.linspace(start, end - 1, SAMPLE_RECORDS_SMALL if small else SAMPLE_RECORDS).astype(int)
                plan = self._find_plan(
                    number, streams[number].event, [chunk.line(i) for i in dict.fromkeys(samples.tolist())]
                )
            rows.setdefault(id(plan), []).append(np.arange(start, end))
            plans[id(plan)] = plan
        return [(plans[key], np.concatenate(parts)) for key, parts in rows.items()]

    def _find_plan(self, number: int, event: str, samples: list[bytes]) -> PathPlan | None:
        """Give the stream the plan of a similar stream, or one of its own, learned from samples."""
        if event == UNIDENTIFIED:
            return None
        records = []
        for line in samples:
            try:
                record = parse_line(line)
            except RejectedRecordError:
                continue
            if isinstance(record, dict):
                records.append(record)
        paths = {path for record in records for path in leaf_paths(record, self._max_depth)}
        if not paths or len(paths) > MAX_PATHS:
            return None
        record_type = TYPE_OF_TABLE.get(event, "track")
        for plan in self._plans:
            shared = len(paths & plan.paths.keys())
            if plan.record_type == record_type and shared >= MIN_SHARED_PATHS * len(paths | plan.paths.keys()):
                break
        else:
            plan = PathPlan(record_type, self._max_depth)
            self._plans.append(plan)
        for record in records:
            plan.learn(record)
        self._plan_of[number] = plan
        return plan

    def _shred_group(
        self,
        chunk: Chunk,
        lines: pa.StringArray,
        rows: Ints,
        plan: PathPlan,
        streams: list[BatchStream],
        result: Shredded,
    ) -> Bools:
        """Shred the regular rows of a group; return which rows these are."""
        frozen = plan.freeze()
        if not {("type",), ("messageId",)} <= frozen.index.keys():
            return np.zeros(len(rows), bool)
        found = extract(self._connection, _take_lines(lines, rows), frozen)
        good = rows[found.lines]
        regular = find_regular(found, frozen, lambda some: lines.take(pa.array(good[some])))
        regular &= _has_envelope(found, frozen, plan.record_type, chunk.stream[good], streams)
        merged: dict[str, pa.StringArray] = {}
        for name, paths in frozen.columns.items():
            if len(paths) > 1:
                merged[name], agrees = _merge([found.column(path) for path in paths])
                regular &= agrees
        rows_done = np.flatnonzero(regular)
        index = good[rows_done]
        single = {name: paths[0] for name, paths in frozen.columns.items() if len(paths) == 1}
        shred = Shred(
            ExtractedColumns(found, single, merged, rows_done),
            chunk.stream[index],
            index + chunk.first_position,
            _hashes(chunk, index),
        )
        result.shreds.append(shred)
        done = np.zeros(len(rows), bool)
        done[found.lines[rows_done]] = True
        return done


def _hold_to_contracts(chunk: Chunk, rows: Ints, streams: list[BatchStream]) -> tuple[Ints, Ints]:
    """Return the rows that their contracts may change or reject, and the rows that break one and are loaded as sent."""
    edited: list[int] = []
    broken: list[int] = []
    numbers = chunk.stream[rows]
    for number in np.unique(numbers).tolist():
        contract = streams[number].contract
        if contract is None:
            continue
        for row in rows[numbers == number].tolist():
            is_broken = contract.is_broken_by(chunk.line(row))
            if is_broken is None or (is_broken and contract.mode != "evolve"):
                edited.append(row)
            elif is_broken:
                broken.append(row)
    return np.array(edited, np.int64), np.array(broken, np.int64)


def _take_lines(lines: pa.StringArray, rows: Ints) -> pa.ChunkedArray:
    """Return some of the lines, in order, as slices of them all where these are few."""
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    if len(breaks) >= _MANY_SLICES:
        return pa.chunked_array([lines.take(pa.array(rows))])
    return pa.chunked_array([lines.slice(int(run[0]), len(run)) for run in np.split(rows, breaks)])


def _hashes(chunk: Chunk, rows: Ints) -> Ints:
    view = memoryview(chunk.data)
    starts, ends = chunk.starts[rows].tolist(), chunk.ends[rows].tolist()
    return np.array([crc32(view[start:end]) for start, end in zip(starts, ends, strict=True)], np.int64)


def _find_delicate(chunk: Chunk, lines: pa.StringArray) -> Bools:
    """Mark lines to be read one by one: not UTF-8, or with escapes that need care (control characters, surrogates)."""
    single = np.zeros(len(chunk), bool)
    single[_not_utf8(lines, 0, len(lines))] = True
    data = np.frombuffer(chunk.data, np.uint8)
    single |= data[chunk.ends - 1] != ord("}")  # cut off, most likely
    is_control = data < ord(" ")
    if np.count_nonzero(is_control) != len(chunk):  # more than one line end a line
        controls = np.flatnonzero(is_control)
        odd = controls[~np.isin(data[controls], (ord("\n"), ord("\r"), ord("\t")))]
        single[np.maximum(np.searchsorted(chunk.starts, odd, side="right") - 1, 0)] = True
    if b"\\" not in chunk.data:
        return single
    escapes = np.flatnonzero(data == ord("\\"))
    kind, digit, next_digit = (data[np.minimum(escapes + step, len(data) - 1)] for step in (1, 2, 3))
    nul = (digit == ord("0")) & (next_digit == ord("0"))
    delicate = escapes[(kind == ord("u")) & (nul | (digit == ord("d")) | (digit == ord("D")))]
    single[np.maximum(np.searchsorted(chunk.starts, delicate, side="right") - 1, 0)] = True
    return single


def _not_utf8(lines: pa.StringArray, first: int, count: int) -> list[int]:
    """Return the indexes of lines that are not UTF-8, found by halving."""
    try:
        lines.slice(first, count).validate(full=True)
    except pa.ArrowInvalid:
        if count == 1:
            return [first]
        half = count // 2
        return _not_utf8(lines, first, half) + _not_utf8(lines, first + half, count - half)
    return []


def _merge(columns: list[pa.StringArray]) -> tuple[pa.StringArray, Bools]:
    """Merge the paths that end as one column; a row agrees unless two of them hold different values."""
    merged, agrees = columns[0], np.ones(len(columns[0]), bool)
    for column in columns[1:]:
        differ = pc.fill_null(pc.not_equal(merged, column), False)
        agrees &= ~np.asarray(differ).astype(bool)
        merged = pc.coalesce(merged, column)
    return merged, agrees


def _has_envelope(
    found: Extraction, plan: FrozenPlan, record_type: str, numbers: Ints, streams: list[BatchStream]
) -> Bools:
    """Mark rows whose type, messageId and event name are beyond doubt; the single engine judges the others."""
    types = found.column(plan.index[("type",)])
    good: Bools = np.asarray(pc.fill_null(pc.equal(types, f'"{record_type}"'), False)).astype(bool)
    path = plan.index[("messageId",)]
    good &= (found.first[:, path] == ord('"')) & (found.lengths[:, path] > 2)
    good &= found.lengths[:, path] <= MAX_MESSAGE_ID_BYTES
    identities = found.column(path)
    good &= ~np.asarray(pc.fill_null(pc.match_substring(identities, "\\"), True)).astype(bool)
    good &= ~np.asarray(pc.fill_null(pc.ends_with(identities, ' "'), True)).astype(bool)
    start = TextView.of(identities).byte_at(1)  # white space, of which Unicode has more: the single engine looks closer
    good &= (start > ord(" ")) & (start < 0x80)  # others than ASCII begin with 0x80
    if record_type in TABLE_OF_TYPE:
        return good
    if ("event",) not in plan.index:
        return np.zeros(len(good), bool)
    return good & _names_its_stream(found.column(plan.index[("event",)]), numbers, streams)


def _names_its_stream(names: pa.StringArray, numbers: Ints, streams: list[BatchStream]) -> Bools:
    """Mark rows whose event name is a string that becomes the slug of their stream."""
    encoded = names.dictionary_encode()
    slug_numbers = {stream.event: stream.number for stream in streams}
    named = np.array([slug_numbers.get(_slug_of(text), -1) for text in encoded.dictionary.to_pylist()] + [-1], np.int64)
    codes = np.asarray(pc.fill_null(encoded.indices, len(named) - 1))
    matches: Bools = named[codes] == numbers
    return matches


def _slug_of(text: str) -> str:
    name = parse_line(text.encode()) if text.startswith('"') else ""
    return event_slug(name) if name.strip() else ""
