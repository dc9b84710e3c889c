"""Durations of named steps, in seconds; a step that is repeated adds up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple


class Interval(NamedTuple):
    """When a step ran, in seconds since the watch was made."""

    step: str
    start: float
    end: float


@dataclass(slots=True)
class Stopwatch:
    """Adds up how long steps take, and remembers when they ran."""

    seconds: dict[str, float] = field(default_factory=dict)
    intervals: list[Interval] = field(default_factory=list)
    _made: float = field(default_factory=time.perf_counter)

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        """Measure the block as a part of `step`, also when it raises."""
        started = time.perf_counter()
        try:
            yield
        finally:
            ended = time.perf_counter()
            self.seconds[step] = self.seconds.get(step, 0.0) + ended - started
            self.intervals.append(Interval(step, started - self._made, ended - self._made))
