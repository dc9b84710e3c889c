"""Connections that anybody may open: how long their heads may be and take, and how many there are at most.

uvicorn has no limits of its own for what comes before a request reaches the application. Belongs here: those limits.
Does not: bodies (`requests`), the server's settings (`serving`).
"""

from __future__ import annotations

import asyncio
import resource

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 65_536
"""Of a request's line and headers together, and of what a chunked body has beside its chunks."""
HEAD_SECONDS = 20.0
"""A head must have arrived within this time of its first byte, and what is left of a body that is answered already."""
MAX_CONNECTIONS = 10_000
_OTHER_FILES = 200  # descriptors that Kinesis, the spool, the registry and logs need
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: 75\r\n\r\n"
    b'{"success":false,"code":"too_large","message":"the headers are too long"}\r\n'
)


class Connection(HttpToolsProtocol):
    """One connection; closed when its client does not keep to the limits."""

    max_connections, max_head_bytes, head_seconds = MAX_CONNECTIONS, MAX_HEAD_BYTES, HEAD_SECONDS
    _awaits_head, _unread = True, 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin, or refuse a connection too many."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.abort()
        else:
            self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._unset_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless it is too much without an end of the head, a piece of a body or an end of the request."""
        self._unread += len(data)
        super().data_received(data)
        if self._unread > self.max_head_bytes and not self.transport.is_closing():
            self.transport.write(_TOO_LONG)
            self.transport.close()
        elif self._unread and self._awaits_head and self._deadline is None:
            self._set_deadline()

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._awaits_head, self._unread = False, 0
        self._unset_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Await the next request."""
        self._awaits_head, self._unread = True, 0
        self._unset_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give a client that was answered before its body's end some time for the rest."""
        super().on_response_complete()
        if not self._awaits_head and not self.transport.is_closing():
            self._set_deadline()

    def _set_deadline(self) -> None:
        self._unset_deadline()
        self._deadline = self.loop.call_later(self.head_seconds, self._give_up)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:  # what comes next must wait for the answer
            self._set_deadline()


def connections_of(
    max_connections: int = MAX_CONNECTIONS, max_head_bytes: int = MAX_HEAD_BYTES, head_seconds: float = HEAD_SECONDS
) -> type[Connection]:
    """Return the class of connections with these limits.

    There are never more than the process may have files, but for those that it needs itself: without any left it could
    neither reach Kinesis nor write to the spool.
    """
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files != resource.RLIM_INFINITY:
        max_connections = max(1, min(max_connections, files - _OTHER_FILES))
    limits = {"max_connections": max_connections, "max_head_bytes": max_head_bytes, "head_seconds": head_seconds}
    return type("LimitedConnection", (Connection,), limits)
