"""Events of a customer: list, add, read, change, remove, pause, resume, activate, and their sample record.

Belongs here: their routes. Does not: contracts (`contracts`), what arrived (`sightings`).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from clickstream_platform.model.naming import event_slug
from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.documents import to_document
from clickstream_platform.registry.entities import EventState
from clickstream_platform.registry.events import UNCHANGED
from clickstream_platform.registry.http.answers import answered, page
from clickstream_platform.registry.http.bodies import EventPatch, NewEvent
from clickstream_platform.registry.http.dependencies import After, ExpectedRevision, KnownTags, Limit, Needs, Registry
from clickstream_platform.registry.http.documents import EventDocument, Page, SampleDocument
from clickstream_platform.registry.http.routing import ApiRoute
from clickstream_platform.registry.refusals import NotFoundError

router = APIRouter(route_class=ApiRoute, tags=["events"])
READ, WRITE = Depends(Needs(Permission.READ)), Depends(Needs(Permission.WRITE_EVENTS))
ALL = "/v1/customers/{customer}/events"
ONE = f"{ALL}/{{event}}"


@router.get(ALL, dependencies=[READ], response_model=Page[EventDocument])
def list_events(
    request: Request,
    response: Response,
    registry: Registry,
    customer: str,
    limit: Limit = 100,
    after: After = "",
    state: Annotated[list[EventState] | None, Query(description="Only events in one of these states.")] = None,
) -> dict[str, Any]:
    """List a customer's events, by slug."""
    found = registry.list_events(customer, state, after=after, limit=limit + 1)
    return page(request, response, found, limit, after=lambda each: each.slug, form=to_document)


@router.post(
    ALL,
    dependencies=[WRITE],
    response_model=EventDocument,
    status_code=201,
    responses={200: {"model": EventDocument, "description": "It waited or was removed, and is in use now."}},
)
def add_event(
    response: Response, registry: Registry, customer: str, body: NewEvent, expected: ExpectedRevision
) -> dict[str, Any]:
    """Add an event, or bring a discovered or removed one into use; its name makes its slug where none is given."""
    event = registry.add_event(
        customer,
        body.slug or event_slug(body.name),
        display_name=body.name,
        freshness_deadline_minutes=body.freshness_deadline_minutes,
        expected_revision=expected,
    )
    document = answered(response, event, created_at=f"/v1/customers/{customer}/events/{event.slug}")
    if event.revision > 1:
        response.status_code = 200
    return document


@router.get(ONE, dependencies=[READ], response_model=EventDocument, responses={304: {"description": "Unchanged."}})
def get_event(response: Response, registry: Registry, customer: str, event: str, known: KnownTags) -> dict[str, Any]:
    """Read an event, in whatever state; its advisory counts move without its ETag."""
    return answered(response, registry.get_event(customer, event), known=known)


@router.patch(ONE, dependencies=[WRITE], response_model=EventDocument)
def change_event(
    response: Response, registry: Registry, customer: str, event: str, body: EventPatch, expected: ExpectedRevision
) -> dict[str, Any]:
    """Change what is given, as one change."""
    is_given = "freshness_deadline_minutes" in body.model_fields_set
    changed = registry.update_event(
        customer,
        event,
        display_name=body.display_name,
        freshness_deadline_minutes=body.freshness_deadline_minutes if is_given else UNCHANGED,
        expected_revision=expected,
    )
    return answered(response, changed)


@router.delete(ONE, dependencies=[WRITE], response_model=EventDocument)
def remove_event(
    response: Response, registry: Registry, customer: str, event: str, expected: ExpectedRevision
) -> dict[str, Any]:
    """Turn an event into a tombstone that no late object revives; its table stays."""
    return answered(response, registry.remove_event(customer, event, expected_revision=expected))


@router.post(f"{ONE}/pause", dependencies=[WRITE], response_model=EventDocument)
def pause_event(
    response: Response, registry: Registry, customer: str, event: str, expected: ExpectedRevision
) -> dict[str, Any]:
    """Stop loading an event; its raw objects are kept."""
    return answered(response, registry.pause_event(customer, event, expected_revision=expected))


@router.post(f"{ONE}/resume", dependencies=[WRITE], response_model=EventDocument)
def resume_event(
    response: Response, registry: Registry, customer: str, event: str, expected: ExpectedRevision
) -> dict[str, Any]:
    """Load a paused event again, and what arrived meanwhile."""
    return answered(response, registry.resume_event(customer, event, expected_revision=expected))


@router.post(f"{ONE}/activate", dependencies=[WRITE], response_model=EventDocument)
def activate_event(
    response: Response, registry: Registry, customer: str, event: str, expected: ExpectedRevision
) -> dict[str, Any]:
    """Load a discovered event, from the first record kept."""
    return answered(response, registry.activate_event(customer, event, expected_revision=expected))


@router.get(f"{ONE}/sample", dependencies=[READ], response_model=SampleDocument)
def get_sample(registry: Registry, customer: str, event: str) -> dict[str, Any]:
    """Read one record of an event, its values masked."""
    found = registry.get_sample(customer, event)
    if found is None:
        raise NotFoundError(
            "finding a sample record",
            where=repr(f"{customer}/{event}"),
            cause="none was kept yet",
            remedy="Wait until a record of the event arrives.",
        )
    return {
        "customer": found.customer,
        "event": found.event,
        "sample": found.sample,
        "taken_at": found.taken_at.isoformat(),
    }
