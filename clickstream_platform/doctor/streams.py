"""The doctor's look at streams: how many are fresh, and which are not.

Belongs here: lines of the doctor's screen. Does not: judging streams (`pipeline.freshness`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from clickstream_platform.doctor.findings import Finding, of_error, ok, warn
from clickstream_platform.errors import ClickstreamError
from clickstream_platform.model.findings import FINDING_KINDS
from clickstream_platform.model.stream_status import StreamState, StreamStatus
from clickstream_platform.pipeline.freshness.facts import LoadFailure
from clickstream_platform.pipeline.freshness.opening import open_watch, watch_options
from clickstream_platform.pipeline.freshness.report import FreshnessReport
from clickstream_platform.wiring import Wiring

PART = "streams"
MAX_LISTED = 10


def check_streams(
    wiring: Wiring, customer: str | None = None, failures: Iterable[LoadFailure] = ()
) -> Iterator[Finding]:
    """Yield how the streams of all customers or one stand against their deadlines; the worst of them by name."""
    try:
        report = open_watch(wiring, watch_options(wiring.settings, customer)).look(failures)
    except ClickstreamError as error:
        yield of_error(PART, "freshness", error)
        return
    yield from describe(report)


def describe(report: FreshnessReport) -> Iterator[Finding]:
    """Yield the findings that a report stands for."""
    counts, offenders = report.counts(), report.offenders()
    paused = {
        each.state.stream for customer in report.customers.values() for each in customer.offenders if each.is_paused
    }
    told = ", ".join(f"{counts[status]} {status.value}" for status in StreamStatus if counts[status])
    unwatched = sum(each.unwatched for each in report.customers.values())
    told = f"{told or 'none to judge yet'}{f', {unwatched} not watched' if unwatched else ''}"
    if not report.is_complete:
        told += f"; looked at {report.hours_looked_at} of {report.hours_watched} hours"
    if report.unseen:
        told += f"; {len(report.unseen)} customers are judged by what was known, which may be nothing"
    if not offenders and not report.unseen:
        yield ok(PART, "freshness", told)
    else:
        more = len(offenders) - MAX_LISTED
        rest = f"; {more} more than those below" if more > 0 else ""
        yield warn(PART, "freshness", told + rest, "See docs/freshness.md; each stream's page has its history.")
    for each in offenders[:MAX_LISTED]:
        yield _offender(each, is_paused=each.stream in paused)
    for trouble in report.troubles:
        remedy = f"See docs/runbooks/{FINDING_KINDS[trouble.kind].runbook}."
        yield warn(PART, trouble.what, f"does not answer: {trouble.cause}", remedy)


def _offender(state: StreamState, *, is_paused: bool) -> Finding:
    detail = state.reason
    if state.newest_loaded_hour is not None:
        detail += f"; complete up to {state.newest_loaded_hour}"
    remedy = f"See docs/runbooks/stream-{'paused' if is_paused else state.status.value}.md."
    return warn(PART, str(state.stream), f"{state.status.value}: {detail}", remedy)
