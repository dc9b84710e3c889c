"""A loaded customer-hour as spans: the load, its steps, and the root of the trace.

Belongs here: what of a report is told. Does not: ids and sending (`observe.tracing`), measuring (`stopwatch`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from clickstream_platform.observe.tracing import Span, is_tracing, record, root_id_of, span_id_of
from clickstream_platform.pipeline.reports import CustomerHourReport
from clickstream_platform.pipeline.stopwatch import Interval


def record_load(report: CustomerHourReport, run_id: str, start: datetime, intervals: Sequence[Interval]) -> None:
    """Record one load that began at a moment; intervals are in seconds since then."""
    if not is_tracing():
        return
    customer, hour = report.customer, report.hour
    length = max((interval.end for interval in intervals), default=0.0)
    end = start + timedelta(seconds=length)
    rows = sum(stream.counts.rows for stream in report.streams if stream.counts is not None)
    attributes: dict[str, str | int | float] = {
        "run_id": run_id,
        "streams": len(report.streams),
        "failed_streams": len(report.failed),
        "rows": rows,
        "copies": report.copies,
        "commits": report.commits,
    }
    error = "; ".join(str(stream.error) for stream in report.failed[:3])
    load = span_id_of("load", run_id, customer, hour, start.isoformat())
    record(Span(f"{customer} {hour}", customer, hour, hour.start, end, id=root_id_of(customer, hour), is_root=True))
    record(Span("load", customer, hour, start, end, attributes, error, load))
    for number, each in enumerate(intervals):
        began, ended = (start + timedelta(seconds=seconds) for seconds in (each.start, each.end))
        record(
            Span(each.step, customer, hour, began, ended, id=span_id_of(load, number), parent=load),
        )
