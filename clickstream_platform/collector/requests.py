"""Requests as they arrive: the body, within limits and decompressed, and the write key.

Belongs here: HTTP to bytes and a key's hash. Does not: what the bytes say (`reading`), what is answered (`answers`).
"""

from __future__ import annotations

import asyncio
import base64
import zlib
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Self

from starlette.requests import ClientDisconnect, Request

from clickstream_platform.collector.options import HttpOptions
from clickstream_platform.collector.reading import read_single
from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.records import RejectReason

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_KEY_CHARACTERS = 512
_MAX_LENGTH_DIGITS = 18
_MAX_GZIP_MEMBERS = 100  # each costs a copy of what follows it; bgzip makes one of every 64 KB


class RefusedRequestError(RejectedRecordError):
    """A request that is answered with an error and not stored; `status` is of HTTP, `reason` the answer's code."""

    def __init__(self, status: int, reason: str, detail: str, retry_after: float | None = None) -> None:
        """Keep the status, and after how many seconds to repeat the request if that helps."""
        self.status, self.retry_after = status, retry_after
        super().__init__(reason, detail)


NOBODY = ""
"""Stands for the customer of a request whose key is in its body, until that is read."""


class OpenRequests:
    """How many requests are unanswered and what they hold, so that they never fill the memory."""

    def __init__(self, options: HttpOptions) -> None:
        """Take the limits of all customers; half of each is the limit of one."""
        self._options = options
        self.requests, self.bytes = 0, 0
        self._of: dict[str, list[int]] = {}

    def open(self) -> OpenRequest:
        """Count a request; raise RefusedRequestError (503) when there are too many."""
        if self.requests >= self._options.max_open_requests:
            raise _too_many()
        self.requests += 1
        return OpenRequest(self)

    def add(self, customer: str | None, size: int) -> None:
        """Count bytes that a request holds; raise RefusedRequestError (503) when they are too many."""
        counts = self._of[customer] if customer is not None else [0, 0]
        if self.bytes + size > self._options.max_open_bytes or 2 * (counts[1] + size) > self._options.max_open_bytes:
            raise _too_many()
        self.bytes += size
        counts[1] += size

    def claim(self, customer: str, size: int) -> None:
        """Count a request as one of a customer's; raise RefusedRequestError (503) when it has too many."""
        requests, held = self._of.get(customer, (0, 0))
        if 2 * requests >= self._options.max_open_requests or 2 * (held + size) > self._options.max_open_bytes:
            raise _too_many()
        self._of[customer] = [requests + 1, held + size]

    def disclaim(self, customer: str | None, size: int) -> None:
        """Count a request as this customer's no more."""
        if customer is not None:
            counts = self._of[customer]
            counts[0] -= 1
            counts[1] -= size
            if not counts[0]:
                del self._of[customer]

    def close(self, size: int, customer: str | None) -> None:
        """Forget an answered request."""
        self.requests -= 1
        self.bytes -= size
        self.disclaim(customer, size)


class OpenRequest:
    """One unanswered request; a context that ends with its answer."""

    def __init__(self, among: OpenRequests) -> None:
        """Belong to all of them."""
        self._among, self._size = among, 0
        self._customer: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._among.close(self._size, self._customer)

    def add(self, size: int) -> None:
        """Count bytes that it holds."""
        self._among.add(self._customer, size)
        self._size += size

    def belongs_to(self, customer: str) -> None:
        """Say whose request it is: NOBODY's at first where only the body tells."""
        if customer != self._customer:
            self._among.claim(customer, self._size)
            self._among.disclaim(self._customer, self._size)
            self._customer = customer


def _too_many() -> RefusedRequestError:
    return RefusedRequestError(503, "overloaded", "too many requests at once", 1)


async def read_body(request: Request, options: HttpOptions, opened: OpenRequest) -> bytes:
    """Return the body as it was sent.

    Raises RefusedRequestError when it is too long, too slow, or breaks off.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > _MAX_LENGTH_DIGITS or int(length) > options.max_body_bytes):
        raise _too_long(options)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(options.body_seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > options.max_body_bytes:
                    raise _too_long(options)
                opened.add(len(chunk))
                chunks.append(chunk)
    except TimeoutError as error:
        raise RefusedRequestError(408, "too_slow", "the body took too long to arrive") from error
    except ClientDisconnect as error:
        raise RefusedRequestError(400, "incomplete", "the connection was closed before the body's end") from error
    return b"".join(chunks)


def decompress(data: bytes, encoding: str, options: HttpOptions) -> bytes:
    """Return a body without its Content-Encoding; SDKs that compress and forget to say so are understood.

    Raises RefusedRequestError when it is too long then or the encoding unknown, RejectedRecordError when it is damaged.
    """
    name = encoding.strip().lower()
    if name not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise RefusedRequestError(415, "unsupported_encoding", "Content-Encoding must be gzip, deflate or absent")
    if name == "deflate":
        return _inflate(data, zlib.MAX_WBITS | 32 if data[:1] == b"\x78" else -zlib.MAX_WBITS, options)
    return _inflate(data, zlib.MAX_WBITS | 16, options) if data[:2] == _GZIP_MAGIC else data


def _inflate(data: bytes, window_bits: int, options: HttpOptions) -> bytes:
    parts: list[bytes] = []
    left = options.max_body_bytes
    while data:
        if len(parts) == _MAX_GZIP_MEMBERS:
            raise _too_long(options)
        stream = zlib.decompressobj(window_bits)
        try:
            part = stream.decompress(data, left + 1)
        except zlib.error as error:
            raise RejectedRecordError(RejectReason.GZIP_CORRUPT, str(error)) from error
        if len(part) > left:
            raise _too_long(options)
        if not stream.eof:
            raise RejectedRecordError(RejectReason.GZIP_TRUNCATED, "the compressed body has no end")
        parts.append(part)
        left -= len(part)
        data = stream.unused_data
    return b"".join(parts)


def _too_long(options: HttpOptions) -> RefusedRequestError:
    return RefusedRequestError(413, "too_large", f"a request has {options.max_body_bytes} bytes at most")


def key_of_request(request: Request) -> str | None:
    """Return the write key of the Authorization header (Basic, as user name) or the query, None when there is none."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(value.strip(), validate=True).decode().partition(":")[0]
        except ValueError:
            key = ""
        if key:
            return key
    return request.query_params.get("writeKey") or None


def key_of_body(fields: Mapping[str, Any], items: Sequence[bytes]) -> str | None:
    """Return the write key that a body or its first item names, where browsers put it."""
    key = fields.get("writeKey")
    if key is None and items:
        key = read_single(items[0]).fields.get("writeKey")
    return key if isinstance(key, str) and key else None


def hash_of_key(key: str) -> str:
    """Return the SHA-256 of a write key, as the registry keeps it; a key that can't be one gets a hash of no key."""
    text = key if len(key) <= _MAX_KEY_CHARACTERS else ""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
