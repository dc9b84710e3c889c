"""Every question of the loader as a named value, and the rows that answer it. `warehouses` renders them as SQL.

Belongs here: what is asked and the order of the answer's columns. Does not: SQL (`warehouses`), conclusions (`load`).
"""

from __future__ import annotations

from dataclasses import dataclass

from clickstream_platform.load.statements import Rows
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.schemas import LOADS_COLUMNS


@dataclass(frozen=True, slots=True)
class ReadLoads:
    """Ledger rows in the order of LOADS_COLUMNS, sorted by hour and event; None asks for all hours or events."""

    customer: str
    hour: Hour | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class FindLedgers:
    """(schema) of every schema of the database that has a ledger, in no order."""


@dataclass(frozen=True, slots=True)
class ReadLedgers:
    """Ledger rows of several customers at once, sorted by nothing: those `columns` of LOADS_COLUMNS, all by default.

    `ledgers` are (schema, customer), whose ledgers must exist. Only rows of hours from `since` on and, where given, of
    these `hours` and `events`.
    """

    ledgers: tuple[tuple[str, str], ...]
    since: Hour
    hours: tuple[Hour, ...] | None = None
    events: tuple[str, ...] | None = None
    columns: tuple[str, ...] = tuple(column.name for column in LOADS_COLUMNS)


@dataclass(frozen=True, slots=True)
class ReadEventSums:
    """Per event of the ledger, seen from one hour.

    (event, digest of the hour or None, its rows, all other hours' rows, later hours' duplicates).
    """

    customer: str
    hour: Hour


@dataclass(frozen=True, slots=True)
class ReadEventTotals:
    """Per event of the ledger: what its hours from `since` on hold, and its newest hour that need not be loaded again.

    (event, newest hour or None, time of its newest commit, rows, rejected records, discarded values).
    """

    customer: str
    since: Hour


@dataclass(frozen=True, slots=True)
class ReadLate:
    """What `FindLate` found: (event, hour, number of ids) that the earlier hour has, or that the later hour repeats."""


@dataclass(frozen=True, slots=True)
class ReadReceivedRanges:
    """(index, earliest, latest `received_at`) of several lots of staged rows; null where none has one."""

    rows: tuple[Rows, ...]


@dataclass(frozen=True, slots=True)
class ReadIntegerRange:
    """(smallest, largest) value of a BIGINT column; nulls when it has none."""

    table: str
    column: str


@dataclass(frozen=True, slots=True)
class CountOtherRows:
    """(number) of rows that are not of this hour or, where `events` is given, not of these events in this hour."""

    table: str
    hour: Hour
    events: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class CountVanished:
    """(number) of an hour's rows whose id is not among the staged rows (None: nothing is staged)."""

    table: str
    hour: Hour
    rows: Rows | None


@dataclass(frozen=True, slots=True)
class CountHour:
    """(table, number of the hour's rows) of each table; they must exist."""

    hour: Hour
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CountHourByEvent:
    """(event, number of the hour's rows) of a table that holds several events."""

    table: str
    hour: Hour


Query = (
    ReadLoads
    | FindLedgers
    | ReadLedgers
    | ReadEventSums
    | ReadEventTotals
    | ReadLate
    | ReadReceivedRanges
    | ReadIntegerRange
    | CountOtherRows
    | CountVanished
    | CountHour
    | CountHourByEvent
)
