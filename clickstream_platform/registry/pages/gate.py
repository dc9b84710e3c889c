"""The one way to a page: who is let in, to what, and what is said when it is refused.

Belongs here: session, rights, forged forms, limits of a form, and errors as pages, for every route alike. Does not:
the pages, the routes (`mounting`).

A customer that the token does not see and one that does not exist give the same answer.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clickstream_platform.errors import ClickstreamError, RegistryError, RetryableError
from clickstream_platform.registry.access import Permission, Principal
from clickstream_platform.registry.entities import ApiToken
from clickstream_platform.registry.pages.rendering import render
from clickstream_platform.registry.pages.visits import COOKIE, Desk, Visit, csrf_token, page_address
from clickstream_platform.registry.refusals import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    StaleRevisionError,
    UnauthenticatedError,
)

_log = logging.getLogger(__name__)
MAX_FORM_BYTES = 1_000_000
MAX_FORM_FIELDS = 100
_CHANGED_MEANWHILE = "Somebody else changed this after you opened the page, so nothing was changed. Look at it again."


@dataclass(frozen=True)
class PageRoute:
    """A page, or what a form is sent to; a path with `{customer}` is for those who see that customer."""

    method: Literal["GET", "POST"]
    path: str
    permission: Permission
    handle: Callable[[Visit], Response]


def gated(route: PageRoute, desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a route: checks who asks, then runs the page in a thread."""

    async def endpoint(request: Request) -> Response:
        form = await read_form(request) if route.method == "POST" else {}
        if form is None:
            return refuse(request, 400, "That was no form of this page.", "Go back, reload the page and try again.")
        return await run_in_threadpool(answer, route, desk, request, form)

    return endpoint


def answer(route: PageRoute, desk: Desk, request: Request, form: Mapping[str, str]) -> Response:
    """Answer one request, whatever happens."""
    session = request.cookies.get(COOKIE, "")
    try:
        token = desk.registry.session_token(session) if session else None
        if token is None:
            return to_login(request)
        visit = Visit(request, desk, form, session, token, principal_of(token))
        return refusal_of(route, visit) or route.handle(visit)
    except UnauthenticatedError:
        return to_login(request, said="expired")
    except ClickstreamError as error:
        return error_page(request, error)


def principal_of(token: ApiToken) -> Principal:
    """Return who a token is for."""
    return Principal(f"token:{token.name}", token.scope, token.customer)


def refusal_of(route: PageRoute, visit: Visit) -> Response | None:
    """Return why a visit goes no further; None when it may."""
    if route.method == "POST" and not is_own_form(visit):
        text = "The form was sent from another place, or from a page of an earlier login. Nothing was changed."
        return refuse(visit.request, 403, "This form cannot be taken.", text)
    if any("\0" in text for text in (*visit.request.path_params.values(), *visit.form.values())):
        return refuse(
            visit.request, 400, "This cannot be taken.", "It holds the character NUL, which nothing here has."
        )
    customer = visit.request.path_params.get("customer")
    if customer is not None and not visit.principal.sees(customer):
        return not_found(visit.request)
    if not visit.principal.may(route.permission):
        return refuse(visit.request, 403, "Your token does not allow this.", "Ask whoever gave you the token.")
    return None


def is_own_form(visit: Visit) -> bool:
    """Whether a form was sent from a page of this very session."""
    sent = visit.form.get("csrf", "").encode()
    return is_same_site(visit.request) and hmac.compare_digest(sent, csrf_token(visit.session).encode())


def is_same_site(request: Request) -> bool:
    """Whether the browser, where it says so, was on a page of this origin."""
    return request.headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}


async def read_form(request: Request) -> dict[str, str] | None:
    """Read a form of at most a megabyte, None for anything else; of a field sent twice the last counts."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return None
    try:
        text = body.decode("ascii")
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS, errors="strict")
    except ValueError:
        return None
    # A browser ends lines of a text area with CR LF.
    return {name: value.replace("\r\n", "\n") for name, value in fields}


def to_login(request: Request, said: str | None = None) -> Response:
    """Send the browser to the login page, and from there back to where a GET wanted to go."""
    base = request.scope.get("root_path", "")
    wanted = request.url.path.removeprefix(base) if request.method in {"GET", "HEAD"} else None
    address = page_address(request, "login", said=said, to=wanted if wanted not in {"", "/"} else None)
    return RedirectResponse(address, status_code=303)


def problem_text(error: ClickstreamError) -> str:
    """Return an error in the words of the page; a remedy that names a command is left out."""
    if isinstance(error, StaleRevisionError):
        return _CHANGED_MEANWHILE
    if isinstance(error, RetryableError):
        return "What this needs does not answer now. Try again in a moment."
    if problem_status(error) == 500:
        # What it says is for whoever runs the platform: it may name hosts and folders.
        _log.error("a page failed: %s", error)
        return "Something went wrong. The log of the registry says what it was."
    remedy = error.remedy if isinstance(error, InvalidRequestError) and "`clickstream" not in error.remedy else ""
    cause = error.cause.rstrip(".")
    return f"{cause[:1].upper()}{cause[1:]}. {remedy}".strip()


def problem_status(error: ClickstreamError) -> int:
    """Return the HTTP status of a refused change."""
    if isinstance(error, NotFoundError):
        return 404
    if isinstance(error, ConflictError | StaleRevisionError):
        return 409
    if isinstance(error, RetryableError):
        return 503
    return 422 if isinstance(error, InvalidRequestError) else 500


def error_page(request: Request, error: ClickstreamError) -> Response:
    """Return the page of an error that no page handled."""
    if isinstance(error, NotFoundError):
        return not_found(request)
    if isinstance(error, RetryableError):
        response = refuse(request, 503, "The registry is busy.", "Wait a moment and reload the page.")
        response.headers["Retry-After"] = "5"
        return response
    if isinstance(error, RegistryError) and problem_status(error) != 500:
        return refuse(request, problem_status(error), "This was not done.", problem_text(error))
    _log.error("a page failed: %s", error)
    return broken(request)


def broken(request: Request) -> Response:
    """Return the page for what should not have happened."""
    return refuse(request, 500, "Something went wrong.", "The log of the registry says what it was.")


def not_found(request: Request) -> Response:
    """Return the page for what is not there."""
    return refuse(request, 404, "There is nothing here.", "It may have been renamed, or it never existed.")


def refuse(request: Request, status: int, title: str, text: str) -> Response:
    """Return a page that says why something was refused."""
    return render("refusal.html", request, status=status, title=title, text=text)
