"""The queue in front of Kinesis: bounded in bytes, and taken from in turns: no customer waits for another's flood.

Turns are by deficit round robin (Shreedhar and Varghese, 1995): each customer's turn is worth so many bytes, and what a
large piece overdraws is saved up for in later turns. Belongs here: order and bounds. Does not: sending (`delivery`).
"""

from __future__ import annotations

from asyncio import Future
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from clickstream_platform.model.kinesis_records import PAYLOAD_UNIT_BYTES

TURN_BYTES = 2 * PAYLOAD_UNIT_BYTES


@dataclass(slots=True)
class Parcel:
    """What one request waits for: all its pieces durable, or the first that can't be made so."""

    pieces: int
    future: Future[None]

    def done(self) -> None:
        """Count a piece that is durable."""
        self.pieces -= 1
        if self.pieces <= 0 and not self.future.done():
            self.future.set_result(None)

    def fail(self, error: Exception) -> None:
        """Tell the request that a piece can't be made durable."""
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(slots=True, eq=False)
class Piece:
    """Events of one request that travel together: `data` of a Kinesis record, or a part of one."""

    customer: str
    partition_key: str
    data: bytes
    events: int
    parcel: Parcel
    since: float
    """When it was taken in, in seconds of the event loop's clock."""
    attempts: int = 0


@dataclass(slots=True)
class _Line:
    pieces: deque[Piece] = field(default_factory=deque)
    credit: int = 0


class FairQueue:
    """Pieces of all customers; a piece counts against the bounds until it is released."""

    def __init__(self, max_bytes: int, customer_share: float) -> None:
        """Take the bound of all customers in bytes, and the share of it that one may fill."""
        self._max_bytes, self._max_customer_bytes = max_bytes, int(max_bytes * customer_share)
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        self._bytes_of: dict[str, int] = {}
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._lines)

    def has_room(self, customer: str, size: int) -> bool:
        """Whether so many bytes more of a customer stay within the bounds; an empty queue takes anything."""
        if not self.bytes:
            return True
        return (
            self.bytes + size <= self._max_bytes and self._bytes_of.get(customer, 0) + size <= self._max_customer_bytes
        )

    def push(self, piece: Piece) -> None:
        """Add a piece at the end of its customer's line."""
        self.bytes += len(piece.data)
        self._bytes_of[piece.customer] = self._bytes_of.get(piece.customer, 0) + len(piece.data)
        self._line(piece.customer).pieces.append(piece)

    def push_back(self, pieces: list[Piece]) -> None:
        """Put pieces that were taken at the head of their lines again, in their order."""
        for piece in reversed(pieces):
            self._line(piece.customer).pieces.appendleft(piece)

    def release(self, piece: Piece) -> None:
        """Forget a piece that was taken, however it ended."""
        self.bytes -= len(piece.data)
        left = self._bytes_of[piece.customer] - len(piece.data)
        if left:
            self._bytes_of[piece.customer] = left
        else:
            del self._bytes_of[piece.customer]

    def take(self, max_pieces: int, max_bytes: int) -> list[Piece]:
        """Take pieces in turns, at most so many and so many bytes, but at least one unless the queue is empty."""
        taken: list[Piece] = []
        while self._lines and len(taken) < max_pieces and max_bytes > 0:
            customer, line = next(iter(self._lines.items()))
            line.credit += TURN_BYTES
            while line.pieces and line.credit > 0 and len(taken) < max_pieces:
                if taken and len(line.pieces[0].data) > max_bytes:
                    return taken
                piece = line.pieces.popleft()
                line.credit -= len(piece.data)
                max_bytes -= len(piece.data)
                taken.append(piece)
            if line.pieces:
                self._lines.move_to_end(customer)
            else:
                del self._lines[customer]
        return taken

    def take_older(self, moment: float) -> list[Piece]:
        """Take all pieces that wait since before a moment of the event loop's clock."""
        taken: list[Piece] = []
        for customer, line in list(self._lines.items()):
            while line.pieces and line.pieces[0].since < moment:
                taken.append(line.pieces.popleft())
            if not line.pieces:
                del self._lines[customer]
        return taken

    def _line(self, customer: str) -> _Line:
        line = self._lines.get(customer)
        if line is None:
            line = self._lines[customer] = _Line()
        return line
