"""What is missing: the hours that arrived and are not loaded, of all streams at once, without an object for each.

At the first look of a process whose warehouse is away, every hour of every stream is missing: a million and a half of
them at twenty thousand streams. They are counted hour by hour in arrays; only a few of each stream become objects.

Belongs here: counting, and choosing those few. Does not: the figures compared (`grid`), what a gap means (`judging`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.freshness.facts import MissingHour
from clickstream_platform.pipeline.freshness.grid import HourGrid

MAX_KEPT_HOURS = 6
"""Hours of a stream that are told one by one."""
MAX_QUESTIONS = 4
"""Questions to each warehouse at one look; customers with the same missing hours share one."""
Rows = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Gap:
    """The missing hours of one stream."""

    hours: tuple[MissingHour, ...]
    """Oldest first; of more than MAX_KEPT_HOURS the overdue ones before others."""
    count: int
    oldest: Hour


@dataclass(frozen=True, slots=True)
class _Column:
    """The streams that miss one hour."""

    hour: Hour
    rows: Rows
    written: npt.NDArray[np.float64]
    checked: npt.NDArray[np.float64]
    due: npt.NDArray[np.float64]

    def overdue(self, moment: float) -> Flags:
        """Tell which are due and were not there when the ledger was asked since, as `judging` says."""
        return (self.due <= moment) & (self.checked >= self.due)

    def hours(self, chosen: Flags) -> Iterator[tuple[int, MissingHour]]:
        """Yield those that were chosen as objects, by row."""
        for row, written, checked in zip(self.rows[chosen], self.written[chosen], self.checked[chosen], strict=True):
            asked = datetime.fromtimestamp(int(checked), UTC) if checked else None
            yield int(row), MissingHour(self.hour, datetime.fromtimestamp(int(written), UTC), asked)


class Gaps:
    """The gaps of a grid at one moment, of the streams that have a deadline."""

    def __init__(self, grid: HourGrid, until: Hour, allowed: Mapping[int, timedelta], now: datetime) -> None:
        """Look at the hours up to `until`; `allowed` are the deadlines by row."""
        self._grid, self._until, self._moment = grid, until, now.timestamp()
        self._allowed = np.full(len(grid.streams), -1.0)
        self._allowed[list(allowed)] = [each.total_seconds() for each in allowed.values()]

    def worth_asking(self, again_after: timedelta) -> dict[frozenset[Hour], list[str]]:
        """Return the customers of which a ledger may tell more than it did, by all hours that are missing of them.

        These are customers with a missing hour that was never asked for, that is due by its stream's deadline, or that
        was asked for so long ago.
        """
        numbers: dict[str, int] = {}
        owners = np.array([numbers.setdefault(each.customer, len(numbers)) for each in self._grid.streams], np.intp)
        is_worth = np.zeros(len(numbers), np.bool_)
        missing = np.zeros((len(numbers), self._grid.hours), np.bool_)
        hours: list[Hour] = []
        for column in self._columns():
            asked_before = self._moment - column.checked >= again_after.total_seconds()
            is_worth[owners[column.rows[(column.checked == 0) | (column.due <= self._moment) | asked_before]]] = True
            missing[owners[column.rows], len(hours)] = True
            hours.append(column.hour)
        groups: dict[bytes, list[str]] = {}
        for customer, number in numbers.items():
            if is_worth[number]:
                groups.setdefault(missing[number].tobytes(), []).append(customer)
        return {
            frozenset(hour for hour, is_missing in zip(hours, found, strict=False) if is_missing): customers
            for found, customers in groups.items()
        }

    def by_row(self, in_full: Collection[str] = ()) -> dict[int, Gap]:
        """Return the gaps by row; those of these customers with all of their hours as objects."""
        count = np.zeros(len(self._grid.streams), np.int32)
        oldest: dict[int, Hour] = {}
        for column in self._columns():
            oldest |= dict.fromkeys(column.rows[count[column.rows] == 0].tolist(), column.hour)
            count[column.rows] += 1
        chosen = self._choose({row for customer in in_full for row in self._grid.rows_of(customer)})
        return {row: Gap(tuple(chosen[row]), int(count[row]), first) for row, first in oldest.items()}

    def _choose(self, whole: Collection[int]) -> dict[int, list[MissingHour]]:
        """Return by row the hours that become objects: all of the `whole` rows, and a few of the others."""
        kept = np.zeros(len(self._grid.streams), np.int32)
        kept[list(whole)] = -self._grid.hours
        chosen: dict[int, list[MissingHour]] = {}
        for wants_overdue in (True, False):
            for column in self._columns():
                is_chosen = (kept[column.rows] < MAX_KEPT_HOURS) & (column.overdue(self._moment) == wants_overdue)
                kept[column.rows[is_chosen]] += 1
                for row, hour in column.hours(is_chosen):
                    chosen.setdefault(row, []).append(hour)
        for hours in chosen.values():
            hours.sort(key=lambda each: each.hour)
        return chosen

    def _columns(self) -> Iterator[_Column]:
        """Yield the hours that somebody misses, oldest first."""
        grid, watched = self._grid, self._allowed >= 0
        for hour, is_missing, written, checked in grid.missing(self._until):
            rows = np.nonzero(is_missing & watched)[0]
            if len(rows):
                at, asked = written[rows].astype(np.float64), checked[rows].astype(np.float64)
                due = np.maximum(hour.end.timestamp(), at) + self._allowed[rows]
                yield _Column(hour, rows, at, asked, due)


def merged(groups: Mapping[frozenset[Hour], list[str]]) -> list[tuple[frozenset[Hour], list[str]]]:
    """Return at most so many groups, the largest first: those that are left are asked for all of their hours."""
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    kept, rest = ordered[: MAX_QUESTIONS - 1], ordered[MAX_QUESTIONS - 1 :]
    if not rest:
        return kept
    hours = frozenset(hour for found, _ in rest for hour in found)
    return [*kept, (hours, [customer for _, customers in rest for customer in customers])]
