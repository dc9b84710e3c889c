"""Order and bounds of the queue in front of Kinesis."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.collector.fair_queue import TURN_BYTES, FairQueue, Parcel, Piece


def piece(customer: str, size: int = 10, number: int = 0) -> Piece:
    loop = asyncio.new_event_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.close()
    return Piece(customer, f"{customer}/{number}", b"x" * size, 1, Parcel(1, future), 0.0)


def test_a_flood_does_not_delay_another_customer() -> None:
    queue = FairQueue(10**9, 1.0)
    for _ in range(1_000):
        queue.push(piece("flood", TURN_BYTES))
    queue.push(piece("quiet"))
    assert "quiet" in [each.customer for each in queue.take(500, 5_000_000)[:3]]


def test_customers_get_equal_bytes_whatever_their_pieces() -> None:
    queue = FairQueue(10**9, 1.0)
    for _ in range(100):
        queue.push(piece("large", 10 * TURN_BYTES))
    for _ in range(10_000):
        queue.push(piece("small", TURN_BYTES // 10))
    taken = queue.take(10_000, 40 * TURN_BYTES)
    small = sum(len(each.data) for each in taken if each.customer == "small")
    assert 10 * TURN_BYTES <= small <= 30 * TURN_BYTES


def test_one_customer_fills_its_share_only() -> None:
    queue = FairQueue(1_000, 0.25)
    queue.push(piece("flood", 250))
    assert not queue.has_room("flood", 1)
    assert queue.has_room("quiet", 250)
    queue.push(piece("quiet", 250))
    taken = queue.take(10, 10_000)
    assert not queue.has_room("flood", 1)  # what is on its way still counts
    for each in taken:
        queue.release(each)
    assert queue.has_room("flood", 250)
    assert (queue.bytes, bool(queue)) == (0, False)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 2 * TURN_BYTES)), max_size=30),
    st.integers(1, 10),
    st.integers(1, 5 * TURN_BYTES),
)
def test_everything_is_taken_once_and_in_its_customers_order(
    pushed: list[tuple[str, int]], max_pieces: int, max_bytes: int
) -> None:
    queue = FairQueue(10**9, 1.0)
    pieces = [piece(customer, size, number) for number, (customer, size) in enumerate(pushed)]
    for each in pieces:
        queue.push(each)
    taken: list[Piece] = []
    while queue:
        part = queue.take(max_pieces, max_bytes)
        assert 0 < len(part) <= max_pieces
        assert len(part) == 1 or sum(len(each.data) for each in part) <= max_bytes
        if len(taken) % 3 == 1:  # some come back
            queue.push_back(part[1:])
            part = part[:1]
        taken += part
        for each in part:
            queue.release(each)
    for customer in "abc":
        assert [p for p in taken if p.customer == customer] == [p for p in pieces if p.customer == customer]
    assert queue.bytes == 0
