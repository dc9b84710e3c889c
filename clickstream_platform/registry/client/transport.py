"""HTTP requests to the registry's API, bounded in time and size: one request, one answer, nothing repeated by itself.

urllib3, because it does what it is told: `requests` on top of it would follow a redirect with the token, replace the
token by one of ~/.netrc, and brings no types. Belongs here: the connection, the token, the limits. Does not: what is
asked (`api`), what an answer means (`answers`).
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import Retry, Timeout, parse_url

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.registry.refusals import RegistryUnavailableError

MAX_SENT_BYTES = 64 * 1024 * 1024
"""The longest answer that is read, as it is sent (compressed); a snapshot of 1,000 customers × 20 events has 1 MB."""
CHUNK_BYTES = 1 << 16
POOL_SIZE = 4
IDLE_SECONDS = 2.0
"""A connection that was idle for longer is not used again: the other end may be closing it, servers do after 5 s."""
_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API sent back; `body` as sent, compressed where `encoding` is gzip."""

    status: int
    headers: Mapping[str, str]
    """With lower-case names."""
    body: bytes

    @property
    def is_gzip(self) -> bool:
        """Whether the body is compressed."""
        return self.headers.get("content-encoding", "").lower() == "gzip"

    @property
    def text(self) -> bytes:
        """The body without compression, cut at the limit for a compressed one; empty when it can't be read."""
        if not self.is_gzip:
            return self.body
        try:
            return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(self.body, MAX_SENT_BYTES)
        except zlib.error:
            return b""


class Transport:
    """Sends requests to one API with its token; shared by the threads of a process."""

    def __init__(self, url: str, read_token: Callable[[], str], *, timeout_seconds: float) -> None:
        """Ask the API at an http or https URL; the token is read at the first request, and anew after a refusal.

        `timeout_seconds` bounds each request from its beginning to the last byte of its answer. Raises
        ConfigurationError for a URL that can't be one.
        """
        self.url = check_url(url)
        self._read_token, self._timeout_seconds = read_token, timeout_seconds
        self._token: str | None = None
        self._last_used = 0.0
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=POOL_SIZE, block=False, retries=Retry(total=0))

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def forget_token(self) -> None:
        """Read the token again for the next request: it may have been replaced."""
        self._token = None

    def send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Send one request; raise RegistryUnavailableError when no whole answer comes in time.

        Raises what reading the token raises. A redirect is an answer like any other and is not followed.
        """
        sent = {"Authorization": f"Bearer {self._bearer()}", "Accept-Encoding": "gzip", **(headers or {})}
        started = time.monotonic()
        if started - self._last_used > IDLE_SECONDS:
            self._pool.clear()
        try:
            response = self._pool.request(
                method,
                f"{self.url}{path}",
                headers=sent,
                body=body,
                redirect=False,
                preload_content=False,
                timeout=Timeout(total=self._timeout_seconds),
            )
            try:
                content = self._read(response, started + self._timeout_seconds)
            except BaseException:
                response.close()  # an answer that was not read to its end leaves no connection to be used again
                raise
            response.release_conn()
            self._last_used = time.monotonic()
        except (HTTPError, OSError, ValueError) as error:
            raise self._unavailable(_cause(error)) from error
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, content)

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        chunks, size = [], 0
        while chunk := response.read1(CHUNK_BYTES, decode_content=False):  # what is there, without waiting for more
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_SENT_BYTES:
                raise self._unavailable(f"the answer is longer than {MAX_SENT_BYTES:,} bytes")
            if time.monotonic() > deadline:
                raise self._unavailable(f"the answer took longer than {self._timeout_seconds:g} s")
        return b"".join(chunks)

    def _bearer(self) -> str:
        if self._token is None:
            token = self._read_token()
            if not _TOKEN.fullmatch(token):
                raise ConfigurationError(
                    "reading the token for the registry's API",
                    cause="it holds white space or a character that no token has",
                    remedy="Let CLICKSTREAM_REGISTRY_TOKEN_REFERENCE name a place with the token alone.",
                )
            self._token = token
        return self._token

    def _unavailable(self, cause: str) -> RegistryUnavailableError:
        remedy = "Try again; it may be restarting. Known customers and events are loaded meanwhile."
        return RegistryUnavailableError("asking the registry's API", where=self.url, cause=cause, remedy=remedy)


def check_url(url: str) -> str:
    """Return the API's URL without a slash at its end; raise ConfigurationError for one that can't be used."""
    try:
        parsed = parse_url(url)
    except LocationParseError:
        parsed = None
    if parsed is None or parsed.scheme not in {"http", "https"} or not parsed.host or parsed.auth or parsed.query:
        # It is not repeated: it may hold a password.
        raise ConfigurationError(
            "reading the address of the registry's API",
            cause="it is no http or https URL without user, password and query",
            remedy="Set CLICKSTREAM_REGISTRY_API_URL, such as http://registry:8400.",
        )
    return url.rstrip("/")


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error  # what a MaxRetryError is about
    return " ".join(f"{type(reason).__name__}: {reason}".split())[:500]
