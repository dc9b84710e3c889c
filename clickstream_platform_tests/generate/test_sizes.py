"""Sizes of streams: exact totals, a long tail, and shares that hold over any run of hours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.generate.sizes import share_of_hour, stream_sizes


@given(
    total=st.integers(0, 10**8),
    streams=st.integers(1, 300),
    turn=st.integers(0, 2**64 - 1),
    is_equal=st.booleans(),
)
def test_sizes_sum_to_the_total_and_reach_every_stream_when_they_can(
    total: int, streams: int, turn: int, is_equal: bool
) -> None:
    sizes = stream_sizes(total, streams, skew="equal" if is_equal else "zipf", turn=turn)
    assert len(sizes) == streams
    assert sum(sizes) == total
    assert min(sizes) >= (1 if total >= streams else 0)
    if is_equal:
        assert max(sizes) - min(sizes) <= 1


def test_a_few_streams_are_huge_and_thousands_are_tiny() -> None:
    sizes = stream_sizes(1_000_000, 5_000)
    whole = sum(rank**-1.25 for rank in range(1, 5_001))
    for rank, size in enumerate(sizes, start=1):
        assert abs(size - 1 - 995_000 * rank**-1.25 / whole) < 1.001
    assert sum(size < 100 for size in sizes) > 4_000
    assert sum(sizes[:50]) > 650_000


def test_tiny_streams_take_turns_when_there_are_more_streams_than_records() -> None:
    hours = [stream_sizes(50, 1_000, turn=turn * 0x9E3779B97F4A7C15) for turn in range(40)]
    assert all(sum(sizes) == 50 for sizes in hours)
    assert all(sizes[0] > 5 for sizes in hours)
    assert len({number for sizes in hours for number in range(100, 1_000) if sizes[number]}) > 100


@given(
    per_hour=st.integers(0, 10**6),
    first=st.integers(0, 10**6),
    hours=st.integers(1, 50),
    per_million=st.integers(0, 900_000),
)
def test_a_share_is_exact_over_any_run_of_hours(per_hour: int, first: int, hours: int, per_million: int) -> None:
    counts = [share_of_hour(per_hour, number, per_million / 10**6) for number in range(first, first + hours)]
    assert abs(sum(counts) * 10**6 - per_hour * hours * per_million) < 10**6
    assert max(counts) - min(counts) <= 1
    assert max(counts) <= per_hour
