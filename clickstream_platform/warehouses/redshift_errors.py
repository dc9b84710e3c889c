"""What Redshift's errors mean to the loader: wait and try again, or a person must act.

Belongs here: one table from codes and texts to our errors, with the reason beside each. Does not: retrying
(`load.retry`), the rows a failed COPY leaves behind (`redshift_load_errors`).

Redshift answers most of its own faults with SQLSTATE XX000 and says what happened in the text alone, so texts are
looked at where there is no code.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from redshift_connector.error import Error, OperationalError

from clickstream_platform.errors import (
    ClickstreamError,
    ConfigurationError,
    LoadError,
    StatementStoppedError,
    WarehouseUnavailableError,
)
from clickstream_platform.observe.logs.redaction import mask_values

_LONGEST_CAUSE = 500  # characters
# What the driver raises when the other side is gone: in the middle of a message it trips over the missing bytes.
LOST = (OSError, struct.error)
DRIVER_ERRORS = (Error, *LOST)
MISSING_TABLE, MISSING_SCHEMA = "42P01", "3F000"
ALREADY_THERE = frozenset({"42P06", "42P07", "23505"})
NOT_IN_A_TRANSACTION = "25001"

_STOPPED = frozenset({"57014", "53200"})  # the statement itself may be at fault
_PASSING_CODES = {
    "40001": "another transaction was quicker",
    "40P01": "two transactions waited for each other, and this one was given up",
    "55P03": "another transaction holds the table",
    "57014": "the statement was stopped: its time limit, a WLM rule or a person",
    "57P01": "the cluster is restarting or being maintained",
    "57P02": "the cluster is restarting after a fault",
    "57P03": "the cluster is starting, paused or resuming",
    "53300": "there are too many connections",
    "53200": "the cluster has no memory left at the moment",
    NOT_IN_A_TRANSACTION: "the table changed between planning and loading",
}
# COPY of Parquet runs through Spectrum, which tells S3's and KMS's reasons in its own words. Nothing but the words here
# may stand before a reason.
_SPECTRUM = (
    r"^(S3 ?Query Exception|Spectrum Scan Error|S3ServiceException|Problem reading manifest file|(AWS ?)?KMS)"
    r"(S3 ?Query Exception|Spectrum Scan Error|S3ServiceException|AmazonS3Exception|"
    r"Task failed due to an internal error|HTTP response|Amazon|AWS|KMS|S3|Fetch|Execute|"
    r"context|message|error|status|code|150\d\d|8001|[\s.,:;()-])*"
)
# Of the server. Each is matched from the message's first word and skips no free text: an error may quote a customer's
# value, and no value may make it look passing.
_PASSING_TEXTS = (
    (r"^(1023[\s:.-]{0,3})?serializable isolation violation", "another transaction was quicker (error 1023)"),
    (r"^1018[\s:.-]{0,3}relation\b", "another transaction dropped or swapped a table (error 1018)"),
    (r"^could not complete because of conflict with concurrent transaction", "another transaction changed it too"),
    (r"^could not open relation with OID \d+", "another transaction dropped or swapped a table"),
    (r"^cache lookup failed for relation\b", "another transaction dropped or swapped a table"),
    (r"^tuple concurrently (updated|deleted)", "another transaction changed it too"),
    (_SPECTRUM + r"(code|status)[\s:]+50[03]\b", "S3 throttles or has a fault"),
    # Between the name and the status is S3's own sentence, which has no comma and quotes nothing.
    (_SPECTRUM + r"(?<=exception:)[\w .]{0,80},\s?status 50[03]\b", "S3 throttles or has a fault"),
    (
        _SPECTRUM + r"(slow ?down\b|(please )?reduce your request rate|speed limit exceeded|access throttled|"
        r"rate exceeded|throttling|you have exceeded the rate)",
        "S3 throttles, or KMS for it",
    ),
    (
        _SPECTRUM + r"((connection failed, )?retries exceeded|we encountered an internal error|service unavailable|"
        r"boost::thread_resource_error)",
        "reading from S3 took too long or met a fault of its own",
    ),
    (r"^timed out waiting\b", "the cluster did not come to it in time"),
    (r"^(query|statement) (\(?\d+\)? )?cancell?ed by WLM abort action", "a WLM rule stopped it"),
    (r"^(wlm )?query (\(\d+\) )?[a-z ]{0,60}\b(queue|concurrency limit)", "the queue of the cluster is full"),
    (
        r"^(\w+ ){0,3}(cluster|workgroup) is ([a-z]+ ){0,4}(restart|resiz|paus|resum|maint)",
        "the cluster is being changed",
    ),
)
# Of the driver and the network: they have no code, and quote nothing.
_LOST_TEXTS = (
    r"throttl|rate exceeded|too many requests|"
    r"connection (was )?(closed|reset|refused|aborted|timed? ?out|is closed)|broken ?pipe|server socket closed|"
    r"communication error|terminating connection|could not (connect|translate)|endpoint.*(connect|timeout)"
)
REFUSED_LOGIN = frozenset({"28000", "28P01"})
_NO_ENTRY = REFUSED_LOGIN | {"3D000"}
_NO_ENTRY_TEXTS = (
    r"authentication failed|access ?denied|not authorized|unable to locate credentials|cluster ?not ?found|"
    r"certificate|server refuses ssl|hostname|expiredtoken|invalid ?client ?token|resourcenotfound"
)
_REMEDIES = (
    (r"42501", r"permission denied|not authorized to assume|unauthorized", "Grant the right, then run the hour again."),
    (r"2BP01", r"depend on it|depends on", "Make the dependent views WITH NO SCHEMA BINDING, then run the hour again."),
    (r"53100", r"disk full", "Free or add storage in the cluster, then run the hour again."),
    ("", r"table limit|too many tables|quota", "Raise the quota, or remove tables that nobody needs."),
    ("", r"nosuchkey|manifest|s3serviceexception", "Check the staged objects and the cluster's role; stage again."),
    (r"22001", r"length of the data column|value too long", "The staged rows don't fit their column: stage again."),
    (f"{MISSING_TABLE}|42703|42P07", "", "A table differs from what the load planned for: run the hour again."),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as the server tells it; the code is empty where it came from the driver or the network."""

    code: str
    message: str
    detail: str = ""

    @property
    def text(self) -> str:
        """Message and detail in one line."""
        return " ".join(f"{self.message} {self.detail}".split())


