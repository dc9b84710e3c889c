"""The rows of `_discards`: values that their columns could not take, with everything needed to find them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pyarrow as pa

from clickstream_platform.model.records import DiscardReason
from clickstream_platform.model.schemas import DISCARDS_COLUMNS, MAX_VARCHAR_BYTES
from clickstream_platform.transform.parts import PartWriter
from clickstream_platform.transform.port import Objects
from clickstream_platform.transform.quarantine import LinesObject
from clickstream_platform.transform.timestamps import TIMESTAMP

_BEGINNING = 1000  # characters of a value that is kept elsewhere in full
_FLUSH_ROWS = 5_000
_NAMES = tuple(column.name for column in DISCARDS_COLUMNS)


@dataclass(frozen=True, slots=True)
class Discard:
    """One value that was not loaded. `text` is its JSON text in full; `received_us` microseconds since 1970, UTC."""

    stream: int
    event: str
    table: str
    column: str
    text: str
    column_type: str
    reason: DiscardReason
    row_id: str
    received_us: int


@dataclass(slots=True)
class DiscardSink:
    """Writes discards as they come; `counts` by stream number. Values too long for a column go to S3 in full."""

    writer: PartWriter
    long_value_keys: Mapping[int, str]
    folder: Path
    batch_hour_us: int
    counts: dict[int, int] = field(default_factory=dict)
    rows: int = 0
    _held: list[Discard] = field(default_factory=list)
    _long_values: dict[int, LinesObject] = field(default_factory=dict)

    def add(self, discard: Discard) -> None:
        """Take one discarded value."""
        self.counts[discard.stream] = self.counts.get(discard.stream, 0) + 1
        self.rows += 1
        self._held.append(discard)
        if len(self._held) >= _FLUSH_ROWS:
            self._flush()

    def close(self, objects: Objects) -> None:
        """Write what is held and the values that are kept in full."""
        self._flush()
        for stream, lines in self._long_values.items():
            lines.put(objects, self.long_value_keys[stream])

    def _flush(self) -> None:
        held, self._held = self._held, []
        rows = [
            (
                d.event,
                d.table,
                d.column,
                self._value(d),
                d.column_type,
                d.reason,
                d.row_id,
                d.received_us,
                self.batch_hour_us,
            )
            for d in held
        ]
        columns = [list(values) for values in zip(*rows, strict=True)] or [[] for _ in _NAMES]
        arrays = dict(zip(_NAMES, columns, strict=True))
        typed = {
            n: pa.array(v, pa.int64()).cast(TIMESTAMP) for n, v in arrays.items() if n in ("received_at", "batch_hour")
        }
        self.writer.write(
            {**{n: pa.array(v, pa.string()) for n, v in arrays.items() if n not in typed}, **typed}, len(held)
        )

    def _value(self, discard: Discard) -> str:
        """Return the value's JSON text, or its beginning and where the whole is kept."""
        if len(discard.text.encode()) <= MAX_VARCHAR_BYTES:
            return discard.text
        if discard.stream not in self._long_values:
            self._long_values[discard.stream] = LinesObject(self.folder)
        self._long_values[discard.stream].add(
            orjson.dumps(
                {"table": discard.table, "column": discard.column, "row_id": discard.row_id, "value": discard.text}
            )
        )
        return (
            f"{discard.text[:_BEGINNING]}… [{len(discard.text)} characters, in {self.long_value_keys[discard.stream]}]"
        )
