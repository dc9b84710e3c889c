"""What a batch becomes: the columns of every table, and which tables share Parquet parts. Pure.

Belongs here: decisions. Does not: values (`typed`), Parquet (`parts`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from clickstream_platform.model.records import ENVELOPE_COLUMNS, LOAD_COLUMNS, TYPE_COLUMNS, DiscardReason
from clickstream_platform.model.schemas import MAX_COLUMNS, Column, ColumnType, TableState, varchar_length
from clickstream_platform.transform.contracts import ContractRule
from clickstream_platform.transform.inference import evolve_column, infer_column

SMALL_TABLE_ROWS = 5_000  # smaller tables share Parquet parts
MAX_PACK_ROWS = 500_000
MAX_PACK_COLUMNS = 600

SchemaMode = Literal["evolve", "freeze", "reject"]
GreatestInteger = Callable[[str, str], int]


@dataclass(frozen=True, slots=True)
class SchemaPolicy:
    """A customer's rules: what to do with new columns, how many columns a table may have, how long JSON may be.

    `max_json_bytes` is what the customer's warehouse takes as one value of a JSON column; None for no limit.
    `contracts` are those in force, by event.
    """

    schema_mode: SchemaMode = "evolve"
    column_limit: int = MAX_COLUMNS
    max_json_bytes: int | None = None
    contracts: Mapping[str, ContractRule] = field(default_factory=dict)


@dataclass(slots=True)
class ColumnFacts:
    """What the values of each column are, over all rows: column -> [union of kinds, longest value in bytes]."""

    columns: dict[str, list[int]] = field(default_factory=dict)

    def note(self, name: str, kinds: int, longest_bytes: int) -> None:
        """Add the facts of more rows."""
        known = self.columns.setdefault(name, [0, 0])
        known[0] |= kinds
        known[1] = max(known[1], longest_bytes)

    def merge(self, other: ColumnFacts) -> None:
        """Add another table's facts."""
        for name, (kinds, longest_bytes) in other.columns.items():
            self.note(name, kinds, longest_bytes)


@dataclass(frozen=True, slots=True)
class TablePlan:
    """The staged columns of one table, and the columns whose values all go to `_discards`."""

    table: str
    columns: dict[str, Column]
    refused: dict[str, DiscardReason]


def plan_table(
    state: TableState, record_type: str, facts: ColumnFacts, policy: SchemaPolicy, greatest_integer: GreatestInteger
) -> TablePlan:
    """Return the plan of one table, from the facts of its rows and the table as it is."""
    fixed = {c.name: c for c in (*ENVELOPE_COLUMNS, *TYPE_COLUMNS[record_type])}
    columns = {name: _fix(column, state, facts) for name, column in fixed.items()}
    found = {name: fact for name, fact in facts.columns.items() if name not in fixed and fact[0]}
    refused = _refuse_columns(found.keys() - state.columns.keys(), state, fixed.keys(), policy)
    for name, (kinds, longest) in found.items():
        known = state.columns.get(name)
        if known is not None and state.binding:
            columns[name] = evolve_column(known, kinds, longest, partial(greatest_integer, state.table, name))
        elif name not in refused:
            columns[name] = infer_column(name, kinds, longest)
    return TablePlan(state.table, columns, refused)


def _refuse_columns(
    new: AbstractSet[str], state: TableState, fixed: AbstractSet[str], policy: SchemaPolicy
) -> dict[str, DiscardReason]:
    """Return the new columns that the table does not take. Which these are does not depend on the order of records."""
    if state.exists and state.binding and policy.schema_mode == "freeze":
        return dict.fromkeys(sorted(new), DiscardReason.FROZEN_SCHEMA)
    taken = len(state.columns.keys() | fixed | {c.name for c in LOAD_COLUMNS})
    free = max(0, min(policy.column_limit, MAX_COLUMNS) - taken)
    return dict.fromkeys(sorted(new)[free:], DiscardReason.COLUMN_LIMIT)


def _fix(column: Column, state: TableState, facts: ColumnFacts) -> Column:
    if column.type is not ColumnType.VARCHAR:
        return column
    longest = facts.columns.get(column.name, (0, 0))[1]
    known = state.columns.get(column.name)
    return Column(column.name, column.type, max(column.length, known.length if known else 0, varchar_length(longest)))


@dataclass(slots=True)
class PackPlan:
    """Tables that share Parquet parts: they agree on the type of every column they share."""

    tables: list[TablePlan] = field(default_factory=list)
    columns: dict[str, Column] = field(default_factory=dict)
    rows: int = 0

    def accepts(self, plan: TablePlan, rows: int) -> bool:
        """Whether the table's columns agree with the pack's, and the pack stays within its bounds."""
        columns = self.columns
        if self.rows + rows > MAX_PACK_ROWS:
            return False
        new = 0
        for name, column in plan.columns.items():
            known = columns.get(name)
            if known is None:
                new += 1
            elif known.type is not column.type:
                return False
        return len(columns) + new <= min(MAX_PACK_COLUMNS, 2 * max(len(columns), len(plan.columns)))

    def add(self, plan: TablePlan, rows: int) -> None:
        """Put a table into the pack."""
        self.tables.append(plan)
        self.rows += rows
        for name, column in plan.columns.items():
            known = self.columns.get(name)
            if known is None or known.length < column.length:
                self.columns[name] = column


def plan_packs(plans: Mapping[str, TablePlan], rows: Mapping[str, int]) -> list[PackPlan]:
    """Distribute tables over packs: a large table alone, small ones together where they agree."""
    packs: list[PackPlan] = []
    shared: list[PackPlan] = []
    for table, plan in plans.items():
        if rows[table] >= SMALL_TABLE_ROWS:
            pack = PackPlan()
            packs.append(pack)
        else:
            pack = next((p for p in shared if p.accepts(plan, rows[table])), None) or PackPlan()
            if not pack.tables:
                shared.append(pack)
        pack.add(plan, rows[table])
    return packs + shared
