"""Repeating a POST without doing it twice.

Belongs here: what makes two requests the same, what is kept of an answer, giving it again. Does not: storing
(`registry.tokens`), which routes take a key (`routing`: every POST).

Only success is kept: a refusal changed nothing, so its repetition is decided anew. A secret is never kept: the answer
given again has `null` in its place; whoever lost the first answer rotates the key. A crash between the change and
keeping its answer makes the repetition a second request, which names of customers and events refuse by themselves.
"""

from __future__ import annotations

import re
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from clickstream_platform.registry.entities import StoredAnswer
from clickstream_platform.registry.http.problems import Problem, ProblemError
from clickstream_platform.registry.secret_texts import hash_of

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
SECRET_FIELDS = ("secret",)
_KEPT_HEADERS = ("etag", "location", "content-type")
_KEY = re.compile(r"[!-~]{1,200}")


def key_of(request: Request) -> str | None:
    """Return the idempotency key of a request, None without; raise ProblemError for one that is none."""
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise ProblemError(Problem.MALFORMED, f"{HEADER} is one text of 1 to 200 visible ASCII characters.")
    return given[0]


def digest_of(request: Request, body: bytes) -> str:
    """Return a digest that is the same for the same request."""
    parts = (request.method, request.url.path, request.url.query, request.headers.get("if-match", ""))
    return hash_of(*parts, body.decode("latin-1"))


def kept_text(response: Response) -> str:
    """Return what is kept of an answer: its headers that matter and its body without secrets."""
    body: Any = orjson.loads(response.body) if response.body else None
    if isinstance(body, dict):
        body |= {name: None for name in SECRET_FIELDS if name in body}
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    return orjson.dumps({"headers": headers, "body": body}).decode()


def given_again(answer: StoredAnswer, digest: str) -> Response:
    """Return a kept answer; raise ProblemError when it was to another request."""
    if answer.request_digest != digest:
        raise ProblemError(Problem.KEY_REUSED)
    kept = orjson.loads(answer.body)
    return Response(orjson.dumps(kept["body"]), answer.status, headers={**kept["headers"], REPLAYED: "true"})
