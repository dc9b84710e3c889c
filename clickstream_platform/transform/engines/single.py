"""Shreds lines one by one with `transform.records`: the reference engine, and the way for lines that others refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from zlib import crc32

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.records import RejectReason
from clickstream_platform.transform.chunks import BatchStream, Chunk
from clickstream_platform.transform.engines.port import Rejection, Shredded
from clickstream_platform.transform.records import read_record
from clickstream_platform.transform.shreds import shred_from_rows

MAX_COLUMNS_TOGETHER = 400

Learn = Callable[[int, dict[str, Any]], None]


class SingleEngine:
    """Reads every line on its own."""

    def __init__(self, *, max_depth: int) -> None:
        """Flatten objects down to `max_depth` levels."""
        self._max_depth = max_depth

    def shred(self, chunk: Chunk, streams: list[BatchStream]) -> Shredded:
        """Shred all lines of the chunk."""
        result = Shredded()
        self.shred_lines(chunk, range(len(chunk)), streams, result)
        return result

    def shred_lines(
        self,
        chunk: Chunk,
        indexes: Iterable[int],
        streams: list[BatchStream],
        result: Shredded,
        learn: Learn | None = None,
    ) -> None:
        """Shred some lines (in order) into `result`; `learn` is shown each valid record with its stream's number."""
        rows: list[dict[str, str]] = []
        fixed: list[tuple[int, int, int]] = []
        names: set[str] = set()
        for index in indexes:
            line, number = chunk.line(index), int(chunk.stream[index])
            try:
                stream = streams[number]
                flat, record = read_record(line, stream.event, max_depth=self._max_depth, contract=stream.contract)
            except RejectedRecordError as rejected:
                if rejected.reason == RejectReason.CONTRACT:
                    result.broken.append(index)
                if line.strip():
                    result.rejections.append(Rejection(index, rejected.reason, rejected.detail))
                else:
                    result.blank.append(index)
                continue
            if flat.is_broken:
                result.broken.append(index)
            if learn is not None:
                learn(number, record)
            if not names.issuperset(flat.columns):
                if rows and len(names | flat.columns.keys()) > MAX_COLUMNS_TOGETHER:
                    result.shreds.append(shred_from_rows(rows, *zip(*fixed, strict=True)))
                    rows, fixed, names = [], [], set()
                names |= flat.columns.keys()
            position = chunk.first_position + index
            rows.append(flat.columns)
            fixed.append((number, position, crc32(line)))
            result.notes.extend((position, note) for note in flat.notes)
        if rows:
            result.shreds.append(shred_from_rows(rows, *zip(*fixed, strict=True)))

    def close(self) -> None:
        """Hold nothing."""
