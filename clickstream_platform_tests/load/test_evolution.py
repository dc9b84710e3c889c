"""The rules by which tables follow the data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import LoadError, StaleStagingError
from clickstream_platform.load.evolution import plan_evolution
from clickstream_platform.load.statements import (
    AddColumn,
    CreateTable,
    RetypeColumn,
    SchemaChange,
    WidenToDouble,
    WidenVarchar,
)
from clickstream_platform.model.schemas import MAX_COLUMNS, VARCHAR_STEPS_BYTES, Column, ColumnType, TableState

NUMBER, FRACTION = Column("x", ColumnType.BIGINT), Column("x", ColumnType.DOUBLE)
SHORT, LONG = Column("x", ColumnType.VARCHAR, 512), Column("x", ColumnType.VARCHAR, 4096)

COLUMNS = st.builds(
    lambda name, kind, length: Column(name, kind, length if kind is ColumnType.VARCHAR else 0),
    st.sampled_from("abcd"),
    st.sampled_from(list(ColumnType)),
    st.sampled_from(VARCHAR_STEPS_BYTES),
)
SCHEMAS = st.lists(COLUMNS, min_size=1, unique_by=lambda column: column.name)


def state(*columns: Column, binding: bool = True) -> TableState:
    return TableState("seen", {column.name: column for column in columns}, binding)


@pytest.mark.parametrize(
    ("before", "staged", "changes"),
    [
        (
            state(),
            [NUMBER, Column("y", ColumnType.JSON)],
            [CreateTable("seen", (NUMBER, Column("y", ColumnType.JSON)))],
        ),
        (state(NUMBER), [NUMBER], []),
        (state(LONG), [SHORT], []),
        (state(SHORT), [LONG], [WidenVarchar("seen", LONG)]),
        (state(NUMBER), [FRACTION], [WidenToDouble("seen", "x")]),
        (state(Column("y", ColumnType.JSON)), [NUMBER, SHORT], [AddColumn("seen", NUMBER), AddColumn("seen", SHORT)]),
        (state(FRACTION, binding=False), [NUMBER], [RetypeColumn("seen", NUMBER)]),
        (state(NUMBER, binding=False), [FRACTION], [RetypeColumn("seen", FRACTION)]),
        (state(SHORT, binding=False), [LONG], [WidenVarchar("seen", LONG)]),
    ],
)
def test_tables_follow_the_data(before: TableState, staged: list[Column], changes: list[SchemaChange]) -> None:
    assert plan_evolution(before, staged) == changes


@pytest.mark.parametrize(("before", "staged"), [(FRACTION, NUMBER), (SHORT, NUMBER), (NUMBER, SHORT)])
def test_values_made_for_another_type_are_stale(before: Column, staged: Column) -> None:
    with pytest.raises(StaleStagingError, match=r"column 'x' is .* stage the stream-hour again"):
        plan_evolution(state(before), [staged])


def test_a_table_never_gets_more_columns_than_tables_have() -> None:
    columns = [Column(f"c{number}", ColumnType.BOOLEAN) for number in range(MAX_COLUMNS)]
    assert plan_evolution(state(*columns[1:]), columns) == [AddColumn("seen", columns[0])]
    with pytest.raises(LoadError, match="1601 columns"):
        plan_evolution(state(*columns), [NUMBER])
    with pytest.raises(LoadError, match="1601 columns"):
        plan_evolution(state(), [*columns, NUMBER])


@given(SCHEMAS, SCHEMAS)
def test_once_changed_a_table_needs_no_change(before: list[Column], staged: list[Column]) -> None:
    changes = plan_evolution(state(*before, binding=False), staged)
    after = {column.name: column for column in before}
    for change in changes:
        assert isinstance(change, AddColumn | WidenVarchar | RetypeColumn)
        after[change.column.name] = change.column
    assert plan_evolution(TableState("seen", after), staged) == []
    assert plan_evolution(state(), staged) == [CreateTable("seen", tuple(staged))]
