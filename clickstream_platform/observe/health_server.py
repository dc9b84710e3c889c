"""`/metrics`, `/healthz` and `/readyz` of a process that serves nothing else: the batcher, the exporter.

Belongs here: the server and its three paths. Does not: metrics, and what healthy means (whoever starts it).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from clickstream_platform.errors import ConfigurationError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

Check = Callable[[], str]
"""Returns why something is not as it should be, an empty text when it is. Asked for each request; must not wait."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 30.0  # a client that sends nothing holds a thread no longer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class's names
        """Log no requests: probes and scrapes come every few seconds."""


def _nothing_wrong() -> str:
    return ""


def make_health_app(metrics: CollectorRegistry, is_alive: Check, is_ready: Check) -> WSGIApplication:
    """Return the three paths: a check that names a reason answers 503 with it, an unknown path 404."""
    show_metrics, checks = make_wsgi_app(metrics), {"/healthz": is_alive, "/readyz": is_ready}

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            shown: Iterable[bytes] = show_metrics(environ, start_response)
            return shown
        reason = checks[path]() if path in checks else "This process has /healthz, /readyz and /metrics."
        status = "404 Not Found" if path not in checks else "503 Service Unavailable" if reason else "200 OK"
        body = f"{reason or 'ok'}\n".encode()
        start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


@contextmanager
def serving_health(
    host: str,
    port: int,
    metrics: CollectorRegistry,
    *,
    is_alive: Check = _nothing_wrong,
    is_ready: Check = _nothing_wrong,
) -> Iterator[int]:
    """Serve in threads until the block ends; give the port, which is a free one for 0.

    Raises ConfigurationError when the address can't be listened on.
    """
    app = make_health_app(metrics, is_alive, is_ready)
    try:
        server = make_server(host, port, app, server_class=_Server, handler_class=_Handler)
    except OSError as error:
        remedy = "Choose another --port or --host."
        raise ConfigurationError("serving metrics", where=f"{host}:{port}", cause=str(error), remedy=remedy) from error
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
