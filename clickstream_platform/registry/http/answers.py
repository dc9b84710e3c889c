"""What comes back of a success: entity tags, pages and links.

Belongs here: headers, which of them a caller takes, and envelopes. Does not: documents
(`registry.documents`), refusals (`problems`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote, urlencode

from fastapi import Request, Response

from clickstream_platform.registry.documents import Document, Entity, to_document
from clickstream_platform.registry.entities import Contract

T = TypeVar("T")
_REFUSED = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*", re.IGNORECASE)


class NotModified(Exception):  # noqa: N818 - no error: it ends a request for what the caller has already
    """The caller has what it asks for."""

    def __init__(self, tag: str, headers: Mapping[str, str] | None = None) -> None:
        """Say which entity tag it is."""
        super().__init__(tag)
        self.tag, self.headers = tag, dict(headers or {})


def tag_of(entity: Entity) -> str:
    """Return the entity tag: the revision, or the version of a contract, in quotes."""
    return f'"{entity.version if isinstance(entity, Contract) else entity.revision}"'


def answered(response: Response, entity: Entity, *, known: Collection[str] = (), created_at: str = "") -> Document:
    """Return the document of one entity, its tag in the header; raise NotModified for a tag that is known.

    `created_at` is the path of a new entity, for the header Location.
    """
    tag = tag_of(entity)
    check_known(tag, known)
    response.headers["ETag"] = tag
    if created_at:
        response.headers["Location"] = quote(created_at, safe="/")
        response.status_code = 201
    return to_document(entity)


def check_known(tag: str, known: Collection[str], headers: Mapping[str, str] | None = None) -> None:
    """Raise NotModified when the caller has what carries this tag."""
    if "*" in known or tag.removeprefix("W/") in known:
        raise NotModified(tag, headers)


def is_wanted(options: str) -> bool:
    """Whether what follows a media type or an encoding does not refuse it, as `;q=0` does."""
    return not any(_REFUSED.fullmatch(each) for each in options.split(";"))


def takes_gzip(headers: Sequence[str]) -> bool:
    """Whether a caller with these headers Accept-Encoding takes an answer that is compressed."""
    codings = [coding.partition(";") for header in headers for coding in header.split(",")]
    named = {name.strip().lower(): is_wanted(options) for name, _, options in codings}
    return named.get("gzip", named.get("*", False))


def page(
    request: Request,
    response: Response,
    found: Sequence[T],
    limit: int,
    *,
    after: Callable[[T], object],
    form: Callable[[T], Document],
) -> Document:
    """Return one page of what was found, which is one more than the limit where there are more.

    `after` gives what the next page begins after, `form` the document of one item.
    """
    items = found[:limit]
    following = after(items[-1]) if len(found) > limit else None
    if following is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name not in {"after", "limit"}]
        query = urlencode([*kept, ("limit", limit), ("after", following)])
        response.headers["Link"] = f'<{quote(request.scope["path"], safe="/")}?{query}>; rel="next"'
    return {"items": [form(item) for item in items], "next": following}
