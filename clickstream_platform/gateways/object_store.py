"""The object store port: what the platform asks of a place that keeps objects, and what holds in every such place.

What belongs here: the protocol, `ObjectInfo`, the grammar of keys every store accepts, and the parts the stores share.
What does not: the layout of keys (`model.object_keys`), any one store (`local_objects`, `s3_objects` …).

What every store promises (one contract suite holds all of them to it):

- a key is text of 1 to 1,024 bytes of UTF-8; `a/` (a directory marker) is a key like any other; objects may be empty;
- a reader sees all of an object or nothing of it, and a listing never shows a half-written one;
- listings are in the order of the keys' code points, which is the order of their UTF-8 bytes, as S3 lists them;
- other bytes get another etag, and the same bytes put again the same way keep theirs (in S3 with KMS encryption only
  when put with if_absent). Etags of different stores are not comparable: `local_objects` explains the local one.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from clickstream_platform.errors import InvalidNameError, ObjectChangedError, ObjectNotFoundError, TerminalError

MAX_KEY_BYTES = 1_024  # of UTF-8; Amazon S3 User Guide, "Naming Amazon S3 objects"
DEFAULT_MAX_WORKERS = 16


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows about an object without reading it; size in bytes, modified aware and in UTC.

    S3 tells `modified` in whole seconds to `head`, in milliseconds to listings and, at a put, only the time of its
    answer: compare etags, not times.
    """

    key: str
    size: int
    etag: str
    modified: datetime


class ObjectStore(Protocol):
    """Keeps objects under keys; every method may raise ObjectStoreUnavailableError and ConfigurationError."""

    def get(self, key: str) -> bytes:
        """Return the whole object; raise ObjectNotFoundError when there is none."""
        ...

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Return the bytes from start up to, but without, end, cut at the object's own end like a slice."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Return a context manager that reads the object as a stream, in bounded memory.

        The stream is of the one object that was opened: ObjectChangedError is raised instead of mixing two of them.
        """
        ...

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """Write an object at once; with if_absent only when there is none.

        With if_absent, an existing object of the same bytes is a normal result; other bytes raise ObjectChangedError.
        """
        ...

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Write an object of any size from a local file, which stays where it is."""
        ...

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> list[ObjectInfo]:
        """Put many small objects, in parallel where that helps; results in the order of the items."""
        ...

    def head_many(self, keys: Iterable[str]) -> list[ObjectInfo | None]:
        """Look up many objects, in parallel where that helps; results in the order of the keys."""
        ...

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Read many small objects in the order of the keys, a bounded number of them ahead of the caller."""
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known about an object, or None when there is none."""
        ...

    def exists(self, key: str) -> bool:
        """Tell whether there is an object of exactly this key."""
        ...

    def list_objects(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """List the objects whose key starts with prefix and comes after the key `after`, page by page in key order."""
        ...

    def list_prefixes(self, prefix: str) -> Iterator[str]:
        """List the distinct beginnings of keys from prefix up to and with the next `/`, in order."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object; none to delete is a normal result. Only for staged data: raw objects are never deleted."""
        ...

    def url(self, key: str) -> str:
        """Return the address for COPY or DuckDB: `s3://…` or `file://…`, taken literally, never percent-decoded."""
        ...


def check_key(key: str) -> None:
    """Raise InvalidNameError unless the key can be kept by every store (long segments aside, see `local_names`)."""
    problem = "it is empty" if not key else _problem_of(key, key.removesuffix("/").split("/"))
    if problem:
        raise _invalid(f"cannot use object key {key[:200]!r}", problem)


def check_prefix(prefix: str) -> None:
    """Raise InvalidNameError unless a key could start with this prefix; the empty prefix stands for all keys."""
    # The last segment may be cut anywhere ("hour=20", "."), so only the complete ones must follow the grammar.
    problem = _problem_of(prefix, prefix.split("/")[:-1])
    if problem:
        raise _invalid(f"cannot list object keys by prefix {prefix[:200]!r}", problem)


def _problem_of(text: str, segments: list[str]) -> str:
    if any(segment in ("", ".", "..") for segment in segments):
        return "a segment between two slashes is empty, '.' or '..'"
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        return "it holds a control character"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    return f"it has {size} bytes of UTF-8, more than {MAX_KEY_BYTES}" if size > MAX_KEY_BYTES else ""


def _invalid(failed: str, problem: str) -> InvalidNameError:
    remedy = "Build keys with model.object_keys, which percent-encodes names."
    return InvalidNameError(failed, cause=problem, remedy=remedy)


def content_etag(data: bytes) -> str:
    """Return the etag that S3 gives to these bytes when they are put in one piece: their MD5 in hex."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def check_range(key: str, start: int, end: int) -> None:
    """Raise TerminalError for a negative bound: a range is counted from the object's start, never from its end."""
    if start < 0 or end < 0:
        raise TerminalError(
            f"cannot read bytes {start} to {end} of object {key!r}",
            cause="a bound is negative",
            remedy="Take the size from head() and count from the start.",
        )


def not_found(key: str) -> ObjectNotFoundError:
    """Return the error for an object that does not exist."""
    remedy = "Check the key, and whether a lifecycle rule removed the object."
    return ObjectNotFoundError(f"cannot read object {key!r}", cause="there is no such object", remedy=remedy)


def differs(key: str) -> ObjectChangedError:
    """Return the error for a write-once object that exists with other bytes."""
    return ObjectChangedError(
        f"cannot put object {key!r} once",
        cause="it exists with other content",
        remedy="Two writers made different content under one name: keep what is there and find out which is right.",
    )


def source_size(key: str, path: Path) -> int:
    """Return the size in bytes of a local file to put; raise ObjectNotFoundError when there is no such file."""
    if not path.is_file():
        failed = f"cannot put object {key!r}"
        raise ObjectNotFoundError(failed, cause=f"{path} is no file", remedy="Name an existing file.")
    return path.stat().st_size


class OneByOne(ABC):
    """The batch methods for stores where parallel work gains nothing."""

    @abstractmethod
    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""

    @abstractmethod
    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """See `ObjectStore.put`."""

    @abstractmethod
    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`."""

    def exists(self, key: str) -> bool:
        """See `ObjectStore.exists`."""
        return self.head(key) is not None

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> list[ObjectInfo]:
        """See `ObjectStore.put_many`."""
        return [self.put(key, data) for key, data in items]

    def head_many(self, keys: Iterable[str]) -> list[ObjectInfo | None]:
        """See `ObjectStore.head_many`."""
        return [self.head(key) for key in keys]

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See `ObjectStore.get_many`."""
        return ((key, self.get(key)) for key in keys)
