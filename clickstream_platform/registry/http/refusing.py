"""Turns every error that a route can end with into a problem document.

Belongs here: the framework's hooks. Does not: which error is which problem (`problems`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.registry.http.answers import NotModified
from clickstream_platform.registry.http.middleware import REQUEST_ID
from clickstream_platform.registry.http.problems import (
    Problem,
    ProblemError,
    error_response,
    problem_of_error,
    problem_of_status,
    problem_response,
)
from clickstream_platform.registry.http.routing import allowed_methods
from clickstream_platform.registry.http.service_log import log_failure

MAX_FAULTS = 50


def add_refusals(app: FastAPI) -> None:
    """Register the hooks."""
    app.add_exception_handler(ClickstreamError, _platform_error)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid_fields)
    app.add_exception_handler(ResponseValidationError, _own_fault)
    app.add_exception_handler(HTTPException, _framework_error)
    app.add_exception_handler(NotModified, _not_modified)


async def _platform_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ClickstreamError):
        raise error
    problem = problem_of_error(error)
    if problem.value.status >= 500:
        log_failure("request failed", request.scope[REQUEST_ID], error)
    return _counted(request, problem, error_response(error))


async def _problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return _counted(request, error.problem, problem_response(error.problem, error.detail, headers=error.headers))


async def _invalid_fields(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [
        {"at": "/".join(str(part)[:200] for part in fault["loc"]), "message": str(fault["msg"])}
        for fault in _as_list(error.errors())[:MAX_FAULTS]
    ]
    detail = "; ".join(f"{fault['at']}: {fault['message']}" for fault in faults[:5])
    return _counted(request, Problem.INVALID_FIELDS, problem_response(Problem.INVALID_FIELDS, detail, faults=faults))


async def _own_fault(request: Request, error: Exception) -> Response:
    # Its message holds the whole answer, so only where it comes from is logged.
    log_failure("answer without its form", request.scope[REQUEST_ID], TypeError(type(error).__name__))
    return _counted(request, Problem.INTERNAL, problem_response(Problem.INTERNAL))


async def _framework_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    problem, headers = problem_of_status(error.status_code), dict(error.headers or {})
    if problem is Problem.WRONG_METHOD:
        headers["Allow"] = allowed_methods(request.app, request.url.path) or headers.get("Allow", "")
    detail = error.detail if problem in {Problem.MALFORMED, Problem.OTHER} else ""
    return _counted(request, problem, problem_response(problem, str(detail), headers=headers))


async def _not_modified(_: Request, error: Exception) -> Response:
    if not isinstance(error, NotModified):
        raise error
    return Response(status_code=304, headers={"ETag": error.tag, **error.headers})


def _counted(request: Request, problem: Problem, response: Response) -> Response:
    request.app.state.measures.problems.labels(problem.value.code).inc()
    return response


def _as_list(faults: Sequence[Any]) -> list[Any]:
    return list(faults)
