"""What a staged batch holds, in a form that two batches of the same records share whatever the order of these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform_tests.transform.batches import Staged, put_raw, route

Rows = list[tuple[tuple[str, object], ...]]


def ordered(rows: Iterable[dict[str, Any]]) -> Rows:
    """Return rows without their nulls, in an order of their own; equal rows stay as often as they are."""
    return sorted((tuple(sorted((k, v) for k, v in row.items() if v is not None)) for row in rows), key=repr)


def content_of(staged: Staged) -> dict[str, object]:
    """Return the types and rows of every table, and what is in quarantine but where from."""
    content: dict[str, object] = {"totals": staged.totals}
    for table in staged.batch.tables:
        content[table.table] = (sorted(staged.types(table.table).items()), ordered(staged.rows(table.table)))
        content[f"{table.table} columns"] = sorted((c.name, c.type, c.length) for c in table.columns)
    for name in ("tracks", "_discards"):
        content[name] = ordered(staged.rows(name))
    if staged.batch.tracks:
        content["tracks columns"] = sorted((c.name, c.type, c.length) for c in staged.batch.tracks.columns)
    content["quarantine"] = sorted((record.reason, record.data) for record in staged.quarantined())
    content["counts"] = [(s.event, s.counts.raw, s.counts.rows, s.counts.discarded) for s in staged.batch.streams]
    return content


def objects_of(staged: Staged) -> dict[str, bytes]:
    """Return everything that was written, by key, but not the raw objects."""
    keys = [info.key for info in staged.store.list_objects("") if not info.key.startswith("raw/")]
    return {key: staged.store.get(key) for key in keys}


def in_objects(parts: Iterable[Iterable[bytes]]) -> tuple[dict[str, list[Any]], MemoryObjectStore]:
    """Put lines into raw objects, one per stream and part."""
    store = MemoryObjectStore()
    refs: dict[str, list[Any]] = {}
    for number, lines in enumerate(parts):
        for event, found in put_raw(store, route(lines), shard=f"part{number}").items():
            refs.setdefault(event, []).extend(found)
    return refs, store
