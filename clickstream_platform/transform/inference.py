"""The type of a column, from the kinds of all its values in a batch and from the table as it is. Pure.

The rules are those of docs/tables.md: the first type is inferred over all rows of the first batch, existing columns win
afterwards, BIGINT widens to DOUBLE and VARCHAR to a longer VARCHAR, and nothing is ever cut.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from clickstream_platform.model.schemas import Column, ColumnType, varchar_length
from clickstream_platform.transform.kinds import MAX_EXACT_DOUBLE, Kind

_TEXTUAL = Kind.TEXT | Kind.TIME | Kind.BOOLEAN | Kind.INTEGER | Kind.FRACTION | Kind.INTEGRAL | Kind.OUTSIZE


def infer_column(name: str, mask: int, longest_bytes: int) -> Column:
    """Return the column for values of these kinds in a table that does not have it yet."""
    column_type = _infer_type(mask)
    return Column(name, column_type, varchar_length(longest_bytes) if column_type is ColumnType.VARCHAR else 0)


@cache  # there are fewer masks than tables times columns
def _infer_type(mask: int) -> ColumnType:
    kinds = Kind(mask)
    wide, kinds = bool(kinds & Kind.WIDE), kinds & ~Kind.WIDE
    if kinds & Kind.NESTED:
        return ColumnType.JSON
    if kinds == Kind.BOOLEAN:
        return ColumnType.BOOLEAN
    if kinds == Kind.TIME:
        return ColumnType.TIMESTAMP
    if kinds == Kind.INTEGER:
        return ColumnType.BIGINT
    if not kinds & ~(Kind.INTEGER | Kind.FRACTION | Kind.INTEGRAL) and not wide:
        return ColumnType.DOUBLE
    return ColumnType.VARCHAR


def evolve_column(column: Column, mask: int, longest_bytes: int, greatest_integer: Callable[[], int]) -> Column:
    """Return an existing column, widened where its new values need it.

    `greatest_integer` gives the greatest magnitude of the column's stored integers; it is asked only when a BIGINT
    column meets a fraction, because DOUBLE must hold every stored integer exactly.
    """
    if column.type is ColumnType.VARCHAR and mask & _TEXTUAL:
        return Column(column.name, column.type, max(column.length, varchar_length(longest_bytes)))
    if (
        column.type is ColumnType.BIGINT
        and mask & Kind.FRACTION
        and not mask & Kind.WIDE
        and greatest_integer() <= MAX_EXACT_DOUBLE
    ):
        return Column(column.name, ColumnType.DOUBLE)
    return column
