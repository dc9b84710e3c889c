"""A written batch as spans: one for each customer-hour that it held something of.

Belongs here: grouping and the bound. Does not: ids and sending (`observe.tracing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from clickstream_platform.batcher.notes import WrittenObject
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import ObjectRef
from clickstream_platform.observe.tracing import Span, is_tracing, record, span_id_of

MAX_SPANS = 500
"""Of one batch; those of the largest customer-hours are recorded."""


def record_batch(shard: str, number: int, written: Iterable[WrittenObject], start_ms: int, end_ms: int) -> None:
    """Record what became of a batch, from its first record read to its checkpoint, in ms since 1970."""
    if not is_tracing():
        return
    held: dict[tuple[str, Hour], list[ObjectRef]] = {}
    for item in written:
        held.setdefault((item.stream.customer, item.hour), []).append(item.ref)
    largest = sorted(held.items(), key=lambda each: -_size(each[1]))[:MAX_SPANS]
    for (customer, hour), refs in largest:
        size, records = _size(refs), sum(ref.records or 0 for ref in refs)
        attributes: dict[str, str | int | float] = {"shard": shard, "batch": number, "objects": len(refs)}
        attributes |= {"records": records, "bytes": size}
        # A batch that is written again after a crash has the same id.
        identity = span_id_of("batch", shard, number, customer, hour)
        record(Span("batch", customer, hour, _moment(start_ms), _moment(end_ms), attributes, id=identity))


def _size(refs: Iterable[ObjectRef]) -> int:
    return sum(ref.size for ref in refs)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)
