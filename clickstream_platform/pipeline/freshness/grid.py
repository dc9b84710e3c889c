"""What arrived and what is loaded, for each stream and each hour of a window: the memory of the watch.

Twenty thousand streams and three days are 35 MB: a cell is two signatures (number and total size of the objects that
are there, and of those in the ledger) and two times, of the newest object and of the ledger's last answer. A cell whose
signatures differ is an hour to load.

Belongs here: keeping and comparing. Does not: where the figures come from (`arrivals`, `ledgers`), what they mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.facts import MissingHour
from clickstream_platform.pipeline.freshness.silence import hours_between

_SIZE_BITS = 44
_FIRST_ROWS = 256
_EPOCH = Hour(datetime(1970, 1, 1, tzinfo=UTC))
Signatures = npt.NDArray[np.uint64]


def signature(objects: int, size: int) -> int:
    """Return what an hour's objects are compared by; 0 for none of them."""
    return ((objects & 0xFFFFF) << _SIZE_BITS) | (size & ((1 << _SIZE_BITS) - 1))


class HourGrid:
    """A window of hours that moves on; rows are streams, in the order in which they became known."""

    def __init__(self, hours: int) -> None:
        """Keep so many hours."""
        self.hours = hours
        self.streams: list[Stream] = []
        self._rows: dict[Stream, int] = {}
        self._customers: dict[str, list[int]] = {}
        self._arrived: Signatures = np.zeros((_FIRST_ROWS, hours), np.uint64)
        self._loaded: Signatures = np.zeros((_FIRST_ROWS, hours), np.uint64)
        self._written = np.zeros((_FIRST_ROWS, hours), np.uint32)
        self._checked = np.zeros((_FIRST_ROWS, hours), np.uint32)
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

    def move_to(self, newest: Hour) -> None:
        """Make an hour the newest of the window; it never moves back."""
        first = newest.plus(1 - self.hours)
        if self._first is not None:
            gone = min(max(hours_between(self._first, first), 0), self.hours)
            for number in range(gone):
                column = self._column(self._first.plus(number))
                for cells in (self._arrived, self._loaded, self._written, self._checked):
                    cells[:, column] = 0
            first = max(first, self._first)
        self._first = first

    def set_arrived(self, hour: Hour, found: Mapping[int, tuple[int, int, float]]) -> None:
        """Take an hour's listing for all there is of it: objects, bytes and time of the newest object by row."""
        column = self._column(hour)
        self._arrived[:, column] = 0
        self._written[:, column] = 0
        for row, (objects, size, written) in found.items():
            self._arrived[row, column] = signature(objects, size)
            self._written[row, column] = int(written)

    def set_loaded(
        self,
        customers: Iterable[str],
        hours: Iterable[Hour],
        now: datetime,
        found: Iterable[tuple[Stream, datetime, int, int]],
    ) -> None:
        """Take what ledgers answered for all they have of these customers and hours.

        `found` are streams, starts of hours (naive ones are UTC), objects and bytes.
        """
        columns = {hour.start.replace(tzinfo=None): self._column(hour) for hour in hours if self.has(hour)}
        asked = [row for customer in customers for row in self._customers.get(customer, ())]
        if not asked or not columns:
            return
        cells = np.ix_(asked, list(columns.values()))
        self._loaded[cells] = 0
        self._checked[cells] = int(now.timestamp())
        rows, places, signatures = [], [], []
        for stream, start, objects, size in found:
            row, column = self._rows.get(stream), columns.get(start.replace(tzinfo=None))
            if row is not None and column is not None:
                rows.append(row)
                places.append(column)
                signatures.append(signature(objects, size))
        self._loaded[rows, places] = np.array(signatures, np.uint64)

    def worth_asking(
        self, until: Hour, deadlines: Mapping[Stream, timedelta], now: datetime, again_after: timedelta
    ) -> dict[frozenset[Hour], list[str]]:
        """Return the customers of which a ledger may tell more than it did, by all hours that are missing of them.

        These are customers with a missing hour that was never asked for, that is due by its stream's deadline, or that
        was asked for so long ago; streams without a deadline are left out.
        """
        first, moment = self.first.start.timestamp(), now.timestamp()
        allowed = np.array([deadlines[each].total_seconds() if each in deadlines else -1.0 for each in self.streams])
        missing = self._is_missing(until) & (allowed >= 0)[:, None]
        rows, indexes = np.nonzero(missing)
        if not len(rows):
            return {}
        columns = (indexes + self._column(self.first)) % self.hours
        written, checked = self._written[rows, columns], self._checked[rows, columns]
        due = np.maximum(first + (indexes + 1) * 3600.0, written) + allowed[rows]
        worth = (checked == 0) | (due <= moment) | (moment - checked >= again_after.total_seconds())
        customers = {self.streams[row].customer for row in np.unique(rows[worth])}
        hours: dict[str, set[int]] = {customer: set() for customer in customers}
        for row, index in set(zip(rows.tolist(), indexes.tolist(), strict=True)):
            if (customer := self.streams[row].customer) in hours:
                hours[customer].add(index)
        groups: dict[frozenset[Hour], list[str]] = {}
        for customer, found in hours.items():
            groups.setdefault(frozenset(self.first.plus(index) for index in found), []).append(customer)
        return groups

    def missing(self, until: Hour) -> dict[int, list[MissingHour]]:
        """Return the hours up to `until` that arrived and are not loaded, oldest first, by row."""
        first = self._column(self.first)
        found: dict[int, list[MissingHour]] = {}
        for row, index in zip(*np.nonzero(self._is_missing(until)), strict=True):
            column = (index + first) % self.hours
            asked = int(self._checked[row, column])
            each = MissingHour(
                self.first.plus(int(index)),
                datetime.fromtimestamp(int(self._written[row, column]), UTC),
                datetime.fromtimestamp(asked, UTC) if asked else None,
            )
            found.setdefault(int(row), []).append(each)
        return found

    def _is_missing(self, until: Hour) -> npt.NDArray[np.bool_]:
        arrived, loaded = self._arrived[: len(self.streams)], self._loaded[: len(self.streams)]
        width = max(hours_between(self.first, until) + 1, 0)
        return self._in_order((arrived != 0) & (arrived != loaded))[:, :width]

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
