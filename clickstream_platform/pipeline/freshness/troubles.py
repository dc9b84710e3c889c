"""What does not answer, and since when.

Belongs here: remembering. Does not: asking (`watching`), what is worth telling (`report`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.pipeline.freshness.ports import LedgerAnswer
from clickstream_platform.pipeline.freshness.report import Trouble


class Troubles:
    """The troubles that are not over."""

    def __init__(self) -> None:
        """Know none."""
        self._known: dict[tuple[str, str], Trouble] = {}

    def note(
        self, kind: str, what: str, now: datetime, error: ClickstreamError, customers: Collection[str] = ()
    ) -> None:
        """Note that something does not answer for these customers; it keeps the time when that began."""
        cause = type(error).__name__
        known = self._known.get((kind, what)) or Trouble(kind, what, now, cause)
        self._known[kind, what] = replace(known, cause=cause, customers=frozenset(customers))

    def over(self, kind: str, what: str) -> None:
        """Note that something answered."""
        self._known.pop((kind, what), None)

    def of_now(self) -> tuple[Trouble, ...]:
        """Return all that does not answer."""
        return tuple(self._known.values())


class Heard:
    """What the warehouses answered during one look: one that answered for some customers may have failed for others."""

    def __init__(self) -> None:
        """Have heard nothing."""
        self._answered: set[str] = set()
        self._errors: dict[str, ClickstreamError] = {}
        self._unseen: dict[str, set[str]] = {}

    def take(self, answer: LedgerAnswer) -> bool:
        """Take note of an answer; return whether it is one."""
        if answer.error is None:
            self._answered.add(answer.destination)
            return True
        self._errors.setdefault(answer.destination, answer.error)
        self._unseen.setdefault(answer.destination, set()).update(answer.customers)
        return False

    def settle(self, troubles: Troubles, now: datetime) -> None:
        """Note which warehouses failed; trouble of those that only answered is over, others were not asked."""
        for destination, error in self._errors.items():
            troubles.note("warehouse_away", destination, now, error, self._unseen[destination])
        for destination in self._answered - self._errors.keys():
            troubles.over("warehouse_away", destination)
