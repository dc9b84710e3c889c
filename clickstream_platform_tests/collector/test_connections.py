"""Connections that nobody vouches for: endless heads, idle ones, too many of them."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from clickstream_platform.collector.connections import connections_of

_FEW, _SHORT, _SECONDS = 5, 2_000, 0.3


async def _answer(request: Request) -> PlainTextResponse:
    if request.method == "POST":
        await request.body()
    elif request.url.path == "/slow":
        await asyncio.sleep(3 * _SECONDS)
    return PlainTextResponse("done")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = Starlette(routes=[Route("/{path}", _answer, methods=["GET", "POST", "PUT"])])
    limited = connections_of(_FEW, _SHORT, _SECONDS)
    server = uvicorn.Server(uvicorn.Config(app, http=limited, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(timeout=10)
    listener.close()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        yield connection


def everything(connection: socket.socket) -> bytes:
    """Return what is answered until the connection is closed."""
    found = b""
    try:
        while data := connection.recv(65_536):
            found += data
    except ConnectionError:
        return found
    return found


def send_slowly(connection: socket.socket, size: int) -> None:
    for _ in range(size // 500):
        connection.sendall(b"a" * 500)
        time.sleep(0.001)


@pytest.mark.parametrize(
    "start",
    [
        b"GET /",
        b"GET /x HTTP/1.1\r\nHost: x\r\nX: ",
        b"GET /x HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100,
        b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1;",
        b"PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: ",
    ],
)
def test_what_has_no_end_is_given_up(port: int, start: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(start)
        with pytest.raises(ConnectionError):
            send_slowly(connection, 100 * _SHORT)


def test_a_head_that_is_too_long_is_told_so(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET /x HTTP/1.1\r\nX: " + b"a" * _SHORT)
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert f"content-length: {len(body)}".encode() in head


@pytest.mark.parametrize(
    "sent", [b"", b"\r\n", b"GET / HT", b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"]
)
def test_a_client_that_does_not_go_on_is_given_up(port: int, sent: bytes) -> None:
    """Before its first byte, within a head, and within a body that nobody waits for."""
    with connected(port) as connection:
        connection.sendall(sent)
        started = time.monotonic()
        everything(connection)
        assert time.monotonic() - started < 10 * _SECONDS


def test_a_slow_answer_and_a_quiet_connection_are_no_fault(port: int) -> None:
    request = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(port) as connection:
        for path in (b"slow", b"fast"):
            connection.sendall(request % path)
            assert connection.recv(65_536).endswith(b"done")
            time.sleep(2 * _SECONDS)
        connection.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100_000)
        assert connection.recv(65_536).endswith(b"done")
        connection.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ab")
        assert connection.recv(65_536).endswith(b"done")


def test_there_are_never_too_many(port: int) -> None:
    open_ones = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(_FEW)]
    time.sleep(0.05)
    with connected(port) as one_more:
        assert everything(one_more) == b""
    for each in open_ones:
        each.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert each.recv(65_536).endswith(b"done")
        each.close()
