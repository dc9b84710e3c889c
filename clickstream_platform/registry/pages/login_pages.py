"""Logging in with an API token, and out.

Belongs here: the cookie and the two pages around it. Does not: what a token is (`registry.tokens`), who is let in
where (`gate`).
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.pages.gate import error_page, is_same_site, principal_of
from clickstream_platform.registry.pages.limiting import WINDOW_MINUTES
from clickstream_platform.registry.pages.rendering import render
from clickstream_platform.registry.pages.visits import COOKIE, Desk, Visit, page_address
from clickstream_platform.registry.refusals import RegistryUnavailableError, UnauthenticatedError

SESSION_SECONDS = 12 * 3600
_REASONS = {
    "expired": "Your session is over. Log in again.",
    "out": "You are logged out.",
}


def show_login(request: Request, *, problem: str = "", status: int = 200) -> Response:
    """Show the form that asks for a token."""
    said = _REASONS.get(request.query_params.get("said", ""), "")
    return render("login.html", request, status=status, problem=problem, said=said, to=_wanted(request, {}))


def log_in(request: Request, desk: Desk, form: Mapping[str, str]) -> Response:
    """Open a session for a token and send the browser to where it wanted to go."""
    address = request.client.host if request.client else ""
    if not is_same_site(request):
        return show_login(request, problem="That form came from another site.", status=403)
    if desk.guard.is_closed(address):
        problem = f"Too many tokens were wrong. Try again in {WINDOW_MINUTES} minutes."
        answer = show_login(request, problem=problem, status=429)
        answer.headers["Retry-After"] = str(WINDOW_MINUTES * 60)
        return answer
    text = form.get("token", "").strip()
    try:
        principal = principal_of(desk.registry.authenticate(text))
        if not principal.may(Permission.READ):
            return show_login(request, problem="This token is for a service, not for these pages.", status=403)
        session = desk.registry.open_session(text)
    except UnauthenticatedError:
        desk.guard.note_failure(address)
        return show_login(request, problem="This token opens nothing. Is it complete?", status=401)
    except RegistryUnavailableError as error:
        return error_page(request, error)
    answer = RedirectResponse(f"{page_address(request)}{_wanted(request, form)}", status_code=303)
    answer.set_cookie(
        COOKIE,
        session,
        max_age=SESSION_SECONDS,
        path=_cookie_path(request),
        httponly=True,
        samesite="strict",
        secure=desk.settings.registry_secure_cookies,
    )
    return answer


def log_out(visit: Visit) -> Response:
    """End the session."""
    visit.registry.close_session(visit.session)
    answer = visit.go("login", said="out")
    answer.delete_cookie(COOKIE, path=_cookie_path(visit.request))
    return answer


def _wanted(request: Request, form: Mapping[str, str]) -> str:
    """Return the page to go to: a path below this mount, so that nobody is sent to another site."""
    path = form.get("to") or request.query_params.get("to", "")
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def _cookie_path(request: Request) -> str:
    return str(request.scope.get("root_path", "")) or "/"
