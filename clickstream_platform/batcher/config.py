"""What an operator may choose about the batcher.

Belongs here: the choices and their defaults. Does not: environment variables (`settings`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from clickstream_platform.batcher.bounds import BatchBounds, ObjectBounds


@dataclass(frozen=True, slots=True)
class BatcherConfig:
    """The names of application and Kinesis stream, a folder for temporary files, and limits.

    `window_seconds` is that of de-duplication; an hour is sealed `grace_seconds` after its end; lines of one shard take
    up to `memory_bytes` of memory. A lease that was not renewed for `failover_seconds` is taken over. Shards are listed
    every `sync_seconds`, and an empty shard is asked again after `poll_seconds` (Kinesis allows five reads a second).
    """

    application: str
    kinesis_stream: str
    work_dir: Path
    batch: BatchBounds = field(default_factory=BatchBounds)
    objects: ObjectBounds = field(default_factory=ObjectBounds)
    window_seconds: int = 24 * 3_600
    grace_seconds: float = 120.0
    memory_bytes: int = 64 * 1024 * 1024
    failover_seconds: float = 20.0
    max_leases: int = 64
    sync_seconds: float = 60.0
    poll_seconds: float = 1.0
