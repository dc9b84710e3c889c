"""Reading a Kinesis stream again from a moment on, without writing anything twice.

Belongs here: which moments are allowed, moving the leases. Does not: reading (`shard_worker`), which goes on as ever:
what was written before has its id among those seen, so only what is missing is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from clickstream_platform.batcher.leases import Lease, LeaseTableUnavailableError
from clickstream_platform.errors import ConfigurationError

MAX_AGE = timedelta(hours=24)  # the shortest window and the shortest retention; beyond, ids may be forgotten
ATTEMPTS, PAUSE_SECONDS = 60, 1.0


class RewindingTable(Protocol):
    """A lease table that can be rewound."""

    def list_leases(self) -> list[Lease]:
        """Return all leases."""
        ...

    def rewind(self, shard_id: str, to_ms: int) -> bool:
        """Move one shard back; False while a batch of it is being written."""
        ...


def rewind(
    table: RewindingTable, moment: datetime, now: datetime, sleep: Callable[[float], None] = time.sleep
) -> list[str]:
    """Let every shard be read again from a moment on and return them; raises ConfigurationError for one too old.

    Raises LeaseTableUnavailableError when a batch is being written all the time; what was moved stays moved.
    """
    if now - moment > MAX_AGE or moment > now:
        cause = f"{moment.isoformat()} is not within the last {MAX_AGE}"
        remedy = "Ids are known that long; load older hours again from their raw objects."
        raise ConfigurationError("replaying from Kinesis", cause=cause, remedy=remedy)
    shards = [lease.shard_id for lease in table.list_leases()]
    waiting = shards
    for _ in range(ATTEMPTS):
        waiting = [shard for shard in waiting if not table.rewind(shard, int(moment.timestamp() * 1_000))]
        if not waiting:
            return shards
        sleep(PAUSE_SECONDS)
    raise LeaseTableUnavailableError(
        "replaying from Kinesis",
        where=", ".join(waiting),
        cause="a batch is being written",
        remedy="Try again; if it stays, see why the batch does not end.",
    )
