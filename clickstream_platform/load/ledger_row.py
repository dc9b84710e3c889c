"""One row of `_loads`: what one load of one stream-hour counted. The columns are `model.schemas.LOADS_COLUMNS`.

Belongs here: the row and its two forms. Does not: reading or writing it (`load.ledger`, `load.statements`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A stream-hour in the ledger. An empty `input_digest` means that the hour must be loaded again (docs/load.md)."""

    customer: str
    event: str
    hour: Hour
    input_digest: str
    counts: StreamCounts
    run_id: str
    started_at: datetime
    committed_at: datetime

    def values(self) -> tuple[Any, ...]:
        """Return the values in the order of LOADS_COLUMNS."""
        counts = self.counts
        return (
            self.customer,
            self.event,
            self.hour.start,
            self.input_digest,
            counts.objects,
            counts.bytes,
            counts.raw,
            counts.rows,
            counts.duplicates,
            counts.rejected,
            counts.discarded,
            self.run_id,
            self.started_at,
            self.committed_at,
        )

    @classmethod
    def of(cls, values: Sequence[Any]) -> LedgerRow:
        """Read a row given in the order of LOADS_COLUMNS; its times are UTC, naive or aware."""
        customer, event, hour, digest, *numbers, run_id, started_at, committed_at = values
        return cls(
            customer,
            event,
            Hour(_aware(hour)),
            digest,
            StreamCounts(*numbers),
            run_id,
            _aware(started_at),
            _aware(committed_at),
        )


def _aware(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
