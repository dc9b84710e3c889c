"""The stand-in over HTTP, on a free port. Belongs here: paths, headers, being away. Does not: documents (`engine`)."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from clickstream_platform_tests.log_index_stand_in.engine import Engine, RefusedError

_SETTINGS = re.compile(r"/(_index_template|_ilm/policy|_plugins/_ism/policies|_component_template)/[\w.-]+")


class LogIndexStandIn:
    """A running stand-in; `stop` and `start` take it away and bring it back on the same port, with its documents."""

    def __init__(self) -> None:
        """Start on a free port."""
        self.engine = Engine()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.delay_seconds = 0.0
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        owner = self

        class Handler(_Handler):
            stand_in = owner

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def messages(self) -> list[str]:
        """Return the messages of all lines, in the order in which they were logged."""
        documents = self.engine.documents.values()
        in_order = sorted(documents, key=lambda each: (each["@timestamp"], each["event.sequence"]))
        return [each["message"] for each in in_order]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


class _Handler(BaseHTTPRequestHandler):
    stand_in: LogIndexStandIn
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer takes 40 ms

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's names
        """Log no requests."""

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        if self.headers.get("Content-Encoding") == "gzip":
            data = gzip.decompress(data)
        stand_in, path = self.stand_in, self.path.partition("?")[0]
        stand_in.requests.append((self.command, path, dict(self.headers)))
        if stand_in._server is None:  # stopped: a connection that was kept open is dropped, too
            self.close_connection = True
            return
        time.sleep(stand_in.delay_seconds)
        faults = stand_in.engine.faults
        is_refused = bool(faults.authorization) and self.headers.get("Authorization") != faults.authorization
        if status := faults.status or 401 * is_refused:
            self._send(status, {"error": {"type": "fault"}, "status": status})
        elif faults.nonsense:
            self._send_bytes(200, faults.nonsense)
        elif len(data) > faults.max_bytes:
            self._send(413, {"error": {"type": "too_large"}, "status": 413})
        else:
            self._serve(path, data)

    def _serve(self, path: str, data: bytes) -> None:
        engine = self.stand_in.engine
        try:
            if path == "/":
                self._send(200, {"version": {"number": "9.1.0"}, "tagline": "a stand-in for tests"})
            elif path.endswith("/_bulk"):
                self._send(200, engine.bulk(data))
            elif path.endswith("/_search"):
                self._send(200, engine.search(json.loads(data)))
            elif self.command == "PUT" and _SETTINGS.fullmatch(path):
                known = path in engine.settings and "_ism" in path
                engine.settings.setdefault(path, json.loads(data))
                self._send(409 if known else 200, {"acknowledged": not known})
            else:
                self._send(404, {"error": {"type": "unknown_path"}})
        except RefusedError as error:
            self._send(400, {"error": {"type": "illegal_argument_exception", "reason": str(error)}})

    def _send(self, status: int, body: dict[str, Any]) -> None:
        self._send_bytes(status, json.dumps(body).encode())

    def _send_bytes(self, status: int, data: bytes) -> None:
        self.send_response(status)
        # Elasticsearch's client asks for its own type of content, and for proof that it talks to Elasticsearch.
        wanted = self.headers.get("Accept", "")
        self.send_header("Content-Type", wanted.split(",")[0] if "elasticsearch+json" in wanted else "application/json")
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def running_log_index() -> Iterator[LogIndexStandIn]:
    """Run a stand-in until the block ends."""
    stand_in = LogIndexStandIn()
    try:
        yield stand_in
    finally:
        stand_in.stop()
