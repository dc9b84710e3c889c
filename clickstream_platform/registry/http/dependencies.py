"""What a route asks for before it runs: a permission, the registry in the caller's name, a revision.

Belongs here: FastAPI dependencies. Does not: finding out who asks (`middleware`), the table of scopes (`access`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import Depends, Header, Query, Request

from clickstream_platform.model.naming import is_slug
from clickstream_platform.registry import refusals
from clickstream_platform.registry.access import Permission, Principal
from clickstream_platform.registry.http.middleware import caller_of
from clickstream_platform.registry.http.problems import Problem, ProblemError
from clickstream_platform.registry.service import RegistryService

DEFAULT_LIMIT, MAX_LIMIT = 100, 1_000
MAX_AUDIT_LIMIT = 100
"""An entry holds its subject before and after: up to some ten kilobytes."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_REVISION = re.compile(r'"([1-9][0-9]{0,17})"')
_NEVER = 0
"""A revision that nothing has."""

_IN_PATH: Mapping[str, Callable[[str, str], refusals.NotFoundError | None]] = {
    "event": lambda customer, text: None if is_slug(text) else refusals.unknown_event(customer, text),
    "name": lambda _, text: None if is_slug(text) else refusals.unknown_destination(text),
    "key_id": lambda _, text: None if _ID.fullmatch(text) else refusals.unknown_key("write key", text),
    "token_id": lambda _, text: None if _ID.fullmatch(text) else refusals.unknown_key("API token", text),
}


class Needs:
    """The dependency that every route has exactly one of: who may use it."""

    def __init__(self, permission: Permission | None) -> None:
        """Ask for a permission; None asks for any valid token."""
        self.permission = permission

    async def __call__(self, request: Request) -> None:
        """Let a request through, or end it."""
        self.check(caller_of(request.scope).principal, request.path_params)

    def check(self, principal: Principal, path: Mapping[str, str]) -> None:
        """Raise unless the principal may use the route with these parameters of its path.

        A customer that the principal does not see is refused first, and in the words for one that does not exist.
        """
        customer = path.get("customer")
        if customer is not None and not (principal.sees(customer) and is_slug(customer)):
            raise refusals.unknown_customer(customer)
        if self.permission is not None and not principal.may(self.permission):
            detail = f"The scope {principal.scope} does not have the permission {self.permission}."
            raise ProblemError(Problem.NOT_ALLOWED, detail)
        for name, refusal_of in _IN_PATH.items():
            refusal = refusal_of(customer or "", path[name]) if name in path else None
            if refusal is not None:
                raise refusal


async def _principal(request: Request) -> Principal:
    return caller_of(request.scope).principal


async def _registry(request: Request) -> RegistryService:
    service: RegistryService = request.app.state.registry
    return service.acting_as(caller_of(request.scope).principal.name)


async def _expected_revision(
    if_match: Annotated[
        str | None, Header(description='The ETag that was read, such as `"3"`, or `*`; another one gives 412.')
    ] = None,
) -> int | None:
    """Return the revision that a change is meant for; None for any."""
    if if_match is None or if_match.strip() == "*":
        return None
    if not _ENTITY_TAG.fullmatch(if_match.strip()):
        raise ProblemError(Problem.MALFORMED, 'If-Match takes one entity tag, such as "3", or *.')
    match = _REVISION.fullmatch(if_match.strip())
    return int(match[1]) if match else _NEVER


async def _known_tags(
    if_none_match: Annotated[str | None, Header(description="ETags that were read; the current one gives 304.")] = None,
) -> frozenset[str]:
    """Return the entity tags that the caller has, compared weakly."""
    given = if_none_match or ""
    if given.strip() == "*":
        return frozenset("*")
    return frozenset(tag.removeprefix("W/") for tag in _ENTITY_TAG.findall(given))


PrincipalOf = Annotated[Principal, Depends(_principal)]
Registry = Annotated[RegistryService, Depends(_registry)]
ExpectedRevision = Annotated[int | None, Depends(_expected_revision)]
KnownTags = Annotated[frozenset[str], Depends(_known_tags)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items of a page.")]
AuditLimit = Annotated[int, Query(ge=1, le=MAX_AUDIT_LIMIT, description="Entries of a page.")]
After = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$", description="`next` of the page before.")]
AfterNumber = Annotated[int | None, Query(ge=1, le=2**62, description="`next` of the page before.")]
