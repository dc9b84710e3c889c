"""Customers: list, add, read, change, remove, restore.

Belongs here: their routes. Does not: their events, keys and announcements (`events`, `write_keys`, `sightings`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from clickstream_platform.model.naming import customer_slug
from clickstream_platform.registry.access import CUSTOMER_SCOPES, Permission
from clickstream_platform.registry.documents import to_document
from clickstream_platform.registry.entities import Policy
from clickstream_platform.registry.http.answers import answered, page
from clickstream_platform.registry.http.bodies import CustomerPatch, NewCustomer
from clickstream_platform.registry.http.dependencies import (
    After,
    ExpectedRevision,
    KnownTags,
    Limit,
    Needs,
    PrincipalOf,
    Registry,
)
from clickstream_platform.registry.http.documents import CustomerDocument, Page
from clickstream_platform.registry.http.routing import ApiRoute

router = APIRouter(route_class=ApiRoute, tags=["customers"])
READ, WRITE = Depends(Needs(Permission.READ)), Depends(Needs(Permission.WRITE_CUSTOMERS))
ONE = "/v1/customers/{customer}"


@router.get("/v1/customers", dependencies=[READ], response_model=Page[CustomerDocument])
def list_customers(
    request: Request,
    response: Response,
    registry: Registry,
    principal: PrincipalOf,
    limit: Limit = 100,
    after: After = "",
    removed: Annotated[bool, Query(description="Whether tombstones are listed too.")] = False,
) -> dict[str, Any]:
    """List the customers that the caller sees, by slug."""
    if principal.scope in CUSTOMER_SCOPES:
        own = registry.get_customer(principal.customer or "")
        found = [own] if own.slug > after and (removed or own.removed_at is None) else []
    else:
        found = registry.list_customers(include_removed=removed, after=after, limit=limit + 1)
    return page(request, response, found, limit, after=lambda each: each.slug, form=to_document)


@router.post("/v1/customers", dependencies=[WRITE], response_model=CustomerDocument, status_code=201)
def add_customer(response: Response, registry: Registry, body: NewCustomer) -> dict[str, Any]:
    """Add a customer; its name makes its slug where none is given."""
    customer = registry.add_customer(
        body.slug or customer_slug(body.name),
        display_name=body.name,
        policy=replace(Policy(), **body.policy.changes()),
        destination=body.destination,
        isolated=body.isolated,
    )
    return answered(response, customer, created_at=f"/v1/customers/{customer.slug}")


@router.get(ONE, dependencies=[READ], response_model=CustomerDocument, responses={304: {"description": "Unchanged."}})
def get_customer(response: Response, registry: Registry, customer: str, known: KnownTags) -> dict[str, Any]:
    """Read a customer, removed or not."""
    return answered(response, registry.get_customer(customer), known=known)


@router.patch(ONE, dependencies=[WRITE], response_model=CustomerDocument)
def change_customer(
    response: Response, registry: Registry, customer: str, body: CustomerPatch, expected: ExpectedRevision
) -> dict[str, Any]:
    """Change what is given, as one change."""
    changes = body.policy.changes() if body.policy is not None else {}
    with registry.together():  # the policy is read and written without anybody in between
        changed = registry.update_customer(
            customer,
            display_name=body.display_name,
            policy=replace(registry.get_customer(customer).policy, **changes) if changes else None,
            destination=body.destination,
            isolated=body.isolated,
            expected_revision=expected,
        )
    return answered(response, changed)


@router.delete(ONE, dependencies=[WRITE], response_model=CustomerDocument)
def remove_customer(
    response: Response, registry: Registry, customer: str, expected: ExpectedRevision
) -> dict[str, Any]:
    """Turn a customer and its events into tombstones; tables and raw objects stay."""
    return answered(response, registry.remove_customer(customer, expected_revision=expected))


@router.post(f"{ONE}/restore", dependencies=[WRITE], response_model=CustomerDocument)
def restore_customer(
    response: Response, registry: Registry, customer: str, expected: ExpectedRevision
) -> dict[str, Any]:
    """Bring a removed customer back; its events stay removed until each is added again."""
    return answered(response, registry.restore_customer(customer, expected_revision=expected))
