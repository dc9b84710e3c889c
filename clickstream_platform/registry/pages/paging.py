"""Pages of a list: which part of it is shown, and where the others are. Pure.

Belongs here: arithmetic. Does not: reading the list, links (`templates`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")

_MAX_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Paging:
    """One page of a list; everything is counted from 1."""

    number: int
    pages: int
    first: int
    """Position of the first item shown; 0 for an empty list."""
    last: int
    total: int

    @property
    def previous(self) -> int | None:
        """The page before, None on the first."""
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        """The page after, None on the last."""
        return self.number + 1 if self.number < self.pages else None


def page_of(items: Sequence[Item], asked: str, size: int) -> tuple[Sequence[Item], Paging]:
    """Return the items of the page that a query asks for; what is no number of a page is the first or last page."""
    pages = max(1, -(-len(items) // size))
    is_number = asked.isascii() and asked.isdigit() and len(asked) <= _MAX_DIGITS
    number = min(max(1, int(asked)), pages) if is_number else 1
    start = (number - 1) * size
    shown = items[start : start + size]
    first = start + 1 if shown else 0
    return shown, Paging(number, pages, first, start + len(shown), len(items))
