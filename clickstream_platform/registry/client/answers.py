"""What an answer of the registry's API means: the errors that the registry's service itself would raise.

Belongs here: the table from status to error class, and reading problem documents (RFC 9457). Does not: sending
(`transport`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from clickstream_platform.errors import ClickstreamError, ConfigurationError
from clickstream_platform.registry.client.transport import Answer
from clickstream_platform.registry.refusals import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    RegistryUnavailableError,
    StaleRevisionError,
)

PROBLEM = "application/problem+json"
NO_ROUTE = "CP-1006"
"""The code of a 404 that is about the address, not about a customer or event (docs/registry-api.md)."""
MAX_TEXT = 500
_REFUSALS: Mapping[int, type[ClickstreamError]] = {
    400: InvalidRequestError,
    404: NotFoundError,
    409: ConflictError,
    412: StaleRevisionError,
    413: InvalidRequestError,
    422: InvalidRequestError,
}
# Too early or too often, or something between us and the registry has no answer for now.
_PASSING = frozenset({408, 421, 425, 429})


def error_of(answer: Answer, asking: str, where: str, url: str) -> ClickstreamError:
    """Return the error that an answer without success stands for; `asking` and `where` say what it was about."""
    status, problem = answer.status, _problem(answer)
    detail = _text(problem, "detail") or _text(problem, "title")
    if status >= 500 or status in _PASSING:
        cause = f"{url} answered {status}{f': {detail}' if detail else ''}"
        return RegistryUnavailableError(asking, where=where, cause=cause, remedy="Try again; it may be busy.")
    if status == 401:
        cause = "the registry's API does not take the token"
        remedy = "Let CLICKSTREAM_REGISTRY_TOKEN_REFERENCE name one that is valid; an administrator makes new ones."
        return ConfigurationError(asking, where=where, cause=cause, remedy=remedy)
    if status == 403:
        cause = f"the token may not do this{f' ({detail})' if detail else ''}"
        remedy = "Use a token of a scope that may: loader to load, operator to add customers."
        return ConfigurationError(asking, where=where, cause=cause, remedy=remedy)
    is_of_registry = bool(problem) and problem.get("code") != NO_ROUTE
    kind = _REFUSALS.get(status) if is_of_registry else None
    if kind is None:
        # Whatever sent this, it was not the registry.
        cause = f"{url} answered {status}, which the registry's API does not"
        return ConfigurationError(asking, where=where, cause=cause, remedy="Check CLICKSTREAM_REGISTRY_API_URL.")
    remedy = _text(problem, "remedy") or "See the registry's page, or `clickstream registry`."
    return kind(asking, where=where, cause=detail or f"it answered {status}", remedy=remedy)


def no_registry(asking: str, url: str, cause: str) -> ConfigurationError:
    """Return the error of an answer with success that the registry's API does not give."""
    return ConfigurationError(asking, where=url, cause=cause, remedy="Check CLICKSTREAM_REGISTRY_API_URL.")


def _problem(answer: Answer) -> Mapping[str, Any]:
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != PROBLEM:
        return {}
    try:
        document = json.loads(answer.text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _text(problem: Mapping[str, Any], name: str) -> str:
    value = problem.get(name)
    return " ".join(value.split())[:MAX_TEXT] if isinstance(value, str) else ""
