"""How failed work looks in Dagster: one failure at the end of the step that lists the streams with their remedies.

Belongs here: the text, the table, what Dagster keeps of an error, and what is tried again: only what may succeed by
itself, never a fault of the platform. Does not: deciding what failed.
"""

from collections.abc import Sequence

import dagster as dg

from clickstream_platform.errors import ClickstreamError, RetryableError, TerminalError
from clickstream_platform.observe.logs.redaction import mask_values
from clickstream_platform.pipeline.customer_hour import is_worth_retrying
from clickstream_platform.pipeline.reports import CustomerHourReport

MAX_LISTED = 100
MAX_CHAIN = 5
MAX_CAUSE = 500  # characters
_OUR_FAULT = "This is a fault of the platform: report it with these stack traces."
# A warehouse or object store that is away: six tries over about ten minutes, each repeating only what is not loaded.
MAX_RETRIES = 5
FIRST_WAIT_SECONDS = 20


def failure_of(reports: Sequence[CustomerHourReport]) -> dg.Failure | None:
    """Return the failure that these reports end in; None when nothing failed."""
    failed = [(report, stream) for report in reports for stream in report.failed]
    if not failed:
        return None
    total = sum(len(report.streams) for report in reports)
    rows = [
        dg.TableRecord(
            {
                "event": stream.event,
                "hour": str(report.hour),
                "error": type(stream.error).__name__,
                "text": str(stream.error),
            }
        )
        for report, stream in failed[:MAX_LISTED]
    ]
    lines = [f"{stream.event} {report.hour}: {stream.error}" for report, stream in failed[:MAX_LISTED]]
    return dg.Failure(
        f"{len(failed)} of {total} streams failed; the others are loaded.\n" + "\n".join(lines),
        metadata={"failed_streams": dg.MetadataValue.table(rows)},
        allow_retries=False,
    )


def exception_for(error: ClickstreamError, retry_number: int) -> dg.RetryRequested | dg.Failure:
    """Return what to raise for an error that stops the whole step: a request to try again, or a failure."""
    return try_again(retry_number) if isinstance(error, RetryableError) else dg.Failure(str(error), allow_retries=False)


def fit_to_keep(error: BaseException, depth: int = MAX_CHAIN) -> ClickstreamError:
    """Return an error, and what led to it, without the values that foreign ones quote; stack traces stay.

    Dagster keeps the texts of the whole chain, in its database and on its pages. Errors of ours have none of these.
    """
    kept = error
    if not isinstance(kept, ClickstreamError):
        cause = f"{type(error).__name__}: {mask_values(str(error))[:MAX_CAUSE]}"
        kept = TerminalError("running the step", cause=cause, remedy=_OUR_FAULT).with_traceback(error.__traceback__)
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    kept.__cause__ = fit_to_keep(behind, depth - 1) if behind is not None and depth > 1 else None
    return kept


def exception_of(reports: Sequence[CustomerHourReport], retry_number: int) -> dg.RetryRequested | dg.Failure | None:
    """Return what to raise at the end of the step; None when every stream is done."""
    failure = failure_of(reports)
    return try_again(retry_number) if failure and is_worth_retrying(reports) and retry_number < MAX_RETRIES else failure


def try_again(retry_number: int) -> dg.RetryRequested:
    """Return the request to try again, each time after twice the wait."""
    return dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=FIRST_WAIT_SECONDS * 2**retry_number)
