"""What a watch keeps between two looks.

Belongs here: keeping it in step with the registry and the clock. Does not: looking (`watching`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.freshness.arrivals import Arrivals
from clickstream_platform.pipeline.freshness.grid import HourGrid
from clickstream_platform.pipeline.freshness.histories import Histories
from clickstream_platform.pipeline.freshness.troubles import Troubles
from clickstream_platform.pipeline.freshness.watched import Selection, WatchedStream, WatchOptions

MAX_STALE_ROWS = 5_000
"""Rows of streams that are gone; with more of them the watch begins anew."""


class WatchMemory:
    """What a watch keeps between two looks; for one watch at a time."""

    def __init__(self, options: WatchOptions | None = None) -> None:
        """Know nothing yet."""
        self.options = options or WatchOptions()
        self.selection = Selection(self.options)
        self.histories = Histories()
        self.troubles = Troubles()
        self.begin()

    def begin(self) -> None:
        """Forget what arrived and what is loaded."""
        self.grid = HourGrid(self.options.window_hours)
        self.arrivals = Arrivals(self.grid, self.options.customer)
        self.listed: set[Hour] = set()
        self.disputed: set[Hour] = set()
        self.resume: Hour | None = None

    def prepare(self, watched: Sequence[WatchedStream], now: datetime) -> None:
        """Make room for the streams and the hours of a look."""
        if len(self.grid.streams) - len(watched) > MAX_STALE_ROWS:
            self.begin()
        self.grid.add(each.stream for each in watched)
        self.grid.move_to(Hour.of(now))
        self.listed = {hour for hour in self.listed if self.grid.has(hour)}
        self.disputed = {hour for hour in self.disputed if self.grid.has(hour)}
