"""Helpers that put lines into a store as raw objects and stage them, as the hourly work does."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from isal import igzip

from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.ingest.routing import Router
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest, ObjectRef
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.model.schemas import TableState
from clickstream_platform.model.staging import TABLE_COLUMN, StagedBatch, StagedTable
from clickstream_platform.model.streams import Stream
from clickstream_platform.transform.plan import SchemaPolicy
from clickstream_platform.transform.transformer import Transformer, TransformSettings

HOUR = Hour.parse("2026-11-22T09")
CUSTOMER = "acme"


@dataclass
class Staged:
    """A staged batch and the store that it lies in."""

    batch: StagedBatch
    store: MemoryObjectStore

    def rows(self, table: str) -> list[dict[str, object]]:
        """Return the rows of an event's table, of `tracks` or of `_discards`, in the order written."""
        known = {"tracks": self.batch.tracks, "_discards": self.batch.discards}
        staged = known[table] if table in known else self.batch.table_of(table)
        return [] if staged is None else self.table(staged).to_pylist()

    def table(self, staged: StagedTable) -> pa.Table:
        """Read a staged table's own rows and columns."""
        pack = self.batch.packs[staged.pack]
        parts = [pq.read_table(io.BytesIO(self.store.get(part.key))) for part in pack.parts]
        table = pa.concat_tables(parts)
        if pack.shared:
            table = table.filter(pc.equal(table.column(TABLE_COLUMN), staged.number))
        return table.select([column.name for column in staged.columns])

    def types(self, table: str) -> dict[str, str]:
        """Return column -> type of an event's table."""
        staged = self.batch.table_of(table)
        assert staged is not None
        return {column.name: column.type.value for column in staged.columns}

    def quarantined(self) -> list[QuarantinedRecord]:
        """Return everything in quarantine."""
        keys = [stream.quarantine_key for stream in self.batch.streams if stream.quarantine_key]
        lines = [line for key in keys for line in igzip.decompress(self.store.get(key)).split(b"\n")[:-1]]
        return [QuarantinedRecord.from_json(line) for line in lines]

    @property
    def totals(self) -> dict[str, int]:
        """The sums of all streams' counts."""
        names = ("raw", "rows", "duplicates", "rejected", "discarded")
        return {name: sum(getattr(stream.counts, name) for stream in self.batch.streams) for name in names}


def track(event: str, message_id: str, properties: Mapping[str, object] | None = None, **fields: object) -> bytes:
    """Return the line of a track record."""
    record = {"type": "track", "event": event, "messageId": message_id, "receivedAt": "2026-11-22T09:10:00.000Z"}
    return orjson.dumps({**record, "properties": properties or {}, **fields})


def route(lines: Iterable[bytes]) -> dict[str, list[bytes]]:
    """Sort lines into streams as ingest does."""
    router = Router(HOUR)
    streams: dict[str, list[bytes]] = {}
    for line in lines:
        place, complete = router.route(line)
        streams.setdefault(place.event, []).append(complete)
    return streams


def put_raw(
    store: MemoryObjectStore, streams: Mapping[str, Iterable[bytes]], shard: str = "test"
) -> dict[str, list[ObjectRef]]:
    """Write one raw object per stream."""
    refs: dict[str, list[ObjectRef]] = {}
    for event, lines in streams.items():
        key = str(RawObjectKey(HOUR, Stream(CUSTOMER, event), shard, "1", "9"))
        info = store.put(key, igzip.compress(b"".join(line + b"\n" for line in lines), mtime=0))
        refs.setdefault(event, []).append(ObjectRef(key, info.size, info.etag))
    return refs


def stage(
    refs: Mapping[str, Iterable[ObjectRef]],
    store: MemoryObjectStore,
    *,
    states: Mapping[str, TableState] | None = None,
    policy: SchemaPolicy | None = None,
    settings: TransformSettings | None = None,
    greatest: int = 0,
) -> Staged:
    """Stage raw objects."""
    manifests = {event: Manifest.freeze(Stream(CUSTOMER, event), HOUR, items) for event, items in refs.items()}
    transformer = Transformer(store, settings)
    batch = transformer.stage(
        CUSTOMER, HOUR, manifests, states or {}, policy or SchemaPolicy(), lambda _table, _column: greatest
    )
    return Staged(batch, store)


def stage_lines(lines: Iterable[bytes], **options: object) -> Staged:
    """Stage lines, sorted into streams, one object each."""
    store = MemoryObjectStore()
    return stage(put_raw(store, route(lines)), store, **options)  # type: ignore[arg-type]
