"""Everything as one YAML document: export and import.

Belongs here: their routes. Does not: the document and its plan (`registry.exchange`).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.exchange import (
    apply_plan,
    export_document,
    from_yaml,
    plan_changes,
    plan_document,
    to_yaml,
)
from clickstream_platform.registry.http.dependencies import Needs, Registry
from clickstream_platform.registry.http.documents import PlanDocument
from clickstream_platform.registry.http.problems import Problem, ProblemError
from clickstream_platform.registry.http.routing import ApiRoute
from clickstream_platform.registry.refusals import changed_meanwhile
from clickstream_platform.registry.service import RegistryService

router = APIRouter(route_class=ApiRoute, tags=["transfer"])
TRANSFER = Depends(Needs(Permission.TRANSFER))
TAKEN = ("application/yaml", "application/json", "application/x-yaml", "text/yaml")
_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "object"}} for kind in TAKEN[:2]},
    }
}


class YamlResponse(Response):
    """A YAML document (RFC 9512)."""

    media_type = "application/yaml"


@router.get(
    "/v1/export",
    dependencies=[TRANSFER],
    response_class=YamlResponse,
    responses={200: {"content": {"application/yaml": {"schema": {"type": "object"}}}, "description": "The document."}},
)
def export(registry: Registry) -> Response:
    """Read everything the registry holds but tokens; with the hashes of write keys, so keep it safe."""
    return YamlResponse(to_yaml(export_document(registry)))


@router.post("/v1/import", dependencies=[TRANSFER], response_model=PlanDocument, openapi_extra=_BODY)
async def import_document(
    request: Request,
    registry: Registry,
    dry_run: Annotated[bool, Query(description="Whether the plan is only shown.")] = False,
    prune: Annotated[bool, Query(description="Whether what the document does not name is removed.")] = False,
    expected_version: Annotated[
        int | None, Query(ge=0, le=2**62, description="`version` of the plan that was looked at; another gives 412.")
    ] = None,
) -> dict[str, Any]:
    """Make the registry what a document says, all of it or nothing, and return what that changed."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in TAKEN:
        raise ProblemError(Problem.WRONG_MEDIA_TYPE, f"The body has to be {' or '.join(TAKEN[:2])}.")
    return await run_in_threadpool(_apply, registry, await request.body(), dry_run, prune, expected_version)


def _apply(
    registry: RegistryService, text: bytes, dry_run: bool, prune: bool, expected_version: int | None
) -> dict[str, Any]:
    plan = plan_changes(registry, from_yaml(text), prune=prune)
    if expected_version not in {None, plan.version}:
        raise changed_meanwhile()
    if not dry_run:
        apply_plan(registry, plan)
    return {**plan_document(plan), "applied": not dry_run}
