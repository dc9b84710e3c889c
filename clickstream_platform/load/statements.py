"""Every statement and query of the loader as a named value, free of SQL: `warehouses` renders them, tests name them.

All of them speak of one customer schema, the one their session was opened for. Times are aware and in UTC.
Belongs here: what is to be done. Does not: its text (`warehouses`), when it is done (`load.hour_load`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from clickstream_platform.load.ledger_row import LedgerRow
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.schemas import Column


@dataclass(frozen=True, slots=True)
class CreateSchema:
    """Create the customer's schema unless it exists."""


@dataclass(frozen=True, slots=True)
class CreateTable:
    """Create an empty table; its physical design is the warehouse's matter."""

    table: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class AddColumn:
    """Add one column to a table."""

    table: str
    column: Column


@dataclass(frozen=True, slots=True)
class WidenVarchar:
    """Make a VARCHAR column longer, to `column.length` bytes."""

    table: str
    column: Column


@dataclass(frozen=True, slots=True)
class WidenToDouble:
    """Turn a BIGINT column into DOUBLE; the loader has checked that every value stays exact."""

    table: str
    column: str


@dataclass(frozen=True, slots=True)
class RetypeColumn:
    """Drop a column and add it with another type: every row of the table is about to be replaced."""

    table: str
    column: Column


SchemaChange = CreateTable | AddColumn | WidenVarchar | WidenToDouble | RetypeColumn


@dataclass(frozen=True, slots=True)
class PartLocation:
    """Where the warehouse finds a Parquet part (`s3://…` or a local path), with its size in bytes and its rows."""

    url: str
    size: int
    rows: int


@dataclass(frozen=True, slots=True)
class StagePack:
    """Make the Parquet of a pack readable under `name` until the session ends; a missing part is an error."""

    name: str
    parts: tuple[PartLocation, ...]
    columns: tuple[Column, ...]
    shared: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """Staged rows: those of a pack with `_table = number` (None: all), of these the ones of `events` (None: all)."""

    pack: str
    number: int | None = None
    events: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class InsertStaged:
    """Insert staged rows into a table with the hour as `batch_hour` and, when given, `uuid_ts`.

    With `late_event`, rows that `FindLate` found in an earlier hour are left out: those of that event, or of each row's
    own `event` when it is the empty string.
    """

    table: str
    columns: tuple[Column, ...]
    rows: Rows
    hour: Hour
    uuid_ts: datetime | None
    late_event: str | None = None


@dataclass(frozen=True, slots=True)
class CreateFilled:
    """Create a table that holds exactly the rows of an insert."""

    insert: InsertStaged


@dataclass(frozen=True, slots=True)
class DeleteHour:
    """Delete an hour's rows, of the given events only when the table holds several."""

    table: str
    hour: Hour
    events: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LateSearch:
    """Where to look for staged ids that other hours have: `table`, received between `first` and `last`.

    `event` names the event of the rows; None when both sides say so in their `event` column.
    """

    table: str
    rows: Rows
    event: str | None
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class FindLate:
    """Keep, until the next search, the staged ids that other hours of the table have within the window.

    An id that an earlier hour has is a duplicate here; one that only later hours have is a duplicate there.
    """

    searches: tuple[LateSearch, ...]
    hour: Hour
    window: timedelta


@dataclass(frozen=True, slots=True)
class DeleteLater:
    """Delete the rows that `FindLate` found in later hours, of one event or (None) by the table's `event` column."""

    table: str
    event: str | None


@dataclass(frozen=True, slots=True)
class AdjustLater:
    """Move the rows that `FindLate` found in later hours from loaded to duplicates in their ledger rows."""

    customer: str


@dataclass(frozen=True, slots=True)
class ReopenHours:
    """Blank the digests of an event's hours, so that they are loaded again."""

    customer: str
    event: str
    hours: tuple[Hour, ...]


@dataclass(frozen=True, slots=True)
class Newest:
    """A table of the newest non-null values by key: `users` of `identifies` by `user_id`, `accounts` of `groups`."""

    table: str
    source: str
    key: str


@dataclass(frozen=True, slots=True)
class ForgetTouched:
    """Start with an empty list of touched keys."""

    newest: Newest


@dataclass(frozen=True, slots=True)
class TouchHour:
    """Note the keys of the source's rows of an hour."""

    newest: Newest
    hour: Hour


@dataclass(frozen=True, slots=True)
class TouchLater:
    """Note the keys of the rows that `FindLate` found in later hours."""

    newest: Newest


@dataclass(frozen=True, slots=True)
class MergeTouched:
    """Merge an hour's rows into those touched keys of which the table knows nothing as new; they are touched no more.

    Their history need not be read: what is new is newer than all of it. Returns the number of keys.
    """

    newest: Newest
    columns: tuple[Column, ...]
    hour: Hour
    uuid_ts: datetime


@dataclass(frozen=True, slots=True)
class DeleteTouched:
    """Delete the rows of the touched keys."""

    newest: Newest


@dataclass(frozen=True, slots=True)
class InsertTouched:
    """Insert the touched keys anew: per column the newest non-null value by `received_at`, then `id`."""

    newest: Newest
    columns: tuple[Column, ...]
    uuid_ts: datetime


@dataclass(frozen=True, slots=True)
class DeleteLoads:
    """Delete the ledger rows of an hour's events."""

    customer: str
    hour: Hour
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InsertLoads:
    """Insert ledger rows."""

    rows: tuple[LedgerRow, ...]


Statement = (
    CreateSchema
    | SchemaChange
    | StagePack
    | InsertStaged
    | CreateFilled
    | DeleteHour
    | FindLate
    | DeleteLater
    | AdjustLater
    | ReopenHours
    | ForgetTouched
    | TouchHour
    | TouchLater
    | MergeTouched
    | DeleteTouched
    | InsertTouched
    | DeleteLoads
    | InsertLoads
)
