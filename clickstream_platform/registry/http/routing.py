"""The routes of the API as objects: each knows its permission, documents its refusals and repeats no POST.

Belongs here: what is the same for every route, before and after its function. Does not: the functions (`routes`), what
is the same for every request whatever its route (`middleware`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.concurrency import run_in_threadpool

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.http import idempotency
from clickstream_platform.registry.http.answers import is_wanted
from clickstream_platform.registry.http.dependencies import Needs
from clickstream_platform.registry.http.documenting import IDEMPOTENCY_KEY, refusals_of
from clickstream_platform.registry.http.middleware import OPEN_PATHS, REQUEST_ID, caller_of
from clickstream_platform.registry.http.problems import MEDIA_TYPE, Problem, ProblemError
from clickstream_platform.registry.http.service_log import log_failure
from clickstream_platform.registry.service import RegistryService

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ApiRoute(APIRoute):
    """A route of the API."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        """Take a path and its function; the answers that every route can give are documented here."""
        methods = set(options.get("methods") or {"GET"})
        if path not in OPEN_PATHS:
            options["responses"] = {**refusals_of(path, methods), **(options.get("responses") or {})}
        if "POST" in methods:
            extra = dict(options.get("openapi_extra") or {})
            options["openapi_extra"] = {**extra, "parameters": [*extra.get("parameters", []), IDEMPOTENCY_KEY]}
        super().__init__(path, endpoint, **options)

    @property
    def needs(self) -> Needs | None:
        """What the route asks of its caller; None for one that is open to all."""
        found = [each.dependency for each in self.dependencies if isinstance(each.dependency, Needs)]
        return found[0] if len(found) == 1 else None

    @property
    def permission(self) -> Permission | None:
        """The permission that the route asks for; None for any caller, or for all."""
        return None if self.needs is None else self.needs.permission

    @property
    def media_type(self) -> str:
        """What it answers with, when it does not refuse."""
        response_class: Any = getattr(self.response_class, "value", self.response_class)
        return str(response_class.media_type).partition(";")[0]

    def get_route_handler(self) -> Handler:
        """Wrap FastAPI's handler: permission and media types before, idempotency around it."""
        original = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if self.needs is not None:  # before the body is read, and before an answer is given again
                self.needs.check(caller_of(request.scope).principal, request.path_params)
            self._check_media_types(request)
            key = idempotency.key_of(request) if request.method == "POST" else None
            return await original(request) if key is None else await self._once(request, key, original)

        return handle

    def _check_media_types(self, request: Request) -> None:
        if not accepts(request.headers.getlist("accept"), self.media_type):
            raise ProblemError(Problem.NOT_ACCEPTABLE, f"The answer is {self.media_type}.")
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self.body_field is None or (not given and request.headers.get("content-length", "0") == "0"):
            return
        if given != "application/json" and not (given.startswith("application/") and given.endswith("+json")):
            raise ProblemError(Problem.WRONG_MEDIA_TYPE, "The body has to be application/json.")

    async def _once(self, request: Request, key: str, original: Handler) -> Response:
        """Answer as before where the same request was answered before."""
        caller, service = caller_of(request.scope), request.app.state.registry
        under_way: set[tuple[str, str]] = request.app.state.under_way
        digest = idempotency.digest_of(request, await request.body())
        if (caller.key, key) in under_way:
            raise ProblemError(Problem.IN_PROGRESS, headers={"Retry-After": "1"})
        under_way.add((caller.key, key))
        try:
            kept = await run_in_threadpool(service.find_answer, caller.key, key)
            if kept is not None:
                again = idempotency.given_again(kept, digest)
                request.app.state.measures.replays.inc()
                return again
            response = await original(request)
            if response.status_code < 300:
                await run_in_threadpool(_keep, service, caller.key, key, digest, response, request.scope[REQUEST_ID])
            return response
        finally:
            under_way.discard((caller.key, key))


def api_routes(app: FastAPI) -> Iterator[ApiRoute]:
    """Yield the API's routes, those behind included routers too."""
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, ApiRoute):
            yield context.original_route


def allowed_methods(app: FastAPI, path: str) -> str:
    """Return the methods that a path takes, for the header Allow."""
    methods: set[str] = set()
    for route in api_routes(app):
        if route.path_regex.match(path):
            methods |= set(route.methods or ())
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def accepts(headers: list[str], media_type: str) -> bool:
    """Whether a caller takes a media type, or at least problem documents; without the header everything."""
    ranges = [part.partition(";") for header in headers for part in header.split(",") if part.strip()]
    if not ranges:
        return True
    major = media_type.partition("/")[0]
    wanted = {"*/*", f"{major}/*", media_type, MEDIA_TYPE}
    return any(name.strip().lower() in wanted and is_wanted(options) for name, _, options in ranges)


def _keep(service: RegistryService, who: str, key: str, digest: str, response: Response, request_id: str) -> None:
    try:
        service.keep_answer(who, key, digest, response.status_code, idempotency.kept_text(response))
    except ClickstreamError as error:
        # The change is made; saying that it failed would be worse than doing it again.
        log_failure("keeping an answer failed", request_id, error)
