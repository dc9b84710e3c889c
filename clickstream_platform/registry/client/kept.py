"""The form in which a snapshot is kept, on disk and in the object store: two gzip members, a header and the snapshot.

The header names the bytes of the second member by their SHA-256, so damage is noticed; `zcat` shows both as JSON.
Belongs here: that form, pure. Does not: where it is kept (`cache`, `copies`).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from clickstream_platform.errors import RegistryError
from clickstream_platform.registry.documents import parse_snapshot
from clickstream_platform.registry.entities import Snapshot

FORMAT = 1
HEADER_BYTES = 4_096
"""More than any header has; reading so many bytes of a kept snapshot is enough for `read_header`."""
MAX_SNAPSHOT_BYTES = 512 * 1024 * 1024
"""The longest snapshot document that is read, uncompressed; 1,000 customers × 20 events have about 6 MB."""
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a kept snapshot without reading it."""

    tag: str
    """The ETag as the registry's API gave it, quotes included."""
    confirmed_at: datetime
    """When the API last said that this is the current state; what the snapshot's age counts from."""
    digest: str
    """SHA-256 of the second member, 64 hex digits."""
    shared_at: datetime | None = None
    """When the copy in the object store was last seen or made to be of this tag."""


@dataclass(frozen=True, slots=True)
class KeptSnapshot:
    """A snapshot document, compressed, and its header."""

    header: Header
    body: bytes
    """The gzip of the snapshot document, as the API sent it."""

    def to_bytes(self) -> bytes:
        """Return the written form."""
        header = {
            "format": FORMAT,
            "tag": self.header.tag,
            "confirmed_at": self.header.confirmed_at.isoformat(),
            "sha256": self.header.digest,
            "shared_at": None if self.header.shared_at is None else self.header.shared_at.isoformat(),
        }
        return gzip.compress(f"{json.dumps(header)}\n".encode(), mtime=0) + self.body

    @classmethod
    def from_bytes(cls, data: bytes) -> KeptSnapshot:
        """Read the written form; raise RegistryError for anything else, damaged bytes among them."""
        header, body = _split(data)
        if hashlib.sha256(body).hexdigest() != header.digest:
            raise _damaged("its bytes are not those that were written")
        return cls(header, body)

    def parse(self) -> Snapshot:
        """Return the snapshot; raise RegistryError for a body that is none."""
        return parse_body(self.body)


def header_of(tag: str, confirmed_at: datetime, body: bytes, shared_at: datetime | None = None) -> Header:
    """Return the header of a body."""
    return Header(tag, confirmed_at, hashlib.sha256(body).hexdigest(), shared_at)


def read_header(data: bytes) -> Header:
    """Read the header from the first bytes of the written form; raise RegistryError for anything else."""
    return _split(data)[0]


def parse_body(body: bytes) -> Snapshot:
    """Return the snapshot in a gzip body of bounded size; raise RegistryError when there is none in it."""
    try:
        reader = zlib.decompressobj(_GZIP)
        text = reader.decompress(body, MAX_SNAPSHOT_BYTES)
        if not reader.eof:
            raise _damaged(f"it is cut off, or longer than {MAX_SNAPSHOT_BYTES:,} bytes")
        document = orjson.loads(text)
    except (zlib.error, orjson.JSONDecodeError) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from error
    if not isinstance(document, dict):
        raise _damaged("it is no JSON object")
    return parse_snapshot(document)


def _split(data: bytes) -> tuple[Header, bytes]:
    try:
        reader = zlib.decompressobj(_GZIP)
        text = reader.decompress(data, HEADER_BYTES)
        if not reader.eof:
            raise _damaged("its header is cut off")
        return _parse_header(json.loads(text)), reader.unused_data
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from error


def _parse_header(document: Mapping[str, Any]) -> Header:
    if document["format"] != FORMAT:
        raise _damaged(f"it is of format {document['format']!r}, this version reads {FORMAT}")
    shared_at = document["shared_at"]
    return Header(
        tag=str(document["tag"]),
        confirmed_at=_moment(document["confirmed_at"]),
        digest=str(document["sha256"]),
        shared_at=None if shared_at is None else _moment(shared_at),
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


def _damaged(cause: str) -> RegistryError:
    return RegistryError("reading a kept snapshot of the registry", cause=cause, remedy="It is fetched anew by itself.")
