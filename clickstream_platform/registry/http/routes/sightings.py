"""What arrived, announced by whoever loads.

Belongs here: its route. Does not: what an announcement changes (`registry.sightings`).
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.documents import to_document
from clickstream_platform.registry.http.bodies import Sightings
from clickstream_platform.registry.http.dependencies import Needs, PrincipalOf, Registry
from clickstream_platform.registry.http.documents import SightingsDocument
from clickstream_platform.registry.http.problems import Problem, ProblemError
from clickstream_platform.registry.http.routing import ApiRoute

router = APIRouter(route_class=ApiRoute, tags=["sightings"])


@router.post(
    "/v1/customers/{customer}/sightings",
    dependencies=[Depends(Needs(Permission.ANNOUNCE))],
    response_model=SightingsDocument,
)
def announce(registry: Registry, principal: PrincipalOf, customer: str, body: Sightings) -> dict[str, Any]:
    """Take note of one hour's events and return them as they now are; counts are advisory.

    `create_customer` needs the permission to write customers as well.
    """
    if body.create_customer and not principal.may(Permission.WRITE_CUSTOMERS):
        detail = f"The scope {principal.scope} does not have the permission {Permission.WRITE_CUSTOMERS}."
        raise ProblemError(Problem.NOT_ALLOWED, detail)
    seen = {slug: (event.name, event.records) for slug, event in body.events.items()}
    samples = {slug: event.sample for slug, event in body.events.items() if event.sample is not None}
    skipped = {slug for slug, event in body.events.items() if event.skipped}
    events = registry.record_seen(
        customer, body.hour, seen, samples=samples, skipped=skipped, create_customer=body.create_customer
    )
    return {"events": {slug: to_document(event) for slug, event in events.items()}}
