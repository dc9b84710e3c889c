"""What does not answer, since when; a part that was only busy for a moment is not worth telling.

Belongs here: remembering. Does not: asking (`watching`), telling (`report`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.pipeline.freshness.report import Trouble

TOLD_AFTER = timedelta(minutes=3)
"""The embedded warehouse is one file, which a run that loads may hold for a while."""


class Troubles:
    """The troubles that are not over."""

    def __init__(self) -> None:
        """Know none."""
        self._known: dict[tuple[str, str], Trouble] = {}

    def note(
        self, kind: str, what: str, now: datetime, error: ClickstreamError, customers: Collection[str] = ()
    ) -> None:
        """Note that something did not answer; it keeps the time when that began."""
        known = self._known.get((kind, what))
        trouble = known or Trouble(kind, what, now, type(error).__name__)
        concerned = trouble.customers | frozenset(customers)
        self._known[kind, what] = replace(trouble, cause=type(error).__name__, customers=concerned)

    def over(self, kind: str, what: str) -> None:
        """Note that something answered."""
        self._known.pop((kind, what), None)

    def of(self, now: datetime) -> tuple[Trouble, ...]:
        """Return what did not answer for long enough to tell."""
        return tuple(each for each in self._known.values() if now - each.since >= TOLD_AFTER)
