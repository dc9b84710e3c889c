"""The quarantine of a customer: its current objects, their records, and counts by reason.

Belongs here: which quarantine object counts, and reading it. Does not: the written form of a record
(`model.quarantined`).

Each input of a stream-hour has a quarantine object of its own, and a later input holds all of the earlier one. So one
object per stream-hour is current: that of the manifest's input, or the newest while that input is not yet transformed.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import BinaryIO

from clickstream_platform.errors import ObjectChangedError, ObjectNotFoundError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest
from clickstream_platform.model.object_keys import manifest_key, parse_quarantine_key, quarantine_prefix
from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.streams import Stream
from clickstream_platform.quarantine.ports import QuarantineStore

OBJECT_SUFFIX = ".ndjson.gz"


@dataclass(frozen=True, slots=True)
class QuarantineObject:
    """The rejected records of one input of one stream-hour; `size` in bytes as stored."""

    stream: Stream
    hour: Hour
    digest: str
    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class RejectedCount:
    """How many records of a stream-hour were rejected for one reason."""

    stream: Stream
    hour: Hour
    reason: RejectReason
    records: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of the quarantine is meant; None means all."""

    customer: str
    event: str | None = None
    hour: Hour | None = None
    reason: RejectReason | None = None


class Quarantine:
    """Reads the quarantine in an object store."""

    def __init__(self, store: QuarantineStore) -> None:
        """Read from a store."""
        self._store = store

    def objects(self, selection: Selection) -> list[QuarantineObject]:
        """Return the current quarantine objects of a selection, by event and hour; its reason is not looked at."""
        if selection.event is not None:
            Stream(selection.customer, selection.event)  # refuses what is no slug
        found = self._listed(quarantine_prefix(selection.customer, selection.event))
        wanted = (item for item in found if selection.hour in (None, item.hour))
        groups = groupby(wanted, key=lambda item: (item.stream, item.hour))
        return [self._current(list(items)) for _, items in groups]

    def records(self, item: QuarantineObject, reason: RejectReason | None = None) -> Iterator[QuarantinedRecord]:
        """Yield the records of a quarantine object, of one reason or all, in order, in bounded memory.

        Raises ObjectChangedError or InvalidNameError when the object is damaged.
        """
        with self._store.open(item.key) as stream:
            for line in _lines(item, stream):
                record = QuarantinedRecord.from_json(line)
                if reason in (None, record.reason):
                    yield record

    def whole_records(self, item: QuarantineObject, reason: RejectReason | None = None) -> Iterator[QuarantinedRecord]:
        """Yield the records with the pieces of a line over the size limit put together; such a line is held in memory.

        The object is read twice, because other records can lie between the pieces of a line.
        """
        pieces = Counter(_line_of(record) for record in self.records(item, reason) if record.part)
        held: dict[tuple[str, int, RejectReason], list[bytes]] = defaultdict(list)
        for record in self.records(item, reason):
            line = _line_of(record)
            if line not in pieces:
                yield record
                continue
            held[line].append(record.data)
            if len(held[line]) > pieces[line]:
                yield replace(record, part=0, data=b"".join(held.pop(line)))

    def counts(self, selection: Selection) -> list[RejectedCount]:
        """Count the rejected records of a selection by stream-hour and reason; pieces of one line count once."""
        counts: list[RejectedCount] = []
        for item in self.objects(selection):
            reasons = Counter(record.reason for record in self.records(item, selection.reason) if not record.part)
            counts += [RejectedCount(item.stream, item.hour, reason, reasons[reason]) for reason in sorted(reasons)]
        return counts

    def _listed(self, prefix: str) -> Iterator[QuarantineObject]:
        for info in self._store.list_objects(prefix):
            if info.key.endswith(OBJECT_SUFFIX):
                yield QuarantineObject(*parse_quarantine_key(info.key), info.key, info.size, info.modified)

    def _current(self, items: list[QuarantineObject]) -> QuarantineObject:
        newest = max(items, key=lambda item: (item.modified, item.digest))
        if len(items) == 1:
            return newest
        digest = self._manifest_digest(newest)
        return next((item for item in items if item.digest == digest), newest)

    def _manifest_digest(self, item: QuarantineObject) -> str | None:
        try:
            return Manifest.from_json(self._store.get(manifest_key(item.hour, item.stream))).digest
        except ObjectNotFoundError:
            return None


def _line_of(record: QuarantinedRecord) -> tuple[str, int, RejectReason]:
    return record.object_key, record.line, record.reason


def _lines(item: QuarantineObject, stream: BinaryIO) -> Iterable[bytes]:
    try:
        yield from gzip.GzipFile(fileobj=stream, mode="rb")
    except (EOFError, OSError, zlib.error) as error:
        raise ObjectChangedError(
            "reading the quarantine",
            where=f"{item.stream} {item.hour}",
            cause=f"{item.key} is damaged: {error}",
            remedy="Load the stream-hour again: the object is written anew from the raw objects.",
        ) from error
