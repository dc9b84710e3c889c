"""What logs need of an index: put lines into it, find them again.

Belongs here: the port and its nouns. Does not: an index (`gateways.log_index`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from clickstream_platform.errors import RetryableError


class IndexAwayError(RetryableError):
    """The index did not answer, or takes nothing at the moment; the lines wait in the buffer.

    `is_too_large`: it would take fewer lines at once. `is_login_refused`: it may take another login.
    """

    is_too_large = False
    is_login_refused = False


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line with the id that makes sending it twice harmless; `document` is JSON without line break."""

    id: str
    document: bytes


@dataclass(frozen=True, slots=True)
class PutAnswer:
    """What became of the lines: positions of those to be sent again, and how many were refused for good; each why."""

    again: tuple[int, ...] = ()
    refused: int = 0
    reason: str = ""
    why_again: str = ""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What is looked for; every given part must hold. `text` is words, all of which a line has, or a "phrase"."""

    text: str = ""
    customer: str | None = None
    event: str | None = None
    run: str | None = None
    service: str | None = None
    levels: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 200


@dataclass(frozen=True, slots=True)
class LogHit:
    """One line that was found, with its fields by dotted name."""

    id: str
    fields: Mapping[str, object]


class LogIndex(Protocol):
    """Takes and finds lines. May be slow; is never called by who logs."""

    def put(self, lines: Sequence[LogLine]) -> PutAnswer:
        """Put lines; raises IndexAwayError when none was taken for certain."""
        ...

    def search(self, query: LogQuery) -> list[LogHit]:
        """Return the newest lines that match, at most `limit`, oldest of them first; raises IndexAwayError."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
