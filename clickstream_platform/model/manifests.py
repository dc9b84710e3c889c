"""Seals and manifests: what an hour holds, and the frozen input of one stream-hour. See docs/object-layout.md.

Belongs here: their content, JSON form and digest. Does not: their keys (`model.object_keys`) or who writes them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream

FORMAT_VERSION = 1


@dataclass(frozen=True, order=True, slots=True)
class ObjectRef:
    """One raw object: key, size in bytes, etag, and its record count where the producer stated it."""

    key: str
    size: int
    etag: str
    records: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The frozen input of one stream-hour: its objects in key order. The digest names the input."""

    stream: Stream
    hour: Hour
    objects: tuple[ObjectRef, ...]

    @classmethod
    def freeze(cls, stream: Stream, hour: Hour, objects: Iterable[ObjectRef]) -> Manifest:
        """Order the objects by key, each once."""
        return cls(stream, hour, tuple(sorted({item.key: item for item in objects}.values())))

    @property
    def digest(self) -> str:
        """40 hex digits over keys, sizes and etags: the same input has the same digest, whoever listed it."""
        lines = (f"{item.key}\n{item.size}\n{item.etag}\n" for item in self.objects)
        return hashlib.sha256("".join((f"{self.stream}\n{self.hour}\n", *lines)).encode()).hexdigest()[:40]

    @property
    def size_bytes(self) -> int:
        """The sum of the objects' sizes as stored, in bytes."""
        return sum(item.size for item in self.objects)

    def to_json(self) -> bytes:
        """Return the stored form."""
        body = {
            "version": FORMAT_VERSION,
            "customer": self.stream.customer,
            "event": self.stream.event,
            "hour": str(self.hour),
            "digest": self.digest,
            "objects": [asdict(item) for item in self.objects],
        }
        return _dump(body)

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Read the stored form; raise InvalidNameError when it is damaged or its digest does not match."""
        body = _load(data, "manifest")
        manifest = cls.freeze(
            Stream(body["customer"], body["event"]),
            Hour.parse(body["hour"]),
            (ObjectRef(**item) for item in body["objects"]),
        )
        if manifest.digest != body["digest"]:
            raise InvalidNameError(
                "reading a manifest",
                where=f"{manifest.stream} {manifest.hour}",
                cause="its digest does not match its objects",
                remedy="Delete the manifest; the next run freezes it again from the raw objects.",
            )
        return manifest


@dataclass(frozen=True, slots=True)
class Seal:
    """One shard's statement that it has written everything of an hour: its objects by stream, and its watermark."""

    hour: Hour
    shard: str
    watermark: str
    streams: Mapping[Stream, tuple[ObjectRef, ...]] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return the stored form, in a fixed order."""
        body = {
            "version": FORMAT_VERSION,
            "hour": str(self.hour),
            "shard": self.shard,
            "watermark": self.watermark,
            "streams": [
                {"customer": s.customer, "event": s.event, "objects": [asdict(o) for o in sorted(self.streams[s])]}
                for s in sorted(self.streams)
            ],
        }
        return _dump(body)

    @classmethod
    def from_json(cls, data: bytes) -> Seal:
        """Read the stored form; raise InvalidNameError when it is damaged."""
        body = _load(data, "seal")
        streams = {
            Stream(item["customer"], item["event"]): tuple(ObjectRef(**entry) for entry in item["objects"])
            for item in body["streams"]
        }
        return cls(Hour.parse(body["hour"]), body["shard"], body["watermark"], streams)


def _dump(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _load(data: bytes, what: str) -> dict[str, Any]:
    try:
        body = json.loads(data)
        if body["version"] == FORMAT_VERSION:
            return dict(body)
        cause = f"format version {body['version']!r}"
    except (ValueError, TypeError, KeyError) as error:
        cause = f"{type(error).__name__}: {error}"
    raise InvalidNameError(f"reading a {what}", cause=cause, remedy=f"Delete the damaged {what}; it is made again.")
