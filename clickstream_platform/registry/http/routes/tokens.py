"""API tokens: list, add, revoke.

Belongs here: their routes. Does not: recognising one (`authentication`).
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.documents import to_document
from clickstream_platform.registry.http.answers import answered, page
from clickstream_platform.registry.http.bodies import NewToken
from clickstream_platform.registry.http.dependencies import After, ExpectedRevision, Limit, Needs, Registry
from clickstream_platform.registry.http.documents import NewTokenDocument, Page, TokenDocument
from clickstream_platform.registry.http.routing import ApiRoute

router = APIRouter(route_class=ApiRoute, tags=["tokens"])
WRITE = Depends(Needs(Permission.WRITE_TOKENS))


@router.get("/v1/tokens", dependencies=[WRITE], response_model=Page[TokenDocument])
def list_tokens(
    request: Request, response: Response, registry: Registry, limit: Limit = 100, after: After = ""
) -> dict[str, Any]:
    """List all tokens by id, revoked ones too; never their text."""
    found = sorted((each for each in registry.list_tokens() if each.id > after), key=lambda each: each.id)
    return page(request, response, found, limit, after=lambda each: each.id, form=to_document)


@router.post("/v1/tokens", dependencies=[WRITE], response_model=NewTokenDocument, status_code=201)
def add_token(response: Response, registry: Registry, body: NewToken) -> dict[str, Any]:
    """Add a token; its text is in this answer and nowhere else."""
    token, secret = registry.add_token(body.name, body.scope, customer=body.customer, expires_at=body.expires_at)
    return answered(response, token) | {"secret": secret}


@router.post("/v1/tokens/{token_id}/revoke", dependencies=[WRITE], response_model=TokenDocument)
def revoke_token(response: Response, registry: Registry, token_id: str, expected: ExpectedRevision) -> dict[str, Any]:
    """Take a token back at once, and with it the sessions it opened."""
    return answered(response, registry.revoke_token(token_id, expected_revision=expected))
