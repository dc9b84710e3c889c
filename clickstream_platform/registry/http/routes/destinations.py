"""Destinations: list, add, read, replace.

Belongs here: their routes. Does not: which customer has which (`customers`), connecting to one.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.documents import to_document
from clickstream_platform.registry.entities import Destination
from clickstream_platform.registry.http.answers import answered, page
from clickstream_platform.registry.http.bodies import DestinationValues, NewDestination
from clickstream_platform.registry.http.dependencies import After, ExpectedRevision, KnownTags, Limit, Needs, Registry
from clickstream_platform.registry.http.documents import DestinationDocument, Page
from clickstream_platform.registry.http.routing import ApiRoute

router = APIRouter(route_class=ApiRoute, tags=["destinations"])
READ, WRITE = Depends(Needs(Permission.READ_DESTINATIONS)), Depends(Needs(Permission.WRITE_DESTINATIONS))
ALL, ONE = "/v1/destinations", "/v1/destinations/{name}"


@router.get(ALL, dependencies=[READ], response_model=Page[DestinationDocument])
def list_destinations(
    request: Request, response: Response, registry: Registry, limit: Limit = 100, after: After = ""
) -> dict[str, Any]:
    """List all destinations by name; they hold references to secrets, never a secret."""
    found = [each for each in registry.list_destinations() if each.name > after]
    return page(request, response, found, limit, after=lambda each: each.name, form=to_document)


@router.post(ALL, dependencies=[WRITE], response_model=DestinationDocument, status_code=201)
def add_destination(response: Response, registry: Registry, body: NewDestination) -> dict[str, Any]:
    """Add a destination."""
    added = registry.add_destination(_destination(body.name, body, 1))
    return answered(response, added, created_at=f"/v1/destinations/{added.name}")


@router.get(
    ONE, dependencies=[READ], response_model=DestinationDocument, responses={304: {"description": "Unchanged."}}
)
def get_destination(response: Response, registry: Registry, name: str, known: KnownTags) -> dict[str, Any]:
    """Read a destination."""
    return answered(response, registry.get_destination(name), known=known)


@router.put(ONE, dependencies=[WRITE], response_model=DestinationDocument)
def replace_destination(
    response: Response, registry: Registry, name: str, body: DestinationValues, expected: ExpectedRevision
) -> dict[str, Any]:
    """Replace a destination that exists; what is left out gets its default."""
    with registry.together():
        revision = registry.get_destination(name).revision if expected is None else expected
        replaced = registry.replace_destination(_destination(name, body, revision))
    return answered(response, replaced)


def _destination(name: str, body: DestinationValues, revision: int) -> Destination:
    return Destination(name, body.kind, body.settings, body.secret_reference, body.schema_name, revision)
