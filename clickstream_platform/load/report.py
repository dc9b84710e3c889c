"""What a load did, event by event.

Belongs here: the nouns that callers read. Does not: how they come about (`load.loader`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour


class LoadStatus(StrEnum):
    """What became of one stream-hour."""

    LOADED = "loaded"
    ALREADY_LOADED = "already_loaded"  # the ledger has this very input: a normal result
    FAILED = "failed"  # nothing of it was committed


@dataclass(frozen=True, slots=True)
class LoadOutcome:
    """One stream-hour.

    `counts` are final, late duplicates included; None when it failed. `table` is None for a stream without rows.
    `reopened` are hours whose ledger digest was blanked: this hour no longer holds ids that they may have lost to it.
    """

    event: str
    status: LoadStatus
    counts: StreamCounts | None = None
    table: str | None = None
    error: ClickstreamError | None = None
    reopened: tuple[Hour, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadReport:
    """One batch: outcomes in the order of its streams, transactions committed, SQL statements sent, seconds it took.

    `copies` counts the packs that were read, each with one COPY where the warehouse has it.
    """

    outcomes: tuple[LoadOutcome, ...]
    commits: int
    statements: int
    seconds: float
    copies: int = 0

    @property
    def failed(self) -> tuple[LoadOutcome, ...]:
        """The stream-hours that failed."""
        return tuple(self.having(LoadStatus.FAILED))

    def having(self, status: LoadStatus) -> Iterator[LoadOutcome]:
        """Yield the outcomes with this status."""
        return (outcome for outcome in self.outcomes if outcome.status is status)
