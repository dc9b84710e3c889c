"""Contracts of an event: versions, which one is in force, trying one out, making one of what arrived.

Belongs here: their routes. Does not: holding records against a contract (the probe that the service was started with).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from threading import BoundedSemaphore
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.documents import to_document
from clickstream_platform.registry.entities import Contract
from clickstream_platform.registry.http.answers import answered, page
from clickstream_platform.registry.http.bodies import ContractInForce, DryRunRequest, InferRequest, NewContract
from clickstream_platform.registry.http.dependencies import (
    AfterNumber,
    ExpectedRevision,
    KnownTags,
    Limit,
    Needs,
    PrincipalOf,
    Registry,
)
from clickstream_platform.registry.http.documenting import documented
from clickstream_platform.registry.http.documents import (
    ContractDocument,
    DryRunDocument,
    EventDocument,
    InferredSchema,
    Page,
)
from clickstream_platform.registry.http.problems import Problem, ProblemError
from clickstream_platform.registry.http.routing import ApiRoute
from clickstream_platform.registry.ports import ContractProbe
from clickstream_platform.registry.rules import check_contract

router = APIRouter(route_class=ApiRoute, tags=["contracts"])
READ, WRITE = Depends(Needs(Permission.READ)), Depends(Needs(Permission.WRITE_EVENTS))
ALL = "/v1/customers/{customer}/events/{event}/contracts"
IN_FORCE = "/v1/customers/{customer}/events/{event}/contract"
MAX_VERSION = 1_000_000
PROBING = documented(Problem.CONFLICT, Problem.IN_PROGRESS, Problem.NOT_CONNECTED)


@router.get(ALL, dependencies=[READ], response_model=Page[ContractDocument])
def list_contracts(
    request: Request,
    response: Response,
    registry: Registry,
    customer: str,
    event: str,
    limit: Limit = 100,
    after: AfterNumber = None,
) -> dict[str, Any]:
    """List all versions of an event's contract, newest first."""
    found = [each for each in registry.list_contracts(customer, event) if after is None or each.version < after]
    return page(request, response, found, limit, after=lambda each: each.version, form=to_document)


@router.post(ALL, dependencies=[WRITE], response_model=ContractDocument, status_code=201)
def add_contract(
    response: Response, registry: Registry, customer: str, event: str, body: NewContract, expected: ExpectedRevision
) -> dict[str, Any]:
    """Add the next version and, unless told otherwise, put it in force; If-Match takes the ETag of the event."""
    contract = registry.add_contract(
        customer,
        event,
        body.mode,
        body.json_schema,
        note=body.note,
        activate=body.activate,
        expected_revision=expected,
    )
    path = f"/v1/customers/{customer}/events/{event}/contracts/{contract.version}"
    return answered(response, contract, created_at=path)


@router.get(
    f"{ALL}/{{version}}",
    dependencies=[READ],
    response_model=ContractDocument,
    responses={304: {"description": "Unchanged."}},
)
def get_contract(
    response: Response,
    registry: Registry,
    customer: str,
    event: str,
    version: Annotated[int, Path(ge=1, le=MAX_VERSION)],
    known: KnownTags,
) -> dict[str, Any]:
    """Read one version; it never changes."""
    return answered(response, registry.get_contract(customer, event, version), known=known)


@router.put(IN_FORCE, dependencies=[WRITE], response_model=EventDocument)
def put_in_force(
    response: Response, registry: Registry, customer: str, event: str, body: ContractInForce, expected: ExpectedRevision
) -> dict[str, Any]:
    """Put a version in force; hours that are loaded stay as they are."""
    changed = registry.set_contract_version(customer, event, body.version, expected_revision=expected)
    return answered(response, changed)


@router.delete(IN_FORCE, dependencies=[WRITE], response_model=EventDocument)
def take_off(
    response: Response, registry: Registry, customer: str, event: str, expected: ExpectedRevision
) -> dict[str, Any]:
    """Hold the event to no contract; the versions are kept."""
    return answered(response, registry.set_contract_version(customer, event, None, expected_revision=expected))


@router.post(f"{IN_FORCE}/dry-run", dependencies=[WRITE], response_model=DryRunDocument, responses=PROBING)
def try_out(
    request: Request, registry: Registry, principal: PrincipalOf, customer: str, event: str, body: DryRunRequest
) -> dict[str, Any]:
    """Say what a contract would have done to the records of the last hours; nothing is written."""
    registry.get_event(customer, event)
    check_contract(body.mode, body.json_schema, "")
    now = request.app.state.clock.now()
    tried = Contract(customer, event, MAX_VERSION, body.mode, body.json_schema, "", now, principal.name)
    with _probing(request) as probe:
        done = probe.dry_run(tried, body.hours)
    return asdict(done) | {"violations": dict(done.violations)}


@router.post(f"{IN_FORCE}/infer", dependencies=[WRITE], response_model=InferredSchema, responses=PROBING)
def infer(request: Request, registry: Registry, customer: str, event: str, body: InferRequest) -> dict[str, Any]:
    """Make a JSON Schema that all records of the last hours fit."""
    registry.get_event(customer, event)
    with _probing(request) as probe:
        return {"schema": dict(probe.infer(customer, event, body.hours))}


@contextmanager
def _probing(request: Request) -> Iterator[ContractProbe]:
    """Give the probe to a few at a time: it reads for seconds, and everybody else waits for the same threads."""
    probe: ContractProbe | None = request.app.state.probe
    if probe is None:
        raise ProblemError(Problem.NOT_CONNECTED)
    turns: BoundedSemaphore = request.app.state.probing
    if not turns.acquire(blocking=False):
        raise ProblemError(Problem.TOO_MANY, "Others are trying out contracts.", headers={"Retry-After": "5"})
    try:
        yield probe
    finally:
        turns.release()
