"""Runs the collector's application until the process is asked to stop, then drains it.

uvicorn stops accepting at SIGTERM or SIGINT and answers what is open; then the application's end drains the delivery.
Belongs here: the server's own settings. Does not: connections (`connections`), putting the collector together
(`clickstream collector`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from clickstream_platform.collector.connections import connections_of

KEEP_ALIVE_SECONDS = 75  # longer than the idle time of load balancers (60 s), so that they never meet a closed end
ANSWER_SECONDS = 20
BACKLOG = 2048


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


def make_server(app: ASGIApp, announce: Callable[[], None] = lambda: None) -> uvicorn.Server:
    """Return a server that runs once; `announce` is called when requests are taken."""
    config = uvicorn.Config(
        app,
        lifespan="on",
        http=connections_of(),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # the collector itself decides whom to believe
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=ANSWER_SECONDS,
        backlog=BACKLOG,
    )
    return _Server(config, announce)


def serve(app: ASGIApp, listener: socket.socket, announce: Callable[[], None]) -> None:
    """Answer on a bound socket until SIGTERM or SIGINT; `announce` is called once requests are taken."""
    make_server(app, announce).run([listener])
