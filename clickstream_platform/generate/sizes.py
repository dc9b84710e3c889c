"""How many records each stream gets in an hour: a few huge streams, thousands of tiny ones, and an exact total.

Belongs here: shares of a whole in integers only, so that no platform rounds differently. Does not: which event a
stream is (`names`, `profiles`).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, pairwise
from math import isqrt
from typing import Literal

Skew = Literal["zipf", "equal"]

_ONE = 1 << 40  # weight of the first stream; small enough weights stay apart at 50,000 streams


@lru_cache(maxsize=8)  # every hour of a run asks for the same
def stream_weights(streams: int, skew: Skew) -> tuple[int, ...]:
    """Return a relative weight per stream, largest first: Zipf with exponent 1.25, or all equal.

    With 1.25 the first of 5,000 streams has 24 % of all records and the last one 0.0006 %.
    """
    if skew == "equal":
        return (1,) * streams
    # rank ** 1.25 as the fourth root of rank ** 5, in integers: `pow` differs in its last bit between platforms.
    return tuple((_ONE << 20) // isqrt(isqrt(rank**5 << 80)) for rank in range(1, streams + 1))


def stream_sizes(total: int, streams: int, *, skew: Skew = "zipf", turn: int = 0) -> list[int]:
    """Split `total` records over `streams` and return the sizes in records; they sum to `total` exactly.

    When there are enough records every stream has at least one; otherwise `turn` decides which of the tiny streams
    have a record in this hour, each in proportion to its weight.
    """
    floor = 1 if total >= streams else 0
    return [floor + size for size in _split(total - floor * streams, stream_weights(streams, skew), turn)]


def share_of_hour(per_hour: int, hour_number: int, share: float) -> int:
    """Return how many of an hour's `per_hour` records have a property that `share` of all records have.

    Exact over any run of hours: a share of 0.001 of 100 records an hour is one record in every tenth hour.
    """
    exact = Fraction(str(share)) * per_hour
    return int(exact * (hour_number + 1)) - int(exact * hour_number)


def _split(total: int, weights: Sequence[int], turn: int) -> list[int]:
    """Systematic sampling: every part is its proportion rounded up or down; `turn` shifts who is rounded up."""
    whole = sum(weights)
    shift = turn % whole
    edges = [(reached * total + shift) // whole for reached in accumulate(weights, initial=0)]
    return [after - before for before, after in pairwise(edges)]
