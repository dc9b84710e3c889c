"""Every refusal of the API as a problem document (RFC 9457) with a code that stays the same.

Belongs here: the codes, the table from error class to code, the document. Does not: registering it with the framework
(`refusing`), the errors themselves (`registry.refusals`).

Nothing that the caller did not send or may not know gets into a document: where the fault is ours, it has no detail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import orjson
from starlette.responses import Response

from clickstream_platform.errors import ClickstreamError, InvalidNameError, RegistryError, RetryableError
from clickstream_platform.record_contracts.bounds import InvalidSchemaError
from clickstream_platform.registry import refusals

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
"""What is said when nobody knows how long it takes."""
MAX_DETAIL_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Kind:
    """What all problems of one code have in common."""

    code: str
    status: int
    title: str
    remedy: str = ""
    """What to do, where the problem itself does not say."""


class Problem(Enum):
    """All problems; docs/registry-api.md has this table, held by a test."""

    MALFORMED = Kind("CP-1001", 400, "The request cannot be read", "Send a body and headers of the documented form.")
    NO_TOKEN = Kind("CP-1002", 401, "A token is needed", "Send the header `Authorization: Bearer <token>`.")
    BAD_TOKEN = Kind("CP-1003", 401, "The token is not valid", "Ask an administrator for a new one.")
    NOT_ALLOWED = Kind("CP-1004", 403, "The token does not allow this", "Use a token of a scope that does.")
    NOT_FOUND = Kind("CP-1005", 404, "There is no such thing", "Check the address.")
    NO_ROUTE = Kind("CP-1006", 404, "There is no such address", "See /openapi.json for all addresses.")
    WRONG_METHOD = Kind("CP-1007", 405, "The address does not take this method", "See the header Allow.")
    NOT_ACCEPTABLE = Kind("CP-1008", 406, "The answer has another media type", "Accept the documented media type.")
    CONFLICT = Kind("CP-1009", 409, "What it is now does not allow the change")
    IN_PROGRESS = Kind("CP-1010", 409, "A request with this Idempotency-Key is under way", "Wait, then repeat it.")
    NOT_CONNECTED = Kind(
        "CP-1011", 409, "This service has no access to raw objects", "Start it where the object store is configured."
    )
    STALE = Kind("CP-1012", 412, "It was changed since it was read", "Read it again and repeat the change.")
    TOO_LARGE = Kind("CP-1013", 413, "The body is too long", "Send less at once.")
    WRONG_MEDIA_TYPE = Kind("CP-1014", 415, "The body has another media type", "Send the documented media type.")
    INVALID_FIELDS = Kind("CP-1015", 422, "Fields are missing or not of their type", "Correct the fields named.")
    INVALID = Kind("CP-1016", 422, "A name or value is outside its grammar or limits")
    KEY_REUSED = Kind(
        "CP-1017", 422, "The Idempotency-Key was used for another request", "Use a new key for each request."
    )
    TOO_MANY = Kind("CP-1018", 429, "Too many requests", "Wait as long as the header Retry-After says.")
    UNAVAILABLE = Kind("CP-1019", 503, "The registry's database does not answer", "Try again in a moment.")
    OUTSIDE_AWAY = Kind("CP-1020", 503, "A service that this needs does not answer", "Try again in a moment.")
    INTERNAL = Kind("CP-1021", 500, "Something went wrong inside", "Report it with the request id.")
    OTHER = Kind("CP-1022", 400, "The request was refused", "See /openapi.json for what is taken.")


_BY_ERROR: Sequence[tuple[type[ClickstreamError], Problem]] = (
    (refusals.NotFoundError, Problem.NOT_FOUND),
    (refusals.ConflictError, Problem.CONFLICT),
    (refusals.StaleRevisionError, Problem.STALE),
    (refusals.InvalidRequestError, Problem.INVALID),
    (refusals.UnauthenticatedError, Problem.BAD_TOKEN),
    (InvalidNameError, Problem.INVALID),
    (InvalidSchemaError, Problem.INVALID),
)
_OURS = frozenset({Problem.UNAVAILABLE, Problem.OUTSIDE_AWAY, Problem.INTERNAL})
_BY_STATUS: Mapping[int, Problem] = {
    400: Problem.MALFORMED,
    401: Problem.BAD_TOKEN,
    403: Problem.NOT_ALLOWED,
    404: Problem.NO_ROUTE,
    405: Problem.WRONG_METHOD,
    406: Problem.NOT_ACCEPTABLE,
    413: Problem.TOO_LARGE,
    415: Problem.WRONG_MEDIA_TYPE,
    429: Problem.TOO_MANY,
    503: Problem.UNAVAILABLE,
}


class ProblemError(Exception):
    """Ends a request with a problem; for what only the transport refuses."""

    def __init__(self, problem: Problem, detail: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        """Say which problem, what about this request, and which headers the answer has besides."""
        super().__init__(f"{problem.value.code} {detail}".strip())
        self.problem, self.detail, self.headers = problem, detail, dict(headers or {})


def problem_of_error(error: ClickstreamError) -> Problem:
    """Return which problem an error of the platform is."""
    for kind, problem in _BY_ERROR:
        if isinstance(error, kind):
            return problem
    if isinstance(error, refusals.RegistryUnavailableError) or type(error) is RegistryError:
        return Problem.UNAVAILABLE  # the second is a database that is there and cannot be used
    return Problem.OUTSIDE_AWAY if isinstance(error, RetryableError) else Problem.INTERNAL


def problem_of_status(status: int) -> Problem:
    """Return which problem a bare status of the framework is."""
    return _BY_STATUS.get(status, Problem.INTERNAL if status >= 500 else Problem.OTHER)


def error_response(error: ClickstreamError) -> Response:
    """Return the answer to a request that an error of the platform ended."""
    problem = problem_of_error(error)
    if problem in _OURS:
        return problem_response(problem)
    about = f"{error.failed} {error.where}".strip()
    return problem_response(problem, f"{about}: {error.cause}." if error.cause else about, remedy=error.remedy)


def problem_response(
    problem: Problem,
    detail: str = "",
    *,
    remedy: str = "",
    faults: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer with a problem document; `faults` name each field and what is wrong with it."""
    kind = problem.value
    document: dict[str, object] = {
        "type": f"urn:clickstream-platform:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
        "detail": _safe(detail) or kind.title,
        "remedy": _safe(remedy) or kind.remedy,
    }
    if faults:
        document["faults"] = [{name: _safe(text) for name, text in fault.items()} for fault in faults]
    sent = dict(headers or {})
    if problem is Problem.NO_TOKEN:
        sent.setdefault("WWW-Authenticate", "Bearer")
    elif problem is Problem.BAD_TOKEN:
        sent.setdefault("WWW-Authenticate", 'Bearer error="invalid_token"')
    elif kind.status == 503:
        sent.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return Response(orjson.dumps(document), kind.status, headers=sent, media_type=MEDIA_TYPE)


def _safe(text: str) -> str:
    """Return a text that UTF-8 can write, of bearable length."""
    return text.encode("utf-8", "replace").decode()[:MAX_DETAIL_CHARACTERS]
