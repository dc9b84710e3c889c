"""An HTTP proxy in front of a collector, as a load balancer is, that makes trouble for the first requests with events.

What belongs here: refusing, losing answers, compressing, and noting what passed. What does not: what is expected of
the SDK behind it.
"""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
_NO_EVENTS = ("/v1/m", "/sourceConfig")  # what SDKs tell about themselves, and what they ask for


@dataclass(frozen=True)
class Trouble:
    """What happens to requests with events.

    The first `refusals` are answered with `status` instead of being passed on. Of those that were accepted, the first
    `cuts` get no answer, after `when_cut` was called. `is_gzip` compresses what is not compressed, in both directions.
    """

    status: int = 503
    refusals: int = 0
    cuts: int = 0
    when_cut: Callable[[], None] = lambda: None
    is_gzip: bool = False


class FaultyProxy(ThreadingHTTPServer):
    """Counts what it did; `accepted` has each messageId with the number of times that the collector took it."""

    daemon_threads = True

    def __init__(self, upstream_port: int, trouble: Trouble) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream_port, self.trouble = upstream_port, trouble
        self.lock = threading.Lock()
        self.refused = self.cut = self.compressed = 0
        self.accepted: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def takes_turn(self, count: str, limit: int) -> bool:
        """Whether a kind of trouble has not come often enough yet; counts it then."""
        with self.lock:
            is_due: bool = getattr(self, count) < limit
            setattr(self, count, getattr(self, count) + is_due)
            return is_due

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent: clients that go away are no fault here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def do_GET(self) -> None:
        self._answer(*self._ask(b""))

    def do_OPTIONS(self) -> None:
        self._answer(*self._ask(b""))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        proxy, trouble = self.server, self.server.trouble
        if self.path.startswith(_NO_EVENTS):
            self._answer(*self._ask(body))
            return
        if proxy.takes_turn("refused", trouble.refusals):
            self._refuse(trouble.status)
            return
        status, headers, answer = self._ask(body)
        if status == 200:
            with proxy.lock:
                proxy.accepted.update(_ids(body, self.headers.get("Content-Encoding", "")))
            if proxy.takes_turn("cut", trouble.cuts):
                trouble.when_cut()
                self.close_connection = True
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return
        self._answer(status, headers, answer)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Pass a request on; where nobody listens, say so as a load balancer does."""
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers |= {"Accept-Encoding": "identity"}
        if body and self.server.trouble.is_gzip and "Content-Encoding" not in self.headers:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
            self.server.takes_turn("compressed", 1_000)
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream_port, timeout=30)
        try:
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except (OSError, http.client.HTTPException):
            return 503, _refusal_headers(), b'{"success":false,"code":"unavailable","message":"no collector"}'
        finally:
            upstream.close()

    def _refuse(self, status: int) -> None:
        self._answer(status, _refusal_headers(), b'{"success":false,"code":"busy","message":"busy"}')

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        if body and self.server.trouble.is_gzip and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Be silent."""


def _refusal_headers() -> list[tuple[str, str]]:
    """Return the headers of a refusal that a page of another origin may read, as the collector's own."""
    return [
        ("Retry-After", "1"),
        ("Content-Type", "application/json"),
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Expose-Headers", "Retry-After"),
    ]


def _ids(body: bytes, encoding: str) -> list[str]:
    sent = json.loads(gzip.decompress(body) if encoding == "gzip" else body)
    return [item["messageId"] for item in sent.get("batch", [sent])]


@contextmanager
def faulty_proxy(upstream_port: int, trouble: Trouble) -> Iterator[FaultyProxy]:
    """Run a proxy in front of a port of the loopback address until the block ends."""
    with FaultyProxy(upstream_port, trouble) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
