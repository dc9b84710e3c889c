"""Whether a stream that sends nothing should be sending: the hours without records against its own history. Pure.

Each empty hour counts by how surely the stream has records at that hour of the week; together they must be as unlikely
as one in a thousand (or what the options say) before the stream is silent. So a stream that sends all day is silent
after three hours, one of office hours is not silent on a Sunday, and one that sends now and then takes days.

Belongs here: that rule. Does not: reading the history (`watching`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from clickstream_platform.model.hours import ONE_HOUR, Hour

HISTORY_HOURS = 28 * 24
WEEK_HOURS, DAY_HOURS = 7 * 24, 24
MIN_HISTORY_HOURS = 48
"""Shorter histories say nothing."""
STEADY_SHARE = 0.95
"""A stream with records in this share of all hours has no quiet times: it needs no week of history."""
MAX_CHANCE = 0.9
"""No hour is surer than this, so that no single empty hour is enough."""
MAX_EMPTY_HOURS = 4 * WEEK_HOURS


@dataclass(frozen=True, slots=True)
class SilenceOptions:
    """How unlikely an empty stretch must be."""

    surprise: float = 3.0
    """As a power of ten: 3 is one in a thousand."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Which hours of a stream's past had records: bit `n` of `bits` is the hour `n` after `first`, of `hours` hours."""

    first: Hour
    hours: int
    bits: int

    @classmethod
    def of(cls, seen: Iterable[Hour], first: Hour, last: Hour) -> Presence:
        """Return the presence from `first` to `last`, both included; hours outside are left out."""
        hours = hours_between(first, last) + 1
        bits = 0
        for hour in seen:
            if 0 <= (index := hours_between(first, hour)) < hours:
                bits |= 1 << index
        return cls(first, max(hours, 0), bits)

    def chance(self, hour: Hour) -> float | None:
        """Return how likely the stream has records in an hour after its history; None when that is too short."""
        if self.hours < MIN_HISTORY_HOURS:
            return None
        every = _share(self.bits.bit_count(), self.hours)
        index = hours_between(self.first, hour)
        weekly = self._share_of_slots(index, WEEK_HOURS)
        if weekly is None:
            return min(every, MAX_CHANCE) if every >= STEADY_SHARE else None
        daily = self._share_of_slots(index, DAY_HOURS)
        return min(weekly, daily if daily is not None else 1.0, MAX_CHANCE)

    def _share_of_slots(self, index: int, every: int) -> float | None:
        slots = [slot for slot in range(index % every, self.hours, every) if slot < index]
        return _share(sum(self.bits >> slot & 1 for slot in slots), len(slots)) if slots else None


@dataclass(frozen=True, slots=True)
class Silence:
    """What the history says of the empty hours since the newest record."""

    since: Hour
    """The first empty hour."""
    empty_hours: int
    surprise: float
    """How unlikely they are, as a power of ten."""
    is_silent: bool
    is_history_short: bool
    """Whether the history says nothing at all; the stream is then taken for quiet."""


def silence_of(
    presence: Presence,
    newest_arrived: Hour,
    newest_due: Hour,
    options: SilenceOptions = SilenceOptions(),
    before: Silence | None = None,
) -> Silence | None:
    """Judge the hours after the newest with records, up to the newest that is due; None: there are none.

    `before` is what was said of the same empty hours earlier: then only those since are judged.
    """
    empty_hours = hours_between(newest_arrived, newest_due)
    if empty_hours <= 0:
        return None
    since = newest_arrived.plus(1)
    judged, surprise, is_short = 0, 0.0, True
    if before is not None and before.empty_hours <= empty_hours:
        judged, surprise, is_short = before.empty_hours, before.surprise, before.is_history_short
    numbers = range(judged, min(empty_hours, MAX_EMPTY_HOURS))
    # After the end of the history every week is like the one before.
    chances = {slot: presence.chance(since.plus(slot)) for slot in {number % WEEK_HOURS for number in numbers}}
    for number in numbers:
        if surprise >= options.surprise:
            break
        chance = chances[number % WEEK_HOURS]
        if chance is not None:
            is_short = False
            surprise -= math.log10(1 - chance)
    return Silence(since, empty_hours, surprise, surprise >= options.surprise, is_short)


def hours_between(first: Hour, second: Hour) -> int:
    """Return how many hours later the second is; negative when it is earlier."""
    return (second.start - first.start) // ONE_HOUR


def _share(found: int, of: int) -> float:
    """Return a share that is never quite none or all, the less so the fewer were looked at."""
    return (found + 0.5) / (of + 1)
