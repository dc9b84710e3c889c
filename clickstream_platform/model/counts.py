"""The accounting of one stream-hour: raw = loaded + duplicates + rejected, always.

Belongs here: the counts and their equation. Does not: who counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from clickstream_platform.errors import ReconciliationError


@dataclass(frozen=True, slots=True)
class StreamCounts:
    """Exact counts of one stream-hour. `rows` are the records that become rows; values are counted in `discarded`."""

    objects: int = 0
    bytes: int = 0
    raw: int = 0
    rows: int = 0
    duplicates: int = 0
    rejected: int = 0
    discarded: int = 0

    def check(self, where: str) -> None:
        """Raise ReconciliationError unless every raw record is a row, a duplicate or rejected."""
        if self.raw != self.rows + self.duplicates + self.rejected:
            raise ReconciliationError(
                "counting records",
                where=where,
                cause=f"{self.raw} raw != {self.rows} rows + {self.duplicates} duplicates + {self.rejected} rejected",
                remedy="Nothing was committed. This is a fault of the platform: keep the raw objects and report it.",
            )

    def with_late_duplicates(self, found: int) -> StreamCounts:
        """Move `found` rows to the duplicates: the warehouse had them already, from another hour."""
        return StreamCounts(
            self.objects,
            self.bytes,
            self.raw,
            self.rows - found,
            self.duplicates + found,
            self.rejected,
            self.discarded,
        )
