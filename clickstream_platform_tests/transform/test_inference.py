"""The type of a column: from all its values at first, from the table afterwards, widened but never cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.model.schemas import MAX_VARCHAR_BYTES, Column, ColumnType, varchar_length
from clickstream_platform.transform.inference import evolve_column, infer_column
from clickstream_platform.transform.kinds import MAX_EXACT_DOUBLE, Kind

K, T = Kind, ColumnType
INTEGER_WIDE = K.INTEGER | K.WIDE


def never() -> int:
    raise AssertionError("the warehouse was asked without need")


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (K.INTEGER, T.BIGINT),
        (INTEGER_WIDE, T.BIGINT),
        (K.FRACTION, T.DOUBLE),
        (K.INTEGRAL, T.DOUBLE),
        (K.INTEGER | K.FRACTION, T.DOUBLE),
        (K.INTEGER | K.INTEGRAL, T.DOUBLE),
        (INTEGER_WIDE | K.FRACTION, T.VARCHAR),  # as DOUBLE it would lose digits
        (K.OUTSIZE, T.VARCHAR),
        (K.INTEGER | K.OUTSIZE, T.VARCHAR),
        (K.BOOLEAN, T.BOOLEAN),
        (K.BOOLEAN | K.INTEGER, T.VARCHAR),
        (K.TIME, T.TIMESTAMP),
        (K.TIME | K.TEXT, T.VARCHAR),
        (K.TIME | K.INTEGER, T.VARCHAR),
        (K.TIME | K.BOOLEAN, T.VARCHAR),
        (K.TEXT, T.VARCHAR),
        (K.TEXT | INTEGER_WIDE | K.BOOLEAN | K.FRACTION | K.OUTSIZE, T.VARCHAR),
        (K.NESTED, T.JSON),
        (K.NESTED | K.INTEGER, T.JSON),
        (K.NESTED | K.TEXT | K.TIME | INTEGER_WIDE | K.OUTSIZE | K.BOOLEAN, T.JSON),
    ],
)
def test_the_first_type_holds_all_values(mask: Kind, expected: ColumnType) -> None:
    column = infer_column("c", mask, 600)
    assert column == Column("c", expected, 4096 if expected is T.VARCHAR else 0)


@pytest.mark.parametrize(
    ("longest", "length"),
    [(0, 512), (512, 512), (513, 4096), (4096, 4096), (4097, 65535), (65535, 65535), (65536, 65535), (10**7, 65535)],
)
def test_varchar_lengths_grow_in_steps_of_bytes(longest: int, length: int) -> None:
    assert infer_column("c", K.TEXT, longest).length == length
    assert evolve_column(Column("c", T.VARCHAR, 512), K.TEXT, longest, never).length == length


@pytest.mark.parametrize("mask", [K.TEXT, K.TIME, K.BOOLEAN, K.INTEGER, K.FRACTION, K.INTEGRAL, K.OUTSIZE])
def test_an_existing_varchar_is_widened_by_whatever_it_takes(mask: Kind) -> None:
    assert evolve_column(Column("c", T.VARCHAR, 512), mask, 700, never).length == 4096


def test_an_existing_varchar_is_not_widened_by_what_it_does_not_take() -> None:
    assert evolve_column(Column("c", T.VARCHAR, 512), K.NESTED, 0, never).length == 512


@given(st.integers(0, 100_000), st.sampled_from([512, 700, 4096, 65535]))
def test_a_varchar_never_shrinks(longest: int, length: int) -> None:
    evolved = evolve_column(Column("c", T.VARCHAR, length), K.TEXT, longest, never)
    assert length <= evolved.length <= MAX_VARCHAR_BYTES
    assert evolved.length >= varchar_length(longest)


@pytest.mark.parametrize("mask", [K.FRACTION, K.FRACTION | K.INTEGER, K.FRACTION | K.TEXT])
@pytest.mark.parametrize("greatest", [0, MAX_EXACT_DOUBLE])
def test_bigint_becomes_double_for_a_fraction(mask: Kind, greatest: int) -> None:
    assert evolve_column(Column("c", T.BIGINT), mask, 0, lambda: greatest) == Column("c", T.DOUBLE)


def test_bigint_stays_where_double_would_change_stored_values() -> None:
    column = Column("c", T.BIGINT)
    assert evolve_column(column, K.FRACTION, 0, lambda: MAX_EXACT_DOUBLE + 1) == column
    assert evolve_column(column, K.FRACTION | K.WIDE | K.INTEGER, 0, never) == column


@pytest.mark.parametrize("mask", [K.INTEGER, INTEGER_WIDE, K.INTEGRAL, K.TEXT, K.OUTSIZE, K.NESTED, K.BOOLEAN])
def test_bigint_stays_for_anything_else(mask: Kind) -> None:
    assert evolve_column(Column("c", T.BIGINT), mask, 0, never) == Column("c", T.BIGINT)


@pytest.mark.parametrize("kept", [T.DOUBLE, T.BOOLEAN, T.TIMESTAMP, T.JSON])
@given(mask=st.integers(0, 2**9 - 1))
def test_other_types_never_change(kept: ColumnType, mask: int) -> None:
    assert evolve_column(Column("c", kept), mask, 10_000, never) == Column("c", kept)


@given(st.sets(st.sampled_from([k for k in Kind if k is not K.WIDE]), min_size=1), st.booleans(), st.integers(0, 9999))
def test_the_type_depends_on_the_set_of_kinds_only(kinds: set[Kind], wide: bool, longest: int) -> None:
    mask = 0
    for kind in sorted(kinds, reverse=wide):
        mask |= kind
    mask |= INTEGER_WIDE if wide else 0
    column = infer_column("c", mask, longest)
    assert evolve_column(column, mask, longest, lambda: 0).type in (column.type, T.DOUBLE)
    assert infer_column("c", mask | mask, longest) == column
