"""Applications behind a real server, for as long as a test asks them.

Starting and stopping a server takes a fifth of a second, most of it waiting, which is longer than most tests: a server
is kept for the next test, with another application behind it. Belongs here: servers. Does not: applications, clients.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

START_SECONDS = END_SECONDS = 20.0
_PAUSE_SECONDS = 0.005


class KeptServer:
    """A server on a port of its own, in a thread; `app` is what it asks."""

    def __init__(self) -> None:
        """Start it."""
        self.app: ASGIApp | None = None
        self._under_way = 0  # changed by the server's thread only
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # Without a configuration of its own for logs, a test can read them.
        config = uvicorn.Config(
            self._ask,
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        _wait_until(lambda: self._server.started, START_SECONDS)
        assert self._server.started, "the server did not start"

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None, "somebody asks after the end of a test"
        self._under_way += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._under_way -= 1

    def release(self) -> bool:
        """Wait until nothing is asked any more and forget the application; whether that was soon."""
        is_idle = _wait_until(lambda: not self._under_way, END_SECONDS)
        self.app = None
        return is_idle

    def end(self) -> None:
        """End the thread."""
        self._server.should_exit = True
        self._thread.join(END_SECONDS)


_idle: list[KeptServer] = []


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application on a free port of this machine and give its address."""
    server = _idle.pop() if _idle else KeptServer()
    server.app = app
    try:
        yield server.address
    finally:
        if server.release():
            _idle.append(server)
        else:
            server.end()


def end_servers() -> None:
    """End the servers that were kept."""
    while _idle:
        _idle.pop().end()


def _wait_until(is_so: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
    return is_so()
