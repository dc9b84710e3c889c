"""Table maintenance of Redshift: what `svv_table_info` says, what follows from it, and doing it.

Belongs here: thresholds, the decision for one table (pure), carrying decisions out. Does not: which customers, and when
(`pipeline.maintenance`, `defs.maintenance`). See docs/redshift.md, "Table maintenance".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clickstream_platform.errors import LoadError
from clickstream_platform.warehouses.identifiers import quote_identifier as quote
from clickstream_platform.warehouses.sql_names import Sql

if TYPE_CHECKING:  # it imports the driver, which takes half a second
    from clickstream_platform.warehouses.redshift_console import Console

# Redshift leaves empty tables out of this view, and shows it only to superusers and whom they grant it.
_READ = (
    'SELECT "table", tbl_rows, estimated_visible_rows, unsorted, stats_off, size FROM svv_table_info '
    'WHERE "schema" = ? ORDER BY size DESC, "table"'
)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a table is worth maintaining; shares in percent, `max_seconds` after which no further table is begun.

    The first two defaults are Redshift's own, of ANALYZE (analyze_threshold_percent) and, four times as patient, of
    VACUUM (a table that is 95 % sorted is sorted enough). Small tables are read whole whatever their order.
    """

    stats_off_percent: float = 10.0
    unsorted_percent: float = 20.0
    deleted_percent: float = 20.0
    min_rows: int = 100_000
    max_seconds: int = 3_600


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One row of `svv_table_info`: shares in percent, size in megabytes.

    `rows` counts deleted rows that are still stored, too; `unsorted` is None without a sort key.
    """

    table: str
    rows: int
    visible_rows: int
    unsorted: float | None
    stats_off: float
    size_mb: int

    @property
    def deleted_percent(self) -> float:
        """The share of stored rows that are deleted."""
        return 100.0 * max(self.rows - self.visible_rows, 0) / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Action:
    """One statement that a table needs, and why."""

    table: str
    sql: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an action: `state` is planned, done, failed, or left (out of time)."""

    action: Action
    state: str
    seconds: float = 0.0
    error: str = ""

    def __str__(self) -> str:
        after = f" in {self.seconds:.0f} s" if self.state in ("done", "failed") else ""
        why = f": {self.error}" if self.error else ""
        return f"{self.action.sql} ({self.action.reason}): {self.state}{after}{why}"


def read_tables(console: Console, schema: str) -> list[TableInfo]:
    """Return the schema's tables that hold rows, largest first; raises as `Console.ask`."""
    return [
        TableInfo(
            str(table),
            int(rows or 0),
            int(visible if visible is not None else rows or 0),
            None if unsorted is None else float(unsorted),
            float(stats_off or 0),
            int(size or 0),
        )
        for table, rows, visible, unsorted, stats_off, size in console.ask(Sql(_READ, (schema,)))
    ]


def decide(schema: str, tables: Iterable[TableInfo], thresholds: Thresholds) -> list[Action]:
    """Return what the tables need, in order: a table is vacuumed before it is analysed, for that changes its rows."""
    actions: list[Action] = []
    for info in tables:
        if info.rows >= thresholds.min_rows:
            name = f"{quote(schema)}.{quote(info.table)}"
            actions.extend(_vacuum(info, name, thresholds))
            if info.stats_off >= thresholds.stats_off_percent:
                # The columns that queries filter, join or group by, with the keys: a few of perhaps a thousand.
                sql = f"ANALYZE {name} PREDICATE COLUMNS"
                actions.append(Action(info.table, sql, f"statistics {info.stats_off:.0f} % off"))
    return actions


def _vacuum(info: TableInfo, name: str, thresholds: Thresholds) -> Iterator[Action]:
    is_unsorted = info.unsorted is not None and info.unsorted >= thresholds.unsorted_percent
    has_deleted = info.deleted_percent >= thresholds.deleted_percent
    reasons = [f"{info.unsorted:.0f} % unsorted"] if is_unsorted else []
    reasons += [f"{info.deleted_percent:.0f} % deleted"] if has_deleted else []
    if reasons:
        kind = "FULL" if is_unsorted and has_deleted else "SORT ONLY" if is_unsorted else "DELETE ONLY"
        yield Action(info.table, f"VACUUM {kind} {name}", ", ".join(reasons))


def carry_out(
    console: Console, actions: Iterable[Action], max_seconds: float, timer: Callable[[], float] = time.monotonic
) -> Iterator[Outcome]:
    """Carry out actions one by one, yielding each outcome; a table that is refused harms no other.

    Raises WarehouseUnavailableError when the warehouse is away.
    """
    begun = timer()
    for action in actions:
        start = timer()
        if start - begun >= max_seconds:
            yield Outcome(action, "left")
            continue
        try:
            console.run(Sql(action.sql))
        except LoadError as error:
            yield Outcome(action, "failed", timer() - start, " ".join(str(error).split()))
        else:
            yield Outcome(action, "done", timer() - start)
