"""What SDKs are told, in the form that every one of them accepts.

- 200 with a JSON body is the only success: rudder-sdk-python takes 202 and 204 for failures.
- Errors carry `code` and `message`, which segment-analytics-python reads from every answer that isn't 200.
- 429 and 503 carry Retry-After in whole seconds; SDKs repeat the request, with the same messageIds.
- 400, 401, 413 are final: SDKs give the batch up, so nothing that a later attempt could mend is answered so.

Belongs here: bodies and headers. Does not: deciding (`app`).
"""

from __future__ import annotations

import math

import orjson
from starlette.responses import Response

_JSON = "application/json"
OK = orjson.dumps({"success": True})


def accepted(events: int, rejected: int) -> Response:
    """Say that everything is durable, and how many items are so in quarantine."""
    if not rejected:
        return Response(OK, media_type=_JSON)
    body = {"success": True, "accepted": events, "rejected": rejected, "message": "rejected items are in quarantine"}
    return Response(orjson.dumps(body), media_type=_JSON)


def document(body: object) -> Response:
    """Return any JSON document."""
    return Response(orjson.dumps(body), media_type=_JSON)


def refused(status: int, code: str, message: str, retry_after: float | None = None) -> Response:
    """Say why not, and after how many seconds to try again where that helps."""
    headers = {"Retry-After": str(max(1, math.ceil(retry_after)))} if retry_after is not None else None
    body = {"success": False, "code": code, "message": message}
    return Response(orjson.dumps(body), status, headers, _JSON)
