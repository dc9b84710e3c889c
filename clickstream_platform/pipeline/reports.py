"""What was done with a customer-hour, event by event: the facts that Dagster, the commands and the demo show.

Belongs here: the nouns and their sums. Does not: showing them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest
from clickstream_platform.model.schemas import Column


class StreamStatus(StrEnum):
    """What became of one stream-hour."""

    FROZEN = "frozen"  # its manifest is written, no more was asked for
    STAGED = "staged"  # its Parquet is written, no more was asked for
    LOADED = "loaded"
    ALREADY_LOADED = "already_loaded"  # the ledger has this very input
    EMPTY = "empty"  # no objects: zero rows
    SKIPPED = "skipped"  # the registry does not want it loaded
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StreamReport:
    """One stream-hour.

    `reason` says why it was skipped, `error` why it failed, `staged` whether that step was done. `reopened` are later
    hours that must be loaded again, because this one gave up records that it had in their place. `contract_version` is
    the contract that its records were held to when they were staged now, `broken_records` counts those that broke it.
    """

    event: str
    status: StreamStatus
    manifest: Manifest | None = None
    counts: StreamCounts | None = None
    table: str | None = None
    columns: Sequence[Column] = ()
    quarantine_key: str | None = None
    staged: bool = False
    reason: str = ""
    error: ClickstreamError | None = None
    reopened: tuple[Hour, ...] = ()
    contract_version: int | None = None
    broken_records: int = 0


@dataclass(frozen=True, slots=True)
class CustomerHourReport:
    """One customer-hour. `seconds` are the durations of its steps: freeze, stage, load.

    `schema` is where its tables are; `commits` and `copies` (packs read) are what the load needed of the warehouse.
    """

    customer: str
    hour: Hour
    streams: tuple[StreamReport, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)
    schema: str = ""
    commits: int = 0
    copies: int = 0

    def having(self, status: StreamStatus) -> Iterator[StreamReport]:
        """Yield the streams with this status."""
        return (stream for stream in self.streams if stream.status == status)

    @property
    def failed(self) -> tuple[StreamReport, ...]:
        """The streams that failed."""
        return tuple(self.having(StreamStatus.FAILED))

    def summary(self) -> str:
        """Say in one line how many streams had which outcome, and how many rows there are."""
        parts = [
            f"{count} {status.replace('_', ' ')}" for status in StreamStatus if (count := len([*self.having(status)]))
        ]
        counts = [stream.counts for stream in self.streams if stream.counts]
        sums = {
            "raw": sum(each.raw for each in counts),
            "rows": sum(each.rows for each in counts),
            "duplicates": sum(each.duplicates for each in counts),
            "rejected": sum(each.rejected for each in counts),
        }
        numbers = ", ".join(f"{number} {name}" for name, number in sums.items())
        return f"{self.customer} {self.hour}: {', '.join(parts) or 'nothing to do'} ({numbers})"
