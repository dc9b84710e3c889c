"""What is usual at an hour: the median of comparable hours, and how far they lie from it. Pure.

Median and MAD, because the days on which something broke are part of every history. On a logarithmic scale, because
"three times as many" means the same at night and at noon. Comparable are the same hours of earlier weeks, or, where
there are too few, of earlier days of the same kind (weekdays, weekends): a Saturday is never held against Fridays.

Belongs here: the statistics. Does not: what is measured (`hours`, `runs`), how far is too far (`thresholds`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from clickstream_platform.model.hours import Hour

MIN_WEEKS, MIN_DAYS, MIN_SAMPLES = 4, 4, 20
MAD_TO_SIGMA = 1.4826
MIN_SPREAD = 0.1
"""Of the logarithm: a history that never varies still allows for ten percent."""


class Comparison(StrEnum):
    """Which hours a value was compared with."""

    HOUR_OF_WEEK = "the same hour of earlier weeks"
    HOUR_OF_DAY = "the same hour of earlier days of this kind"
    ALL = "all earlier ones"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is usual."""

    expected: float
    """The median, in the unit of the values."""
    spread: float
    """Of the logarithms, as a standard deviation would be."""
    samples: int
    comparison: Comparison

    def distance(self, value: float) -> float:
        """Return how many spreads a value lies above what is usual, negative below."""
        return (math.log1p(value) - math.log1p(self.expected)) / self.spread


def hourly_baseline(history: Mapping[Hour, float], hour: Hour) -> Baseline | None:
    """Return what is usual at an hour, from the values of earlier hours; None when too few are comparable."""
    earlier = {each: value for each, value in history.items() if each < hour and each.start.hour == hour.start.hour}
    weekly = [value for each, value in earlier.items() if each.start.weekday() == hour.start.weekday()]
    if len(weekly) >= MIN_WEEKS:
        return _of(weekly, Comparison.HOUR_OF_WEEK)
    daily = [value for each, value in earlier.items() if _is_weekend(each) == _is_weekend(hour)]
    return _of(daily, Comparison.HOUR_OF_DAY) if len(daily) >= MIN_DAYS else None


def plain_baseline(values: Collection[float]) -> Baseline | None:
    """Return what is usual of values whose time does not matter; None when they are too few."""
    return _of(values, Comparison.ALL) if len(values) >= MIN_SAMPLES else None


def _of(values: Iterable[float], comparison: Comparison) -> Baseline:
    logs = [math.log1p(value) for value in values]
    middle = median(logs)
    deviation = median(abs(each - middle) for each in logs)
    return Baseline(math.expm1(middle), max(MAD_TO_SIGMA * deviation, MIN_SPREAD), len(logs), comparison)


def _is_weekend(hour: Hour) -> bool:
    return hour.start.weekday() >= 5
