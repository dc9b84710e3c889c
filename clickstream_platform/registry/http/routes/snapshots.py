"""The snapshot that collector, loader and Dagster poll.

Belongs here: its route. Does not: building and keeping it (`snapshot_cache`).
"""

from __future__ import annotations

import gzip

from fastapi import APIRouter, Depends, Request, Response

from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.http.answers import check_known, takes_gzip
from clickstream_platform.registry.http.dependencies import KnownTags, Needs, PrincipalOf
from clickstream_platform.registry.http.documents import SnapshotDocument
from clickstream_platform.registry.http.routing import ApiRoute
from clickstream_platform.registry.http.snapshot_cache import SnapshotCache

router = APIRouter(route_class=ApiRoute, tags=["snapshot"])
HEADERS = {"Vary": "Accept-Encoding, Authorization", "Cache-Control": "private, no-cache"}


@router.get(
    "/v1/snapshot",
    dependencies=[Depends(Needs(Permission.SNAPSHOT))],
    response_model=SnapshotDocument,
    responses={304: {"description": "Unchanged."}},
)
def get_snapshot(request: Request, principal: PrincipalOf, known: KnownTags) -> Response:
    """Read everything as of one moment; with the hashes of write keys for who may see them."""
    cache: SnapshotCache = request.app.state.snapshots
    kept = cache.current(with_keys=principal.may(Permission.SNAPSHOT_KEYS))
    answers = request.app.state.measures.snapshot_answers
    answers.labels("not_modified" if kept.tag.removeprefix("W/") in known else "full").inc()
    check_known(kept.tag, known, HEADERS)
    headers = {**HEADERS, "ETag": kept.tag}
    if takes_gzip(request.headers.getlist("accept-encoding")):
        return Response(kept.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type="application/json")
    return Response(gzip.decompress(kept.compressed), headers=headers, media_type="application/json")
