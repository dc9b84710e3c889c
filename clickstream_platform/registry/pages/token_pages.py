"""API tokens, for those who may hand them out.

Belongs here: making and revoking a token; showing its text once, on the answer to the very form. Does not: what a token
opens (`registry.access`).
"""

from __future__ import annotations

from starlette.responses import Response

from clickstream_platform.errors import ClickstreamError, RegistryError
from clickstream_platform.registry.access import GRANTS, Permission, Scope
from clickstream_platform.registry.entities import ApiToken
from clickstream_platform.registry.pages.forms import Fields
from clickstream_platform.registry.pages.gate import PageRoute, problem_status, problem_text
from clickstream_platform.registry.pages.visits import Visit

SCOPES: dict[Scope, str] = {
    "admin": "everything, these tokens included",
    "operator": "all customers, their events, keys and policies",
    "customer_read": "one customer, to look at",
    "customer_write": "one customer, its events, contracts and keys to change",
    "collector": "what the collector asks: which write keys are valid",
    "loader": "what Dagster asks, and announcing what arrived",
}


def show_tokens(visit: Visit) -> Response:
    """Show all tokens and the form of a new one."""
    return _show(visit)


def add_token(visit: Visit) -> Response:
    """Make a token and show its text."""
    fields = Fields(visit.form)
    try:
        token, text = visit.registry.add_token(
            fields.required("name", "Name"),
            fields.text("scope"),  # type: ignore[arg-type] # the registry refuses any other
            customer=fields.text("customer") or None,
            expires_at=fields.day("expires", "Last day"),
        )
    except RegistryError as error:
        return _show(visit, error)
    return _show(visit, made=token, text=text)


def confirm_revocation(visit: Visit) -> Response:
    """Say what revoking a token means, and ask."""
    token = visit.registry.get_token(visit.part("token"))
    return visit.show("token-revoke.html", token=token, is_own=token.id == visit.token.id)


def revoke_token(visit: Visit) -> Response:
    """Make a token open nothing any more, at once."""
    try:
        visit.registry.revoke_token(visit.part("token"), expected_revision=Fields(visit.form).revision())
    except RegistryError as error:
        return _show(visit, error)
    return visit.go("tokens", said="token-revoked")


def _show(
    visit: Visit, error: ClickstreamError | None = None, *, made: ApiToken | None = None, text: str | None = None
) -> Response:
    now = visit.desk.clock.now()
    tokens = visit.registry.list_tokens()
    return visit.show(
        "tokens.html",
        status=200 if error is None else problem_status(error),
        problem="" if error is None else problem_text(error),
        tokens=sorted(tokens, key=lambda token: (not token.is_valid(now), token.name.casefold(), token.id)),
        scopes={scope: SCOPES[scope] for scope in GRANTS},
        made=made,
        text=text,
        form={"name": "", "scope": "operator", "customer": "", "expires": "", **(visit.form if error else {})},
    )


TOKEN_ROUTES = (
    PageRoute("GET", "/tokens", Permission.WRITE_TOKENS, show_tokens),
    PageRoute("POST", "/tokens", Permission.WRITE_TOKENS, add_token),
    PageRoute("GET", "/tokens/{token}/revoke", Permission.WRITE_TOKENS, confirm_revocation),
    PageRoute("POST", "/tokens/{token}/revoke", Permission.WRITE_TOKENS, revoke_token),
)
