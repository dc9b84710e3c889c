"""Ended runs, daemons and streams to count and to show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.stream_status import StreamState, StreamStatus
from clickstream_platform.model.streams import Stream
from clickstream_platform.observe.exporter.figures import BatchDone, EndedRun

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
ELEVEN = Hour.parse("2026-11-22T11")


def ended(run_id: str, customer: str | None = "acme", minutes_ago: float = 10, **others: Any) -> EndedRun:
    """Return a run that waited a minute, worked for half of one, and loaded two stream-hours of eleven o'clock."""
    end = NOW - timedelta(minutes=minutes_ago)
    facts: dict[str, Any] = {
        "outcome": "success",
        "created_at": end - timedelta(seconds=90),
        "started_at": end - timedelta(seconds=30),
        "ended_at": end,
        "batches": (batch(customer or ""),),
    }
    return EndedRun(run_id, customer, **facts | others)


def batch(customer: str, hour: Hour = ELEVEN) -> BatchDone:
    """Return a customer-hour of 100 records."""
    counts = StreamCounts(objects=4, bytes=1_000, raw=100, rows=90, duplicates=7, rejected=3, discarded=5)
    seconds = {"freeze": 1.0, "stage": 8.0, "load": 6.0}
    return BatchDone(customer, str(hour), counts, {"loaded": 2, "empty": 1}, 1, 2, seconds)


def stream(event: str, status: StreamStatus, lag_seconds: float | None, customer: str = "acme") -> StreamState:
    """Return a stream that is so far behind."""
    return StreamState(Stream(customer, event), status, None, None, lag_seconds)
