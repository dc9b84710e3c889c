"""The ids that a shard starts with: those of its own batches and of the shards it came from.

Belongs here: which notes are read. Does not: their form (`id_arrays`), what counts as a duplicate (`seen_ids`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from clickstream_platform.batcher.config import BatcherConfig
from clickstream_platform.batcher.id_arrays import HOUR_MS
from clickstream_platform.batcher.leases import Lease
from clickstream_platform.batcher.names import shard_name
from clickstream_platform.batcher.notes import Notes
from clickstream_platform.batcher.seen_ids import SeenIds


def load_ids(folder: Path, lease: Lease, leases: Mapping[str, Lease], notes: Notes, config: BatcherConfig) -> SeenIds:
    """Read the ids of the complete batches of a shard and its ancestors, as far as they may still count."""
    seen, since_ms = SeenIds(folder), _since_ms(lease, config.window_seconds)
    waiting, done = [lease.shard_id], set[str]()
    while waiting:
        found = leases.get(waiting.pop())
        if found is None or found.shard_id in done:
            continue
        done.add(found.shard_id)
        waiting += found.parents
        for stored in notes.read_ids(shard_name(config.kinesis_stream, found.shard_id), found.batches, since_ms):
            seen.load(stored)
    return seen


def _since_ms(lease: Lease, window_seconds: int) -> int:
    """Return the moment (ms since 1970) before which nothing counts for the next batch, and two hours for clocks."""
    begins_ms = lease.watermark_ms or 0
    if lease.position.startswith("@"):
        begins_ms = min(begins_ms, int(lease.position[1:]))
    window = max(window_seconds, lease.plan.window_seconds if lease.plan else 0)
    return begins_ms - window * 1_000 - 2 * HOUR_MS
