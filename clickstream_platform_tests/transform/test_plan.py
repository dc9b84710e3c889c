"""What a batch becomes: a table's columns from its facts, its state and the policy; which tables share parts."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.model.records import ENVELOPE_COLUMNS, LOAD_COLUMNS, TYPE_COLUMNS, DiscardReason
from clickstream_platform.model.schemas import MAX_COLUMNS, Column, ColumnType, TableState
from clickstream_platform.transform.kinds import Kind
from clickstream_platform.transform.plan import (
    MAX_PACK_COLUMNS,
    MAX_PACK_ROWS,
    SMALL_TABLE_ROWS,
    ColumnFacts,
    SchemaPolicy,
    TablePlan,
    plan_packs,
    plan_table,
)

T = ColumnType
EVOLVE = SchemaPolicy()
FIXED = [column.name for column in (*ENVELOPE_COLUMNS, *TYPE_COLUMNS["track"])]
OWN_COLUMNS = len(FIXED) + len(LOAD_COLUMNS)


def facts(columns: Mapping[str, tuple[Kind, int]]) -> ColumnFacts:
    return ColumnFacts({name: [int(kinds), longest] for name, (kinds, longest) in columns.items()})


def integers(*names: str) -> ColumnFacts:
    return facts(dict.fromkeys(names, (Kind.INTEGER, 1)))


def table(*columns: Column, binding: bool = True) -> TableState:
    """Return the state of a table that a batch made: with the fixed columns and these."""
    fixed = (*ENVELOPE_COLUMNS, *TYPE_COLUMNS["track"], *LOAD_COLUMNS)
    return TableState("t", {column.name: column for column in (*fixed, *columns)}, binding)


def never(table: str, column: str) -> int:
    raise AssertionError(f"the warehouse was asked for {table}.{column} without need")


def plan(
    state: TableState, found: ColumnFacts, policy: SchemaPolicy = EVOLVE, greatest: int | None = None
) -> TablePlan:
    return plan_table(state, "track", found, policy, never if greatest is None else lambda *_: greatest)


def test_a_new_table_has_the_fixed_columns_and_those_with_values() -> None:
    found = facts({"price": (Kind.FRACTION, 4), "nothing": (Kind(0), 0), "user_id": (Kind.INTEGER, 3)})
    planned = plan(TableState("t"), found)
    assert list(planned.columns) == [*FIXED, "price"]
    assert planned.columns["price"].type is T.DOUBLE
    assert planned.columns["user_id"] == Column("user_id", T.VARCHAR, 512)
    assert planned.refused == {}


@pytest.mark.parametrize("record_type", sorted(TYPE_COLUMNS))
def test_every_record_type_has_its_own_fixed_columns(record_type: str) -> None:
    planned = plan_table(TableState("t"), record_type, ColumnFacts(), EVOLVE, never)
    assert tuple(planned.columns.values()) == (*ENVELOPE_COLUMNS, *TYPE_COLUMNS[record_type])


def test_fixed_columns_keep_their_type_and_grow() -> None:
    found = facts({"user_id": (Kind.TEXT, 600), "timestamp": (Kind.TEXT, 9000), "id": (Kind.TEXT, 9)})
    planned = plan(table(Column("user_id", T.VARCHAR, 65535)), found)
    assert planned.columns["user_id"].length == 65535
    assert planned.columns["timestamp"] == Column("timestamp", T.TIMESTAMP)
    assert planned.columns["id"].length == 4096
    assert plan(TableState("t"), found).columns["user_id"].length == 4096


def test_existing_columns_win_and_widen() -> None:
    state = table(Column("a", T.BIGINT), Column("b", T.VARCHAR, 512), Column("c", T.BOOLEAN))
    found = facts({"a": (Kind.FRACTION, 3), "b": (Kind.TEXT, 513), "c": (Kind.TEXT, 5)})
    columns = plan(state, found, greatest=9).columns
    assert columns["a"] == Column("a", T.DOUBLE)
    assert columns["b"] == Column("b", T.VARCHAR, 4096)
    assert columns["c"] == Column("c", T.BOOLEAN)


def test_only_the_column_in_question_is_asked_for() -> None:
    asked = []

    def greatest(name: str, column: str) -> int:
        asked.append((name, column))
        return 2**60

    state = table(Column("a", T.BIGINT), Column("b", T.BIGINT))
    planned = plan_table(state, "track", facts({"a": (Kind.FRACTION, 3), "b": (Kind.INTEGER, 1)}), EVOLVE, greatest)
    assert asked == [("t", "a")]
    assert planned.columns["a"].type is T.BIGINT


def test_a_table_of_nothing_but_this_hour_is_inferred_anew() -> None:
    state = table(Column("a", T.BIGINT), Column("b", T.BOOLEAN), binding=False)
    columns = plan(state, facts({"a": (Kind.INTEGER | Kind.TEXT, 9), "b": (Kind.TIME, 12)})).columns
    assert (columns["a"].type, columns["b"].type) == (T.VARCHAR, T.TIMESTAMP)


@pytest.mark.parametrize("is_binding", [True, False])
def test_freeze_refuses_new_columns_of_tables_with_other_rows(is_binding: bool) -> None:
    state = table(Column("old", T.BIGINT), binding=is_binding)
    planned = plan(state, integers("old", "new"), SchemaPolicy("freeze"))
    assert planned.refused == ({"new": DiscardReason.FROZEN_SCHEMA} if is_binding else {})
    assert ("new" in planned.columns) != is_binding
    assert "old" in planned.columns


def test_freeze_lets_the_first_batch_make_the_table() -> None:
    planned = plan(TableState("t"), integers("new"), SchemaPolicy("freeze"))
    assert planned.refused == {}
    assert "new" in planned.columns


@pytest.mark.parametrize("limit", [OWN_COLUMNS - 3, OWN_COLUMNS, OWN_COLUMNS + 7, MAX_COLUMNS, 5000])
def test_the_column_limit_counts_all_columns_of_the_table(limit: int) -> None:
    names = [f"c{number:04d}" for number in range(2000)]
    planned = plan(TableState("t"), integers(*names), SchemaPolicy(column_limit=limit))
    free = max(0, min(limit, MAX_COLUMNS) - OWN_COLUMNS)
    assert [name for name in planned.columns if name not in FIXED] == names[:free]
    assert planned.refused == dict.fromkeys(names[free:], DiscardReason.COLUMN_LIMIT)


def test_columns_that_exist_never_meet_the_limit() -> None:
    old = [Column(f"old{number}", T.BIGINT) for number in range(5)]
    planned = plan(table(*old), integers("new", *(c.name for c in old)), SchemaPolicy(column_limit=OWN_COLUMNS + 5))
    assert planned.refused == {"new": DiscardReason.COLUMN_LIMIT}
    assert {column.name for column in old} <= planned.columns.keys()


@given(st.randoms())
def test_which_columns_are_refused_does_not_depend_on_their_order(draw: random.Random) -> None:
    names = [f"c{number}" for number in range(40)]
    policy = SchemaPolicy(column_limit=OWN_COLUMNS + 20)
    expected = plan(TableState("t"), integers(*names), policy)
    draw.shuffle(names)
    found = plan(TableState("t"), integers(*names), policy)
    assert found.refused == expected.refused
    assert found.columns == expected.columns


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 511), st.integers(0, 99)), max_size=20), st.randoms())
def test_facts_add_up_in_any_order(noted: list[tuple[str, int, int]], draw: random.Random) -> None:
    whole = ColumnFacts()
    for name, kinds, longest in noted:
        whole.note(name, kinds, longest)
    draw.shuffle(noted)
    parts = [ColumnFacts(), ColumnFacts()]
    for number, (name, kinds, longest) in enumerate(noted):
        parts[number % 2].note(name, kinds, longest)
    parts[0].merge(parts[1])
    assert parts[0].columns == whole.columns


def tables_of(types: Mapping[str, Mapping[str, ColumnType]]) -> dict[str, TablePlan]:
    return {
        name: TablePlan(name, {column: Column(column, kind) for column, kind in columns.items()}, {})
        for name, columns in types.items()
    }


def test_small_tables_share_a_pack_unless_they_disagree() -> None:
    plans = tables_of({"a": {"x": T.BIGINT}, "b": {"x": T.BIGINT, "y": T.BOOLEAN}, "c": {"x": T.VARCHAR}})
    packs = plan_packs(plans, dict.fromkeys(plans, 10))
    assert [[table.table for table in pack.tables] for pack in packs] == [["a", "b"], ["c"]]
    assert {name: column.type for name, column in packs[0].columns.items()} == {"x": T.BIGINT, "y": T.BOOLEAN}


def test_a_shared_column_has_the_greatest_length() -> None:
    plans = {
        name: TablePlan(name, {"x": Column("x", T.VARCHAR, length)}, {})
        for name, length in (("a", 512), ("b", 4096), ("c", 512))
    }
    assert plan_packs(plans, dict.fromkeys(plans, 1))[0].columns["x"].length == 4096


column_types = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([T.BIGINT, T.VARCHAR]), min_size=1)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.integers(0, 99).map("t{}".format), column_types, max_size=30),
    st.lists(
        st.sampled_from([1, 400, SMALL_TABLE_ROWS - 1, SMALL_TABLE_ROWS, MAX_PACK_ROWS * 2]), min_size=30, max_size=30
    ),
)
def test_every_table_is_in_one_pack_that_agrees_with_it(
    types: dict[str, dict[str, ColumnType]], sizes: list[int]
) -> None:
    plans = tables_of(types)
    rows = dict(zip(plans, sizes, strict=False))
    packs = plan_packs(plans, rows)
    assert sorted(table.table for pack in packs for table in pack.tables) == sorted(plans)
    for pack in packs:
        assert all(pack.columns[c.name].type is c.type for table in pack.tables for c in table.columns.values())
        assert pack.rows == sum(rows[table.table] for table in pack.tables)
        if len(pack.tables) > 1:
            assert pack.rows <= MAX_PACK_ROWS
            assert all(rows[table.table] < SMALL_TABLE_ROWS for table in pack.tables)


def test_a_pack_never_gets_much_wider_than_its_tables() -> None:
    wide = {f"w{number}": T.BIGINT for number in range(500)}
    plans = tables_of({"narrow": {"n": T.BIGINT}, "wide": wide, "other": {f"o{n}": T.BIGINT for n in range(400)}})
    packs = plan_packs(plans, dict.fromkeys(plans, 1))
    assert all(len(pack.columns) <= MAX_PACK_COLUMNS for pack in packs)
    assert [len(pack.tables) for pack in packs] == [2, 1]
