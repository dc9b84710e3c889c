"""What happens to every request: an id, a caller, a limit, headers, counting, and an answer whatever fails.

Belongs here: what does not depend on the route. Does not: permissions (`dependencies`), bodies and answers (`routing`).
Plain ASGI: nothing here needs a request read or an answer held back.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.registry.http.api_settings import ApiSettings
from clickstream_platform.registry.http.authentication import Authenticator, Caller, bearer_token
from clickstream_platform.registry.http.measures import Measures
from clickstream_platform.registry.http.problems import (
    Problem,
    ProblemError,
    error_response,
    problem_of_error,
    problem_of_status,
    problem_response,
)
from clickstream_platform.registry.http.rate_limits import RateLimits, address_of
from clickstream_platform.registry.http.service_log import log_failure
from clickstream_platform.registry.refusals import UnauthenticatedError

PAGES = "/admin"
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""Besides the pages, which ask for a login of their own: all that answers without a token."""
LONG_PATHS = re.compile(r"/v1/import|/v1/customers/[^/]+/sightings")
"""What may be long: a whole registry, and the events of an hour with their samples."""
CALLER = "clickstream_caller"
REQUEST_ID = "clickstream_request_id"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def is_page(path: str) -> bool:
    """Whether a path belongs to the pages, which have their own login and headers."""
    return path == PAGES or path.startswith(f"{PAGES}/")


class EnvelopeMiddleware:
    """Outermost: request id, HEAD, headers, metrics, and an answer to errors that nothing else caught."""

    def __init__(self, app: ASGIApp, measures: Measures, settings: ApiSettings) -> None:
        """Wrap an application."""
        self._app, self._measures, self._settings = app, measures, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_long = LONG_PATHS.fullmatch(scope["path"]) is not None
        most = self._settings.max_long_body_bytes if is_long else self._settings.max_body_bytes
        visit = _Visit(scope, receive, send, self._measures, most)
        try:
            await self._app(visit.scope, visit.receive, visit.send)
        except HTTPException as error:
            await visit.fail(problem_response(problem_of_status(error.status_code)))
        except Exception as error:  # noqa: BLE001 - the last place to answer; what it was is in the log
            log_failure("unexpected error", visit.request_id, error)
            await visit.fail(problem_response(Problem.INTERNAL))
        finally:
            visit.count()


class _Visit:
    """One request on its way in and its answer on its way out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, measures: Measures, max_bytes: int) -> None:
        self._receive, self._send, self._measures = receive, send, measures
        self._max_bytes = max_bytes
        self._started, self._body_bytes, self._status = time.perf_counter(), 0, 0
        self._method: str = scope["method"]
        headers = Headers(scope=scope)
        given, announced = headers.get("x-request-id", ""), headers.get("content-length", "")
        self._is_too_long = announced.isdecimal() and (len(announced) > 18 or int(announced) > max_bytes)
        self.request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        self.scope: Scope = {**scope, REQUEST_ID: self.request_id}  # a copy: the server goes by its own
        if self._method == "HEAD" and not is_page(scope["path"]):
            self.scope["method"] = "GET"  # the same answer; its body is left out below

    async def receive(self) -> Message:
        if self._is_too_long:
            raise HTTPException(413)
        message = await self._receive()
        if message["type"] == "http.request":
            self._body_bytes += len(message.get("body", b""))
            if self._body_bytes > self._max_bytes:
                raise HTTPException(413)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            if not is_page(self.scope["path"]):
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
        elif message["type"] == "http.response.body" and self._method == "HEAD":
            message = {**message, "body": b""}
        await self._send(message)

    async def fail(self, response: Response) -> None:
        if not self._status:
            await response(self.scope, self._receive, self.send)

    def count(self) -> None:
        method = self._method if self._method in _METHODS else "other"
        labels = (method, route_label(self.scope))
        self._measures.requests.labels(*labels, str(self._status)).inc()
        self._measures.durations.labels(*labels).observe(time.perf_counter() - self._started)
        if self._body_bytes:
            self._measures.bodies.labels(*labels).observe(self._body_bytes)


def route_label(scope: Scope) -> str:
    """Return the template of the route that was found, never what the caller wrote."""
    if is_page(scope["path"]):
        return PAGES
    return str(getattr(scope.get("route"), "path", "none"))


class AccessMiddleware:
    """Finds out who is asking and holds them to the limit, before a route or a body is looked at."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, limits: RateLimits, measures: Measures) -> None:
        """Wrap an application."""
        self._app, self._authenticator, self._limits = app, authenticator, limits
        self._measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._admit(scope)
        except ProblemError as error:
            refusal = problem_response(error.problem, error.detail, headers=error.headers)
            self._measures.problems.labels(error.problem.value.code).inc()
            await refusal(scope, receive, send)
            return
        except ClickstreamError as error:
            log_failure("authentication failed", scope[REQUEST_ID], error)
            self._measures.problems.labels(problem_of_error(error).value.code).inc()
            await error_response(error)(scope, receive, send)
            return
        scope[CALLER] = caller
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> Caller | None:
        address, path = address_of(scope.get("client")), scope["path"]
        if is_page(path) or path in OPEN_PATHS:
            self._take("address", address)
            return None
        try:
            token = bearer_token(scope["headers"])
        except ProblemError:
            self._take("address", address)
            raise
        if not self._authenticator.was_good(token) and self._limits.is_spent("address", address):
            raise self._too_many("address", address)
        try:
            caller = await run_in_threadpool(self._authenticator.authenticate, token)
        except UnauthenticatedError as error:
            self._authenticator.forget(token)
            self._take("address", address)
            raise ProblemError(Problem.BAD_TOKEN, "It is wrong, revoked or expired.") from error
        except ProblemError:  # of an issuer: it does not answer, or gives nothing that opens anything here
            self._take("address", address)
            raise
        self._take("token", caller.key)
        return caller

    def _take(self, kind: str, who: str) -> None:
        if not self._limits.take(kind, who):
            raise self._too_many(kind, who)

    def _too_many(self, kind: str, who: str) -> ProblemError:
        seconds = str(self._limits.wait_seconds(kind, who))
        return ProblemError(Problem.TOO_MANY, f"More than the limit for one {kind}.", headers={"Retry-After": seconds})


def caller_of(scope: Any) -> Caller:  # noqa: ANN401 - a mapping, typed differently by its users
    """Return who sent a request; raise ProblemError where nobody had to say."""
    caller = scope.get(CALLER)
    if not isinstance(caller, Caller):
        raise ProblemError(Problem.NO_TOKEN)
    return caller
