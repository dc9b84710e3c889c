"""The log of changes, of all customers or of one.

Belongs here: its routes. Does not: writing it (`registry.operations`).
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.documents import audit_document
from clickstream_platform.registry.http.answers import page
from clickstream_platform.registry.http.dependencies import AfterNumber, AuditLimit, Needs, Registry
from clickstream_platform.registry.http.documents import AuditDocument, Page
from clickstream_platform.registry.http.routing import ApiRoute

router = APIRouter(route_class=ApiRoute, tags=["log of changes"])


@router.get("/v1/audit", dependencies=[Depends(Needs(Permission.READ_AUDIT))], response_model=Page[AuditDocument])
def list_changes(
    request: Request, response: Response, registry: Registry, limit: AuditLimit = 100, after: AfterNumber = None
) -> dict[str, Any]:
    """List who changed what and when, newest first."""
    found = registry.list_audit(before=after, limit=limit + 1)
    return page(request, response, found, limit, after=lambda each: each.number, form=audit_document)


@router.get(
    "/v1/customers/{customer}/audit",
    dependencies=[Depends(Needs(Permission.READ))],
    response_model=Page[AuditDocument],
)
def list_customer_changes(
    request: Request,
    response: Response,
    registry: Registry,
    customer: str,
    limit: AuditLimit = 100,
    after: AfterNumber = None,
) -> dict[str, Any]:
    """List the changes that concern one customer, newest first."""
    found = registry.list_audit(customer, before=after, limit=limit + 1)
    return page(request, response, found, limit, after=lambda each: each.number, form=audit_document)
