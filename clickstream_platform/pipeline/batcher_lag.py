"""How far the batcher is behind, from its lease table: it tells that also when no batcher lives to tell it.

Belongs here: the question. Does not: the table (`batcher.lease_table`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from clickstream_platform.batcher.lease_table import SqlLeaseTable
from clickstream_platform.batcher.leases import common_watermark_ms
from clickstream_platform.settings import Settings


def batcher_lag(settings: Settings) -> Callable[[datetime], float | None] | None:
    """Return what reads the lag in seconds at a moment, None without shards; None when no Kinesis stream is set."""
    if not settings.kinesis_stream:
        return None
    table: list[SqlLeaseTable] = []

    def read(now: datetime) -> float | None:
        if not table:  # opened at the first question: a database that is away then is asked again
            table.append(SqlLeaseTable(settings.leases, settings.application))
        written_ms = common_watermark_ms(table[0].list_leases())
        return None if written_ms is None else max(now.timestamp() - written_ms / 1_000, 0.0)

    return read
