"""Which refusals a route can answer, for the OpenAPI document.

Belongs here: the problem document as a schema, and what a route can answer by what it takes. Does not: refusing
(`problems`).
A test sends what the document describes and finds every answer in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from clickstream_platform.registry.http.problems import MEDIA_TYPE, Problem

_ALWAYS = frozenset(
    {
        Problem.MALFORMED,
        Problem.NO_TOKEN,
        Problem.BAD_TOKEN,
        Problem.NOT_ALLOWED,
        Problem.NOT_ACCEPTABLE,
        Problem.TOO_MANY,
        Problem.UNAVAILABLE,
        Problem.OUTSIDE_AWAY,
        Problem.INTERNAL,
        Problem.INVALID_FIELDS,
    }
)
_WITH_PATH = frozenset({Problem.NOT_FOUND, Problem.NO_ROUTE})
_CHANGING = frozenset({Problem.CONFLICT, Problem.STALE, Problem.INVALID, Problem.NOT_FOUND})
_WITH_BODY = frozenset({Problem.TOO_LARGE, Problem.WRONG_MEDIA_TYPE})
_POSTING = frozenset({Problem.KEY_REUSED, Problem.IN_PROGRESS})
IDEMPOTENCY_KEY: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and request are answered the same within a day, without being done again.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}


class Fault(BaseModel):
    """One field that is wrong."""

    model_config = ConfigDict(extra="forbid")

    at: str = Field(description="Where, such as `body/name`.")
    message: str


class ProblemDocument(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="`urn:clickstream-platform:problem:` and the code.")
    title: str = Field(description="The same for all problems of the code.")
    status: int
    code: str = Field(pattern=r"^CP-1[0-9]{3}$")
    detail: str
    remedy: str = Field(description="What to do.")
    faults: list[Fault] = Field(default=[], description="Of CP-1015.")


def refusals_of(path: str, methods: Collection[str]) -> dict[int | str, dict[str, Any]]:
    """Return the documented refusals of a route by status."""
    problems = set(_ALWAYS)
    if "{" in path:
        problems |= _WITH_PATH
    if not {"GET"} & set(methods):
        problems |= _CHANGING | _WITH_BODY
    if "POST" in methods:
        problems |= _POSTING
    return documented(*problems)


def documented(*problems: Problem) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of some problems by status."""
    by_status: dict[int, list[Problem]] = defaultdict(list)
    for problem in sorted(problems, key=lambda each: each.value.code):
        by_status[problem.value.status].append(problem)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {
        status: {
            "description": "; ".join(f"{each.value.code}: {each.value.title}" for each in group) + ".",
            "content": content,
        }
        for status, group in sorted(by_status.items())
    }