def fault_of(error: BaseException) -> Fault:
    """Read an error of the driver: the server's come as a dictionary of its fields."""
    fields = error.args[0] if error.args else None
    if isinstance(fields, dict):
        return Fault(str(fields.get("C", "")), str(fields.get("M", "")), str(fields.get("D", "")))
    return Fault("", str(error) or type(error).__name__)


def explain(error: BaseException, text: str, where: str) -> ClickstreamError:
    """Return our error for one of the driver's; the message has the statement's beginning, never its parameters."""
    fault = fault_of(error)
    # The server quotes the value that it could not take; driver and network quote nothing.
    cause = mask_values(fault.text[:_LONGEST_CAUSE]) if fault.code else fault.text[:_LONGEST_CAUSE]
    failed = text if text.startswith("opening") else f"running {text[:60]!r}"
    reason = _why_passing(error, fault)
    if reason is not None:
        remedy = f"{reason[:1].upper()}{reason[1:]}; it is tried again."
        kind = StatementStoppedError if fault.code in _STOPPED else WarehouseUnavailableError
        return kind(failed, where=where, cause=cause, remedy=remedy)
    if fault.code in _NO_ENTRY or failed == text or _is_no_entry(fault):
        remedy = "Check the destination's settings, its secret and the rights of this process."
        return ConfigurationError(failed, where=where, cause=cause, remedy=remedy)
    return LoadError(failed, where=where, cause=cause, remedy=_remedy(fault))


def _why_passing(error: BaseException, fault: Fault) -> str | None:
    """Return the reason why waiting may help, None when it doesn't."""
    if fault.code.startswith("08") or isinstance(error, OperationalError):
        return "the connection was lost"
    if _is_no_entry(fault):
        return None
    if isinstance(error, LOST):
        return "the connection was lost"
    if fault.code in _PASSING_CODES:
        return _PASSING_CODES[fault.code]
    for pattern, reason in _PASSING_TEXTS:
        if re.search(pattern, fault.text, re.IGNORECASE):
            return reason
    is_lost = not fault.code and re.search(_LOST_TEXTS, fault.text, re.IGNORECASE)
    return "the connection was lost or refused" if is_lost else None


def _is_no_entry(fault: Fault) -> bool:
    return not fault.code and re.search(_NO_ENTRY_TEXTS, fault.text, re.IGNORECASE) is not None


def _remedy(fault: Fault) -> str:
    for code, pattern, remedy in _REMEDIES:
        if (code and re.fullmatch(code, fault.code)) or (pattern and re.search(pattern, fault.text, re.IGNORECASE)):
            return remedy
    return "Report it with this message."
