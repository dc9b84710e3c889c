"""Write keys of a customer: list, add, read, rotate, revoke.

Belongs here: their routes. Does not: checking the key of an arriving record (the collector does, by the snapshot).
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.documents import to_document
from clickstream_platform.registry.http.answers import answered, page
from clickstream_platform.registry.http.bodies import NewWriteKey, Rotation
from clickstream_platform.registry.http.dependencies import After, ExpectedRevision, KnownTags, Limit, Needs, Registry
from clickstream_platform.registry.http.documents import NewWriteKeyDocument, Page, WriteKeyDocument
from clickstream_platform.registry.http.routing import ApiRoute

router = APIRouter(route_class=ApiRoute, tags=["write keys"])
READ, WRITE = Depends(Needs(Permission.READ)), Depends(Needs(Permission.WRITE_KEYS))
ALL = "/v1/customers/{customer}/write-keys"
ONE = f"{ALL}/{{key_id}}"


@router.get(ALL, dependencies=[READ], response_model=Page[WriteKeyDocument])
def list_write_keys(
    request: Request, response: Response, registry: Registry, customer: str, limit: Limit = 100, after: After = ""
) -> dict[str, Any]:
    """List a customer's write keys by id, revoked ones too; never a key."""
    found = sorted((each for each in registry.list_write_keys(customer) if each.id > after), key=lambda each: each.id)
    return page(request, response, found, limit, after=lambda each: each.id, form=to_document)


@router.post(ALL, dependencies=[WRITE], response_model=NewWriteKeyDocument, status_code=201)
def add_write_key(response: Response, registry: Registry, customer: str, body: NewWriteKey) -> dict[str, Any]:
    """Add a write key; the key itself is in this answer and nowhere else."""
    key, secret = registry.add_write_key(customer, body.name, expires_at=body.expires_at)
    path = f"/v1/customers/{customer}/write-keys/{key.id}"
    return answered(response, key, created_at=path) | {"secret": secret}


@router.get(ONE, dependencies=[READ], response_model=WriteKeyDocument, responses={304: {"description": "Unchanged."}})
def get_write_key(
    response: Response, registry: Registry, customer: str, key_id: str, known: KnownTags
) -> dict[str, Any]:
    """Read a write key, without the key."""
    return answered(response, registry.get_write_key(customer, key_id), known=known)


@router.post(f"{ONE}/rotate", dependencies=[WRITE], response_model=NewWriteKeyDocument, status_code=201)
def rotate_write_key(
    response: Response,
    registry: Registry,
    customer: str,
    key_id: str,
    expected: ExpectedRevision,
    body: Rotation | None = None,
) -> dict[str, Any]:
    """Add a key in place of another, which is taken for some hours more; If-Match takes the ETag of the old one."""
    grace_hours = (body or Rotation()).grace_hours
    key, secret = registry.rotate_write_key(customer, key_id, grace_hours=grace_hours, expected_revision=expected)
    path = f"/v1/customers/{customer}/write-keys/{key.id}"
    return answered(response, key, created_at=path) | {"secret": secret}


@router.post(f"{ONE}/revoke", dependencies=[WRITE], response_model=WriteKeyDocument)
def revoke_write_key(
    response: Response, registry: Registry, customer: str, key_id: str, expected: ExpectedRevision
) -> dict[str, Any]:
    """Take a key back at once."""
    return answered(response, registry.revoke_write_key(customer, key_id, expected_revision=expected))
