"""Quarantined records on their way back: those that name a stream now become raw records again.

Belongs here: which quarantined records are written, and under which names. Does not: reading the quarantine
(`quarantine`).

A new raw object re-opens its stream-hour, so the next load judges all of it anew by today's rules: a record that is
still rejected comes back to the quarantine, one that was loaded meanwhile is a duplicate. Objects are named after the
raw object and reason of what they hold, so retrying again, also after new rejections, writes nothing twice. What a
retry wrote is never retried itself: it would only be copied again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.ingest.ingest import IngestOptions, StreamHour, stream_hours
from clickstream_platform.ingest.ports import RawStore
from clickstream_platform.ingest.routing import Place, Router
from clickstream_platform.ingest.sealing import write_seals
from clickstream_platform.ingest.sources import DIGEST_HEX_DIGITS
from clickstream_platform.ingest.writer import RawWriter
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.model.records import RejectReason

SHARD_PREFIX = "retry."
_Group = tuple[str, RejectReason]


@dataclass(frozen=True, slots=True)
class RetryReport:
    """What became of quarantined records: `routed` name a stream and are raw again, `staying` name none.

    `retried_before` came from an earlier retry and were rejected once more. `stream_hours` tells which objects are new.
    """

    routed: int
    staying: int
    retried_before: int
    stream_hours: tuple[StreamHour, ...]
    new_seals: int

    @property
    def new_objects(self) -> int:
        """How many raw objects were not there before."""
        return sum(item.new_objects for item in self.stream_hours)


def retry(store: RawStore, read: Callable[[], Iterable[QuarantinedRecord]], options: IngestOptions) -> RetryReport:
    """Route the quarantined records of one stream-hour again and write those that name a stream; idempotent.

    `read` gives the records from the start, each time it is called; `options.default_hour` is the hour they are from.
    """
    counts: Counter[str] = Counter()
    router = Router(options.default_hour)
    shards = _shards(options.customer, _routed(read(), router, counts))
    with RawWriter(store, options.customer, options.work_dir, options.limits) as writer:
        for record, place, line in _routed(read(), router, Counter()):
            shard = shards[record.object_key, record.reason]
            writer.add(shard, place.hour, place.event, record.line, line + b"\n")
        written = writer.finish()
    _, new_seals = write_seals(store, written)
    return RetryReport(counts["routed"], counts["staying"], counts["retried before"], stream_hours(written), new_seals)


def _routed(
    records: Iterable[QuarantinedRecord], router: Router, counts: Counter[str]
) -> Iterator[tuple[QuarantinedRecord, Place, bytes]]:
    """Yield the records that name a stream, with the raw line of each, and count all by what becomes of them."""
    for record in records:
        if record.part:
            continue  # counted with its first piece
        place, line = router.route(record.data)
        is_whole = record.reason is not RejectReason.TOO_LARGE
        if _is_retry(record.object_key):
            counts["retried before"] += 1
        elif place.is_unidentified or not is_whole:
            counts["staying"] += 1
        else:
            counts["routed"] += 1
            yield record, place, line


def _shards(customer: str, routed: Iterable[tuple[QuarantinedRecord, Place, bytes]]) -> dict[_Group, str]:
    """Name the shard of each raw object and reason after everything its objects will hold.

    What a contract rejected is named after the contract's version too, which is in the detail: a record that the next
    version rejected again must not count as written already when the one after that would take it.
    """
    hashes = {}
    for record, place, line in routed:
        group = (record.object_key, record.reason)
        if group not in hashes:
            hashes[group] = sha256("\0".join((customer, *group)).encode())
        hashes[group].update(f"\0{record.line}\0{place.event}\0{place.hour}\0{len(line)}\0".encode() + line)
        if record.reason is RejectReason.CONTRACT:
            hashes[group].update(f"\0{record.detail}".encode(errors="surrogatepass"))
    return {group: f"{SHARD_PREFIX}{value.hexdigest()[:DIGEST_HEX_DIGITS]}" for group, value in hashes.items()}


def _is_retry(key: str) -> bool:
    try:
        return RawObjectKey.parse(key).shard.startswith(SHARD_PREFIX)
    except InvalidNameError:  # another producer's object; its records may be retried
        return False
