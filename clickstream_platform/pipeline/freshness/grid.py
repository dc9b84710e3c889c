"""What arrived and what is loaded, for each stream and each hour of a window: the memory of the watch.

Twenty thousand streams and three days are 23 MB: a cell is two signatures (of number and total size of the objects that
are there, and of those in the ledger) and two times, of the newest object and of the ledger's last answer. A cell whose
signatures differ is an hour to load.

Belongs here: keeping and comparing. Does not: where the figures come from (`arrivals`, `ledgers`), what is missing of a
stream or a customer (`gaps`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from clickstream_platform.model.hours import Hour, hour_range
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.silence import hours_between

_SIZE_BITS = 44
_GOLDEN = 0x9E37_79B9_7F4A_7C15
_FIRST_ROWS = 256
_EPOCH = Hour(datetime(1970, 1, 1, tzinfo=UTC))
Cells = npt.NDArray[np.uint32]


def signature(objects: int, size: int) -> int:
    """Return what an hour's objects are compared by, of 32 bits; 0 for none of them.

    The same number of objects never has the same signature with sizes that differ by less than a gigabyte, because
    multiples of the golden ratio keep their distance; anything else does once in four billion.
    """
    content = ((objects & 0xFFFFF) << _SIZE_BITS) | (size & ((1 << _SIZE_BITS) - 1))
    return max((content * _GOLDEN & 0xFFFF_FFFF_FFFF_FFFF) >> 32, 1) if content else 0


class HourGrid:
    """A window of hours that moves on; rows are streams, in the order in which they became known."""

    def __init__(self, hours: int) -> None:
        """Keep so many hours."""
        self.hours = hours
        self.streams: list[Stream] = []
        self._rows: dict[Stream, int] = {}
        self._customers: dict[str, list[int]] = {}
        self._arrived: Cells = np.zeros((_FIRST_ROWS, hours), np.uint32)
        self._loaded: Cells = np.zeros((_FIRST_ROWS, hours), np.uint32)
        self._written: Cells = np.zeros((_FIRST_ROWS, hours), np.uint32)
        self._checked: Cells = np.zeros((_FIRST_ROWS, hours), np.uint32)
        self._first: Hour | None = None

    @property
    def first(self) -> Hour:
        """The oldest hour of the window."""
        return self._first or _EPOCH

    @property
    def newest(self) -> Hour:
        """The newest hour of the window."""
        return self.first.plus(self.hours - 1)

    def has(self, hour: Hour) -> bool:
        """Whether an hour is within the window."""
        return 0 <= hours_between(self.first, hour) < self.hours

    def add(self, streams: Iterable[Stream]) -> None:
        """Give rows to streams that have none."""
        for stream in streams:
            if stream not in self._rows:
                self._rows[stream] = len(self.streams)
                self._customers.setdefault(stream.customer, []).append(len(self.streams))
                self.streams.append(stream)
        if len(self.streams) > len(self._arrived):
            # A fifth more than needed: twice as much would be most of the memory that a watch takes.
            rows = len(self.streams) + len(self.streams) // 5
            for name in ("_arrived", "_loaded", "_written", "_checked"):
                cells = getattr(self, name)
                more = np.zeros((rows, self.hours), cells.dtype)
                more[: len(cells)] = cells
                setattr(self, name, more)

    def row(self, stream: Stream) -> int | None:
        """Return a stream's row, None for one that has none."""
        return self._rows.get(stream)

    def rows_of(self, customer: str) -> Sequence[int]:
        """Return the rows of a customer's streams."""
        return self._customers.get(customer, ())

    def move_to(self, newest: Hour) -> None:
        """Make an hour the newest of the window; it never moves back."""
        first, known = newest.plus(1 - self.hours), len(self.streams)
        if self._first is not None:
            gone = min(max(hours_between(self._first, first), 0), self.hours)
            for number in range(gone):
                column = self._column(self._first.plus(number))
                for cells in (self._arrived, self._loaded, self._written, self._checked):
                    cells[:known, column] = 0  # rows that nobody has yet take no memory until they are written to
            first = max(first, self._first)
        self._first = first

    def set_arrived(self, hour: Hour, found: Mapping[int, tuple[int, int, float]]) -> None:
        """Take an hour's listing for all there is of it: objects, bytes and time of the newest object by row."""
        column, known = self._column(hour), len(self.streams)
        self._arrived[:known, column] = 0
        self._written[:known, column] = 0
        for row, (objects, size, written) in found.items():
            self._arrived[row, column] = signature(objects, size)
            self._written[row, column] = int(written)

    def set_loaded(
        self,
        customers: Iterable[str],
        hours: Iterable[Hour],
        now: datetime,
        found: Iterable[tuple[Stream, datetime, int, int]],
    ) -> list[Hour]:
        """Take what ledgers answered for all they have of these customers and hours.

        `found` are streams, starts of hours (naive ones are UTC), objects and bytes. Returns the hours of which some
        ledger has something new that is not what was listed.
        """
        inside = [hour for hour in hours if self.has(hour)]
        columns = {hour.start.replace(tzinfo=None): self._column(hour) for hour in inside}
        asked = [row for customer in customers for row in self.rows_of(customer)]
        if not asked or not columns:
            return []
        cells = np.ix_(asked, list(columns.values()))
        before = self._loaded[cells]
        self._loaded[cells] = 0
        self._checked[cells] = int(now.timestamp())
        rows, places, signatures = [], [], []
        for stream, start, objects, size in found:
            row, column = self._rows.get(stream), columns.get(start.replace(tzinfo=None))
            if row is not None and column is not None:
                rows.append(row)
                places.append(column)
                signatures.append(signature(objects, size))
        self._loaded[rows, places] = np.array(signatures, np.uint32)
        arrived, loaded = self._arrived[cells], self._loaded[cells]
        is_new = ((loaded != before) & (loaded != arrived) & (loaded != 0) & (arrived != 0)).any(axis=0)
        return [hour for hour, each in zip(inside, is_new, strict=True) if each]

    def missing(self, until: Hour) -> Iterator[tuple[Hour, npt.NDArray[np.bool_], Cells, Cells]]:
        """Yield the hours up to `until`, oldest first: who misses it, when its newest object came, when it was asked.

        All three are by row; times are timestamps, the last one 0 where the ledger never answered.
        """
        size = len(self.streams)
        for hour in hour_range(self.first, min(until, self.newest)):
            column = self._column(hour)
            arrived = self._arrived[:size, column]
            is_missing = (arrived != 0) & (arrived != self._loaded[:size, column])
            yield hour, is_missing, self._written[:size, column], self._checked[:size, column]

    def newest_arrived(self) -> Sequence[int]:
        """Return the index of each stream's newest hour with records in the window, -1 for none."""
        return self._newest(self._in_order(self._arrived[: len(self.streams)] != 0))

    def newest_loaded(self, before: Mapping[int, Hour]) -> Sequence[int]:
        """Return the index of each stream's newest loaded hour, for rows of `before` only earlier ones; -1 for none."""
        loaded = self._in_order(self._loaded[: len(self.streams)] != 0)
        for row, hour in before.items():
            loaded[row, max(hours_between(self.first, hour), 0) :] = False
        return self._newest(loaded)

    def _newest(self, cells: npt.NDArray[np.bool_]) -> list[int]:
        found = np.where(cells.any(axis=1), self.hours - 1 - np.argmax(cells[:, ::-1], axis=1), -1)
        return [int(each) for each in found]

    def _in_order(self, cells: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return cells with the hours in their order; of bits, because a copy of the signatures would be large."""
        return np.roll(cells, -self._column(self.first), axis=1)

    def _column(self, hour: Hour) -> int:
        return hours_between(_EPOCH, hour) % self.hours
