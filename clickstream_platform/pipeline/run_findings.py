"""Which runs and checks somebody must look at: runs that hang, runs that failed for good, checks that failed. Pure.

Belongs here: that judgement and its words, once for each customer. Does not: runs against their history
(`pipeline.unusual`), the rest of the platform (`platform_findings`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from clickstream_platform.model.findings import Finding
from clickstream_platform.observe.exporter.failures import Failure
from clickstream_platform.observe.exporter.figures import CheckState, InstanceFigures, OpenRun
from clickstream_platform.pipeline.platform_terms import Pages, Thresholds, links_of, name_some


def stuck_runs(figures: InstanceFigures, pages: Pages, limits: Thresholds) -> Iterator[Finding]:
    """Yield, for each customer, the runs that should have ended or gone on."""
    stuck: dict[str | None, list[OpenRun]] = {}
    for run in figures.runs:
        if run.is_overdue(figures.at) or _hangs(run, figures.at, limits):
            stuck.setdefault(run.customer, []).append(run)
    for customer, runs in stuck.items():
        first = runs[0]
        more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
        since = first.started_at or first.changed_at
        minutes = int((figures.at - since).total_seconds() / 60)
        yield Finding(
            "run_stuck",
            customer,
            None,
            f"Run {first.run_id[:8]}{more} is {first.state} for {minutes} min and should have ended",
            since,
            {"runs": len(runs), "state": first.state, "hour": first.hour},
            links_of(run=pages.run(first.run_id)),
        )


def _hangs(run: OpenRun, now: datetime, limits: Thresholds) -> bool:
    """Whether a run stands between two states for too long; `not_started` is one that nobody put into the queue."""
    return (
        run.state in ("not_started", "starting", "canceling")
        and (now - run.changed_at).total_seconds() > limits.starting
    )


def failed_runs(failures: Sequence[Failure], pages: Pages) -> Iterator[Finding]:
    """Yield, for each customer, the runs that failed and that nothing has mended."""
    by_customer: dict[str | None, list[Failure]] = {}
    for each in failures:
        by_customer.setdefault(each.customer, []).append(each)
    for customer, found in by_customer.items():
        newest = found[-1]
        streams = sorted({stream.event for each in found for stream in each.streams})
        errors = sorted({stream.error for each in found for stream in each.streams} | {e.error for e in found} - {""})
        hours = sorted({hour for each in found for hour in each.hours})
        what = f"{name_some(streams)} of " if streams else ""
        yield Finding(
            "run_failed",
            customer,
            None,
            f"{what}{name_some(hours) or 'a run'} failed and is not tried again: {name_some(errors) or 'see the run'}",
            found[0].failed_at,
            {"runs": len(found), "hours": len(hours), "streams": len(streams)},
            links_of(run=pages.run(newest.run_id)),
        )


def failed_checks(checks: Iterable[CheckState], pages: Pages) -> Iterator[Finding]:
    """Yield, for each customer, the checks whose newest result is a failure."""
    by_customer: dict[str, list[CheckState]] = {}
    for each in checks:
        if each.has_failed:
            by_customer.setdefault(each.customer, []).append(each)
    for customer, found in by_customer.items():
        yield Finding(
            "check_failed",
            customer,
            None,
            f"Checks that fail: {name_some(sorted(each.check for each in found))}. {found[0].text}",
            min(each.at for each in found),
            {"checks": len(found)},
            links_of(run=pages.run(found[0].run_id), check=pages.check(customer, found[0].check)),
        )
