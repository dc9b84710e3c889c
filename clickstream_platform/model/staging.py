"""A staged batch: the Parquet that one customer-hour became, and everything the loader must know of it.

A *pack* is a run of Parquet parts that several small tables share (`$table` tells their rows apart), because files and
COPY statements are what small tables cost; a large table is a pack of its own, without that column. See
docs/decisions/0003-packs.md.

Belongs here: the description and its JSON form. Does not: writing Parquet (`transform.parts`) or SQL (`load`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.schemas import Column, ColumnType

# Not `_table`: that is the column of a property named `table`. No property's column has a `$`.
TABLE_COLUMN = "$table"
BATCH_FILE = "batch.json"


@dataclass(frozen=True, slots=True)
class StagedPart:
    """One Parquet object: key, size in bytes, rows."""

    key: str
    size: int
    rows: int


@dataclass(frozen=True, slots=True)
class Pack:
    """Parquet parts with one schema. `columns` are all columns of the parts but `$table`."""

    parts: tuple[StagedPart, ...]
    columns: tuple[Column, ...]
    shared: bool


@dataclass(frozen=True, slots=True)
class StagedTable:
    """The rows of one target table: in pack `pack`, those with `$table = number` (all rows when the pack isn't shared).

    `columns` are the table's own columns as staged, a subset of the pack's. `rows` counts them.
    """

    table: str
    pack: int
    number: int
    columns: tuple[Column, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class StagedStream:
    """One stream-hour of the batch: its input digest, exact counts and quarantine object (if anything was rejected).

    `contract_version` is the contract that its records were held to, `broken_records` counts those that broke it,
    repeated ones too, whatever became of them.
    """

    event: str
    digest: str
    counts: StreamCounts
    quarantine_key: str | None = None
    contract_version: int | None = None
    broken_records: int = 0


@dataclass(frozen=True, slots=True)
class StagedBatch:
    """One customer-hour (or some of its events) ready to load.

    `tables` has an entry per event table with rows; `tracks` and `discards` hold rows of all its events, told apart by
    their `event` column.
    """

    customer: str
    hour: Hour
    digest: str
    streams: tuple[StagedStream, ...]
    packs: tuple[Pack, ...]
    tables: tuple[StagedTable, ...]
    tracks: StagedTable | None = None
    discards: StagedTable | None = None

    def table_of(self, event: str) -> StagedTable | None:
        """Return the staged rows of an event's table; None when it has no rows."""
        return next((table for table in self.tables if table.table == event), None)

    def to_json(self) -> bytes:
        """Return the stored form, `batch.json`."""
        body = {
            "customer": self.customer,
            "hour": str(self.hour),
            "digest": self.digest,
            "streams": [asdict(stream) for stream in self.streams],
            "packs": [
                {
                    "parts": [asdict(part) for part in pack.parts],
                    "columns": _column_lists(pack.columns),
                    "shared": pack.shared,
                }
                for pack in self.packs
            ],
            "tables": [_table_fields(table) for table in self.tables],
            "tracks": _table_fields(self.tracks) if self.tracks else None,
            "discards": _table_fields(self.discards) if self.discards else None,
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> StagedBatch:
        """Read the stored form."""
        body = json.loads(data)
        return cls(
            customer=body["customer"],
            hour=Hour.parse(body["hour"]),
            digest=body["digest"],
            streams=tuple(
                StagedStream(**{**stream, "counts": StreamCounts(**stream["counts"])}) for stream in body["streams"]
            ),
            packs=tuple(
                Pack(tuple(StagedPart(**part) for part in pack["parts"]), _columns(pack["columns"]), pack["shared"])
                for pack in body["packs"]
            ),
            tables=tuple(_table(table) for table in body["tables"]),
            tracks=_table(body["tracks"]) if body["tracks"] else None,
            discards=_table(body["discards"]) if body["discards"] else None,
        )


def _column_lists(columns: Iterable[Column]) -> list[tuple[str, str, int]]:
    """Return columns as [name, type, length]: a thousand tables have fifty thousand of them."""
    return [(column.name, column.type, column.length) for column in columns]


def _table_fields(table: StagedTable) -> dict[str, Any]:
    return {
        "table": table.table,
        "pack": table.pack,
        "number": table.number,
        "columns": _column_lists(table.columns),
        "rows": table.rows,
    }


def _columns(items: list[tuple[str, str, int]]) -> tuple[Column, ...]:
    return tuple(Column(name, ColumnType(column_type), length) for name, column_type, length in items)


def _table(item: Mapping[str, Any]) -> StagedTable:
    return StagedTable(item["table"], item["pack"], item["number"], _columns(item["columns"]), item["rows"])
