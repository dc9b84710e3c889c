"""A small HTTP server that answers from a registry's service and misbehaves as told; for faults that no real one shows.

What belongs here: the three requests that clients make, and ways to fail. What does not: anything else of the API (the
contract suite runs against the real one).
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from clickstream_platform.errors import RegistryError
from clickstream_platform.registry import RegistryService
from clickstream_platform.registry.documents import snapshot_document, to_document
from clickstream_platform.registry.refusals import ConflictError, InvalidRequestError, NotFoundError

TOKEN = "loader-token"
STATUSES = {NotFoundError: 404, ConflictError: 409, InvalidRequestError: 422}


class ScriptedApi:
    """What the server does, and what it was asked.

    `faults` take the place of the coming answers, one after the other; each gets the handler and answers by itself.
    `is_away` closes every connection without an answer.
    """

    def __init__(self, service: RegistryService) -> None:
        self.service = service
        self.requests: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.faults: list[Callable[[Handler], None]] = []
        self.is_away = False
        self.url = ""
        self.token = TOKEN

    def story(self) -> list[str]:
        """Return what was asked since the last call, `GET /v1/snapshot 304` and so on."""
        story, self.requests = [f"{line} {outcome}" for line, outcome in self.requests], []
        return story


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    api: ScriptedApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(self.answer_snapshot)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.api.bodies.append(body)
        self._answer(lambda: self._sightings(body) if self.path.endswith("/sightings") else self._customer(body))

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer."""
        self.api.requests.append((f"{self.command} {self.path}", str(status)))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def problem(self, status: int, detail: str) -> None:
        """Answer with a problem document."""
        body = json.dumps({"title": "Refused", "status": status, "detail": detail}).encode()
        self.send(status, body, Content_Type="application/problem+json")

    def drop(self) -> None:
        """Close the connection without an answer."""
        self.api.requests.append((f"{self.command} {self.path}", "dropped"))
        self.close_connection = True

    def _answer(self, otherwise: Callable[[], None]) -> None:
        if self.api.is_away:
            self.drop()
        elif self.api.faults:
            self.api.faults.pop(0)(self)
        elif self.headers["Authorization"] != f"Bearer {self.api.token}":
            self.problem(401, "no such token")
        else:
            try:
                otherwise()
            except RegistryError as error:
                self.problem(STATUSES[type(error)], error.cause)

    def answer_snapshot(self) -> None:
        """Answer as the registry does."""
        snapshot = self.api.service.snapshot()
        tag = f'"{snapshot.etag}"'
        if self.headers["If-None-Match"] == tag:
            self.send(304, ETag=tag)
            return
        body = gzip.compress(json.dumps(snapshot_document(snapshot, with_keys=False)).encode(), mtime=0)
        self.send(200, body, ETag=tag, Content_Encoding="gzip", Content_Type="application/json")

    def _sightings(self, body: dict[str, Any]) -> None:
        seen = {slug: (each["name"], each["records"]) for slug, each in body["events"].items()}
        customer, create = unquote(self.path.split("/")[3]), body.get("create_customer", False)
        samples = {slug: each["sample"] for slug, each in body["events"].items() if "sample" in each}
        events = self.api.service.record_seen(customer, body["hour"], seen, samples=samples, create_customer=create)
        document = {"events": {slug: to_document(event) for slug, event in events.items()}}
        self.send(200, json.dumps(document).encode(), Content_Type="application/json")

    def _customer(self, body: dict[str, Any]) -> None:
        customer = self.api.service.add_customer(body["slug"])
        self.send(201, json.dumps(to_document(customer)).encode(), Content_Type="application/json")


class QuietServer(ThreadingHTTPServer):
    """A server whose clients may hang up."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: what the client made of it is what is tested."""


@contextmanager
def serving(service: RegistryService) -> Iterator[ScriptedApi]:
    """Serve a registry on a free port of the loopback address."""
    api = ScriptedApi(service)
    handler = type("BoundHandler", (Handler,), {"api": api})
    server = QuietServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
