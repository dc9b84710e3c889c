"""Writing a batch: its objects, looked up afterwards, then its notes.

Belongs here: the order of these steps. Does not: what is in the objects (`spool`), the checkpoint (`shard_worker`).

Every name follows from the batch's records, so a batch that is written again, by whomever, overwrites itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from clickstream_platform.batcher.batch import STRAY
from clickstream_platform.batcher.names import hour_of_number, sequence_name, strays_key
from clickstream_platform.batcher.notes import WrittenObject
from clickstream_platform.batcher.ports import BatchStore
from clickstream_platform.batcher.spool import SpooledObject
from clickstream_platform.errors import ObjectStoreUnavailableError
from clickstream_platform.model.manifests import ObjectRef
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.shared_ports import StoredObject
from clickstream_platform.model.streams import Stream

GROUP_OBJECTS = 256
GROUP_BYTES = 16 * 1024 * 1024


def write_objects(
    store: BatchStore, application: str, shard: str, objects: Iterable[SpooledObject]
) -> Iterator[WrittenObject]:
    """Write and verify objects group by group, yielding the raw ones (strays are written too, but are no raw objects).

    Raises ObjectStoreUnavailableError when an object is not in the store as it was put.
    """
    group: list[tuple[str, SpooledObject]] = []
    size = 0
    for item in objects:
        group.append((_key(application, shard, item), item))
        size += len(item.body) if isinstance(item.body, bytes) else GROUP_BYTES
        if len(group) >= GROUP_OBJECTS or size >= GROUP_BYTES:
            yield from _write_group(store, group)
            group, size = [], 0
    yield from _write_group(store, group)


def _key(application: str, shard: str, item: SpooledObject) -> str:
    hour, customer, event = item.target
    if customer == STRAY:
        return strays_key(application, shard, item.first, item.last)
    names = sequence_name(item.first), sequence_name(item.last)
    return str(RawObjectKey(hour_of_number(hour), Stream(customer, event), shard, *names))


def _write_group(store: BatchStore, group: list[tuple[str, SpooledObject]]) -> Iterator[WrittenObject]:
    try:
        yield from _put_and_verify(store, group)
    finally:  # they are made anew for each attempt
        for _, item in group:
            if isinstance(item.body, Path):
                item.body.unlink(missing_ok=True)


def _put_and_verify(store: BatchStore, group: list[tuple[str, SpooledObject]]) -> Iterator[WrittenObject]:
    small = [(key, item.body) for key, item in group if isinstance(item.body, bytes)]
    sizes = {key: len(body) for key, body in small}
    put = {info.key: info for info in store.put_many(small)} if small else {}
    for key, item in group:
        if isinstance(item.body, Path):
            sizes[key] = item.body.stat().st_size
            put[key] = store.put_file(key, item.body)
    held = store.head_many([key for key, _ in group]) if group else ()
    for (key, item), info in zip(group, held, strict=True):
        _check(key, put[key], info, sizes[key])
        hour, customer, event = item.target
        if customer != STRAY:
            ref = ObjectRef(key, sizes[key], put[key].etag, item.records)
            yield WrittenObject(hour_of_number(hour), Stream(customer, event), ref)


def _check(key: str, put: StoredObject, held: StoredObject | None, size: int) -> None:
    if held is None or held.size != size or held.etag != put.etag:
        cause = "it is not there" if held is None else f"it has {held.size} bytes and etag {held.etag}"
        raise ObjectStoreUnavailableError(
            "verifying a raw object",
            where=key,
            cause=f"{cause}, put were {size} with {put.etag}",
            remedy="The batch is written again; if it stays, find out who else writes under this name.",
        )
