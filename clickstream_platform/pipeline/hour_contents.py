"""What the object store holds for one hour: raw objects by stream, and which shards have sealed it.

Belongs here: reading listings and seals of one hour, and telling keys of the layout from others. Does not: which hours
to read (`discovery`) and what happens with them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import ObjectRef, Seal
from clickstream_platform.model.object_keys import RawObjectKey, raw_prefix, seal_prefix
from clickstream_platform.model.shared_ports import StoredObject
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.ports import HourStore

FINGERPRINT_DIGITS = 16
MAX_EXAMPLES = 3


@dataclass(slots=True)
class Ignored:
    """Objects that belong to no stream: how many by reason, and a few keys of each to look at."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, key: str) -> None:
        """Count one object."""
        self.counts[reason] += 1
        kept = self.examples.setdefault(reason, [])
        if len(kept) < MAX_EXAMPLES:
            kept.append(key)

    def update(self, other: Ignored) -> None:
        """Count another hour's too."""
        for reason, keys in other.examples.items():
            self.counts[reason] += other.counts[reason]
            self.examples[reason] = [*self.examples.get(reason, []), *keys][:MAX_EXAMPLES]


@dataclass(frozen=True, slots=True)
class HourContents:
    """One hour's objects by stream; `unsealed` are the customers with objects of a shard that has not sealed."""

    hour: Hour
    streams: Mapping[Stream, tuple[ObjectRef, ...]]
    unsealed: frozenset[str]
    ignored: Ignored


@dataclass(frozen=True, slots=True)
class HourListing:
    """One hour's keys as listed, cheap to compare with an earlier listing and not yet understood."""

    hour: Hour
    raw: Sequence[StoredObject]
    seals: Sequence[StoredObject]

    def fingerprint(self, *extra: str) -> str:
        """Return 16 hex digits that change with every object, seal or `extra`."""
        digest = hashlib.sha256("\n".join(extra).encode())
        for item in (*self.raw, *self.seals):
            digest.update(f"\n{item.key}\n{item.size}\n{item.etag}".encode())
        return digest.hexdigest()[:FINGERPRINT_DIGITS]


def list_hour(store: HourStore, hour: Hour, customer: str | None = None) -> HourListing:
    """List the raw objects of an hour (or of one customer in it) and its seals."""
    raw = list(store.list_objects(raw_prefix(hour, customer=customer)))
    return HourListing(hour, raw, list(store.list_objects(seal_prefix(hour))))


def read_contents(store: HourStore, listing: HourListing, customer: str | None = None) -> HourContents:
    """Sort the listed objects by stream and add what the seals know: record counts, and objects the listing lacks.

    An object that a seal names and the listing lacks stays in, so that reading it fails loudly instead of losing it.
    """
    ignored = Ignored()
    seals = _read_seals(store, listing, ignored)
    sealed_shards = {seal.shard for seal in seals}
    streams: dict[Stream, dict[str, ObjectRef]] = {}
    for seal in seals:
        for stream, refs in seal.streams.items():
            if customer is None or stream.customer == customer:
                streams.setdefault(stream, {}).update((ref.key, ref) for ref in refs)
    unsealed: set[str] = set()
    for item in listing.raw:
        key = _parse(item.key, listing.hour, ignored)
        if key is None:
            continue
        objects = streams.setdefault(key.stream, {})
        told = objects.get(item.key)
        objects[item.key] = ObjectRef(item.key, item.size, item.etag, told.records if told else None)
        if key.shard not in sealed_shards:
            unsealed.add(key.stream.customer)
    by_stream = {stream: tuple(sorted(objects.values())) for stream, objects in sorted(streams.items()) if objects}
    return HourContents(listing.hour, by_stream, frozenset(unsealed), ignored)


def _parse(key: str, hour: Hour, ignored: Ignored) -> RawObjectKey | None:
    if key.endswith("/"):
        ignored.add("directory_marker", key)
        return None
    try:
        parsed = RawObjectKey.parse(key)
    except InvalidNameError:
        ignored.add("outside_the_layout", key)
        return None
    if parsed.hour != hour:
        ignored.add("outside_the_layout", key)
        return None
    return parsed


def _read_seals(store: HourStore, listing: HourListing, ignored: Ignored) -> list[Seal]:
    """Read the seals; a damaged one counts as none, so that its hour closes by time instead of never."""
    keys = [item.key for item in listing.seals if item.key.endswith(".json")]
    for item in listing.seals:
        if not item.key.endswith(".json"):
            ignored.add("directory_marker" if item.key.endswith("/") else "outside_the_layout", item.key)
    seals = []
    for key, data in store.get_many(keys):
        try:
            seal = Seal.from_json(data)
        except (InvalidNameError, KeyError, TypeError, ValueError):
            ignored.add("damaged_seal", key)
            continue
        if seal.hour == listing.hour:
            seals.append(seal)
        else:
            ignored.add("damaged_seal", key)
    return seals
