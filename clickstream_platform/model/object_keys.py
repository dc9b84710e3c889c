"""The written grammar of every object key; the only place that formats or parses one. See docs/object-layout.md.

Belongs here: keys. Does not: what the objects hold (`model.manifests`, `model.staging`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream

RAW_PREFIX, SEAL_PREFIX, MANIFEST_PREFIX = "raw/", "seals/", "manifests/"
STAGED_PREFIX, QUARANTINE_PREFIX = "staged/", "quarantine/"
REGISTRY_SNAPSHOT_KEY = "registry/snapshot.json.gz"
"""The last good snapshot of the registry, for processes whose own disk has none."""

_NAME_FORM = r"(?P<shard>[A-Za-z0-9_.-]+)-(?P<first>[0-9A-Za-z]+)-(?P<last>[0-9A-Za-z]+)\.ndjson(?P<gzip>\.gz)?"
_NAME = re.compile(_NAME_FORM)
_RAW = re.compile(r"raw/hour=(?P<hour>[^/]+)/customer=(?P<customer>[^/]+)/event=(?P<event>[^/]+)/" + _NAME_FORM)
# Firehose names its objects <stream>-<version>-<date>-<time>-<UUID>. Who seals hours has no '-' in the name of a shard.
_RAW_SHARD, _SHARD = re.compile(r"[A-Za-z0-9_.-]+"), re.compile(r"[A-Za-z0-9_.]+")
_SEQUENCE = re.compile(r"[0-9A-Za-z]+")


def _part(slug: str) -> str:
    return quote(slug, safe="")


@dataclass(frozen=True, order=True, slots=True)
class RawObjectKey:
    """`raw/hour=<hour>/customer=<c>/event=<e>/<shard>-<first>-<last>.ndjson.gz`; shard and sequences are opaque."""

    hour: Hour
    stream: Stream
    shard: str
    first: str
    last: str

    def __post_init__(self) -> None:
        """Refuse a shard or sequence that the grammar can't give back."""
        is_sequence = _SEQUENCE.fullmatch(self.first) and _SEQUENCE.fullmatch(self.last)
        if not is_sequence or not _RAW_SHARD.fullmatch(self.shard):
            raise InvalidNameError(
                "naming a raw object",
                where=f"{self.stream} {self.hour}",
                cause=f"shard {self.shard!r} or sequences {self.first!r}, {self.last!r} are outside the grammar",
                remedy="Use letters, digits, '_', '.' and '-' for shards, letters and digits for sequences.",
            )

    def __str__(self) -> str:
        return f"{raw_prefix(self.hour, self.stream)}{self.shard}-{self.first}-{self.last}.ndjson.gz"

    @classmethod
    def parse(cls, key: str) -> RawObjectKey:
        """Parse a key; raise InvalidNameError for one that is no raw object (directory markers among them)."""
        match = _RAW.fullmatch(key)
        if match is None:
            raise InvalidNameError(
                "reading a raw object key",
                cause=f"{key!r} does not follow the layout",
                remedy="Write objects as raw/hour=<hour>/customer=<c>/event=<e>/<shard>-<first>-<last>.ndjson.gz.",
            )
        stream = Stream(unquote(match["customer"]), unquote(match["event"]))
        return cls(Hour.parse(match["hour"]), stream, match["shard"], match["first"], match["last"])


def is_raw_name(name: str) -> bool:
    """Whether the last part of a key, after the stream's folder, is that of a raw object."""
    return _NAME.fullmatch(name) is not None


def raw_prefix(hour: Hour, stream: Stream | None = None, *, customer: str | None = None) -> str:
    """Return the prefix of an hour's raw objects, of one customer's or of one stream's."""
    prefix = f"{RAW_PREFIX}hour={hour}/"
    if stream is not None:
        return f"{prefix}customer={_part(stream.customer)}/event={_part(stream.event)}/"
    return prefix if customer is None else f"{prefix}customer={_part(customer)}/"


def hour_of_prefix(prefix: str) -> Hour:
    """Read the hour out of a prefix such as `raw/hour=2026-11-22T09/`."""
    return Hour.parse(prefix.rstrip("/").rpartition("hour=")[2])


def seal_key(hour: Hour, shard: str) -> str:
    """Return `seals/hour=<hour>/<shard>.json`."""
    if not _SHARD.fullmatch(shard):
        raise InvalidNameError("naming a seal", cause=f"shard {shard!r}", remedy="Use letters, digits, '_' and '.'.")
    return f"{seal_prefix(hour)}{shard}.json"


def seal_prefix(hour: Hour) -> str:
    """Return the prefix of an hour's seals."""
    return f"{SEAL_PREFIX}hour={hour}/"


def manifest_key(hour: Hour, stream: Stream) -> str:
    """Return `manifests/customer=<c>/hour=<hour>/<event>.json`, the frozen input of a stream-hour."""
    return f"{manifest_prefix(hour, stream.customer)}{_part(stream.event)}.json"


def manifest_prefix(hour: Hour, customer: str) -> str:
    """Return the prefix of a customer-hour's manifests."""
    return f"{MANIFEST_PREFIX}customer={_part(customer)}/hour={hour}/"


def staged_prefix(customer: str, hour: Hour, digest: str) -> str:
    """Return the folder of one staged batch: `staged/customer=<c>/hour=<hour>/<digest>/`."""
    return f"{STAGED_PREFIX}customer={_part(customer)}/hour={hour}/{digest}/"


def quarantine_key(hour: Hour, stream: Stream, digest: str) -> str:
    """Return `quarantine/customer=<c>/event=<e>/hour=<hour>/<digest>.ndjson.gz`."""
    return f"{quarantine_prefix(stream.customer, stream.event)}hour={hour}/{digest}.ndjson.gz"


def quarantine_prefix(customer: str, event: str | None = None) -> str:
    """Return the prefix of a customer's quarantine, or of one of its events."""
    prefix = f"{QUARANTINE_PREFIX}customer={_part(customer)}/"
    return prefix if event is None else f"{prefix}event={_part(event)}/"


def parse_quarantine_key(key: str) -> tuple[Stream, Hour, str]:
    """Return the stream, hour and input digest that a quarantine key names."""
    parts = dict(part.partition("=")[::2] for part in key.split("/")[1:4])
    digest = key.rpartition("/")[2].removesuffix(".ndjson.gz")
    try:
        return Stream(unquote(parts["customer"]), unquote(parts["event"])), Hour.parse(parts["hour"]), digest
    except KeyError as error:
        raise InvalidNameError(
            "reading a quarantine key", cause=f"{key!r} lacks {error}", remedy="List keys below quarantine/ only."
        ) from error


def discarded_values_key(hour: Hour, stream: Stream, digest: str) -> str:
    """Return `discarded/customer=<c>/event=<e>/hour=<hour>/<digest>.ndjson.gz`: values too long for `_discards`."""
    place = f"customer={_part(stream.customer)}/event={_part(stream.event)}/hour={hour}"
    return f"discarded/{place}/{digest}.ndjson.gz"
