"""What a check found: fine, worth knowing, or broken; always with what to do about it.

Belongs here: the noun, and turning errors into it. Does not: checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from clickstream_platform.errors import ClickstreamError

# Load times and the hours' grace tolerate some seconds; AWS refuses requests signed more than five minutes off.
WARN_SKEW_SECONDS, FAIL_SKEW_SECONDS = 30, 300


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"  # it works, but not as it should
    FAIL = "fail"  # hours can't be loaded
    SKIPPED = "skipped"  # an earlier failure leaves nothing to check


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check of one part, such as `conditional write` of `object store`."""

    part: str
    check: str
    status: Status
    detail: str = ""
    remedy: str = ""


def ok(part: str, check: str, detail: str = "") -> Finding:
    """Return a finding that all is well."""
    return Finding(part, check, Status.OK, detail)


def warn(part: str, check: str, detail: str, remedy: str) -> Finding:
    """Return a finding that something works but should be looked at."""
    return Finding(part, check, Status.WARN, detail, remedy)


def fail(part: str, check: str, detail: str, remedy: str) -> Finding:
    """Return a finding that something does not work."""
    return Finding(part, check, Status.FAIL, detail, remedy)


def skipped(part: str, check: str, detail: str) -> Finding:
    """Return a finding that a check could not be made."""
    return Finding(part, check, Status.SKIPPED, detail)


def of_error(part: str, check: str, error: ClickstreamError) -> Finding:
    """Return the finding that an error stands for."""
    failed = f"{error.failed} for {error.where}" if error.where else error.failed
    detail = " ".join((f"{failed}: {error.cause}" if error.cause else failed).split())
    return fail(part, check, detail, error.remedy or "Mend the cause and run the doctor again.")


def attempt(part: str, check: str, action: Callable[[], str]) -> Finding:
    """Return what came of an action: its text when it succeeds, its error otherwise."""
    try:
        return ok(part, check, action())
    except ClickstreamError as error:
        return of_error(part, check, error)


def judge_clock(part: str, skew_seconds: float, of: str) -> Finding:
    """Return the finding about a clock that is `skew_seconds` ahead of ours (behind where negative)."""
    text = f"{of} is {abs(skew_seconds):.0f} s {'ahead of' if skew_seconds > 0 else 'behind'} this machine"
    if abs(skew_seconds) <= WARN_SKEW_SECONDS:
        return ok(part, "clock", f"within {WARN_SKEW_SECONDS} s of {of}")
    remedy = "Let this machine's clock be set by NTP (chrony, timesyncd, or Amazon Time Sync)."
    return (fail if abs(skew_seconds) > FAIL_SKEW_SECONDS else warn)(part, "clock", text, remedy)


def skew_seconds(told: datetime, before: datetime, after: datetime) -> float:
    """Return how far a clock that told the time between two looks at ours is ahead; 0 when it is between them."""
    if told > after:
        return (told - after).total_seconds()
    return min((told - before).total_seconds(), 0.0)
