"""An S3 object as a stream that survives broken connections.

What belongs here: `S3Reader`. What does not: requests and their errors (`s3_objects`, `s3_errors`).

Reading a large object takes minutes, longer than S3 keeps an idle connection while the transform works on what it has.
A broken stream is therefore taken up again at the same byte, with If-Match on the etag first seen: either it is the
same object, or ObjectChangedError says that it is not.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from clickstream_platform.errors import ObjectChangedError
from clickstream_platform.gateways.s3_errors import unavailable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

CHUNK_BYTES = 1 << 20
MAX_RESUMES = 5  # in a row without a single byte; then the store counts as unavailable
RESUME_SECONDS = 0.1  # before the first resume, doubled for each further one

# Opens the object at a byte, if its etag is still the given one ("": whatever it is); None when it ends before it.
OpenAt = Callable[[int, str], "GetObjectOutputTypeDef | None"]


class S3Reader(io.RawIOBase):
    """Reads one object, or a range of it, once from start to end; wrap it in io.BufferedReader for small reads."""

    def __init__(self, key: str, open_at: OpenAt, *, start: int = 0) -> None:
        """Open at once, so that a missing object is reported here; where the range ends only open_at knows."""
        super().__init__()
        self._key, self._open_at, self._position = key, open_at, start
        self._response: GetObjectOutputTypeDef | None = None  # already for close(), when opening fails
        self._response = open_at(start, "")
        self._end = start + self._response["ContentLength"] if self._response else start
        self._etag = self._response["ETag"] if self._response else ""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer, or part of it, and return the number of bytes; 0 only at the end."""
        view = memoryview(buffer).cast("B")
        chunk = self._read_chunk(len(view))
        view[: len(chunk)] = chunk
        return len(chunk)

    def readall(self) -> bytes:
        """Return everything up to the end."""
        return b"".join(iter(lambda: self._read_chunk(CHUNK_BYTES), b""))

    def close(self) -> None:
        """Give the connection back; one that still has bytes to come is closed."""
        if not self.closed and self._response:
            self._response["Body"].close()
        super().close()

    def _read_chunk(self, size: int) -> bytes:
        problem = "the connection ended early"
        for attempt in range(MAX_RESUMES + 1):
            size = min(size, self._end - self._position)
            if not size or not self._response:
                return b""
            try:
                chunk = self._response["Body"].read(size)
            except (BotoCoreError, HTTPError, OSError) as error:
                problem = type(error).__name__
            else:
                if chunk:
                    self._position += len(chunk)
                    return chunk
            self._resume(RESUME_SECONDS * 2**attempt)
        raise unavailable("read", self._key, f"{problem} at byte {self._position} of {self._end}, {MAX_RESUMES} times")

    def _resume(self, seconds: float) -> None:
        if self._response:
            self._response["Body"].close()
        time.sleep(seconds)
        self._response = self._open_at(self._position, self._etag)
        # Some servers ignore If-Match, so the answer is looked at too.
        if self._response is None or self._response["ETag"] != self._etag:
            raise ObjectChangedError(
                f"cannot go on reading object {self._key!r} at byte {self._position}",
                cause="it was replaced while it was read",
                remedy="Raw objects are written once: find out who replaced it, then start again from the listing.",
            )
