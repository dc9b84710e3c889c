"""Leases: who reads which shard, and how far it has come. The semantics of AWS's own Kinesis Client Library.

Belongs here: the lease, the port to the table that instances share, which leases may be read and which to take.
Does not: SQL (`lease_table`), reading (`shard_worker`).

- A lease is renewed by counting up `counter`. Each instance watches the counters by its own clock: one that did not
  move for the fail-over time is expired, so clocks of machines are never compared.
- Taking a lease counts up `fence`. Every write of an owner is conditional on owner and fence, so an instance that lost
  the lease without noticing can change nothing.
- A shard is read once all of its parents are finished.
- Each instance takes its fair share; one that has less than it steals one lease at a time from the one with the most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Protocol

from clickstream_platform.batcher.bounds import BatchPlan
from clickstream_platform.batcher.consumer import ShardInfo
from clickstream_platform.errors import RetryableError
from clickstream_platform.model.hours import Hour


class LeaseLostError(RetryableError):
    """Another instance has the lease now; this one must stop working on the shard."""


class LeaseTableUnavailableError(RetryableError):
    """The shared table did not answer."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One shard's row. Owner, counter and fence are changed by taking and renewing, all else by the owner alone.

    `position` is the checkpoint: `""` for the oldest record, `@<ms>` for a time, else the last sequence number whose
    batch is complete. `plan` is the batch that is being written, `batches` counts complete ones, `watermark_ms` is the
    arrival on the shard up to which all is written, `unsealed` has the batches with objects of each hour that still has
    to be sealed (again), and all hours up to `sealed_through` were sealed once.
    """

    shard_id: str
    parents: tuple[str, ...] = ()
    owner: str | None = None
    counter: int = 0
    fence: int = 0
    position: str = ""
    plan: BatchPlan | None = None
    batches: int = 0
    watermark_ms: int | None = None
    unsealed: Mapping[Hour, tuple[int, ...]] = field(default_factory=dict)
    sealed_through: Hour | None = None
    is_finished: bool = False


class LeaseTable(Protocol):
    """The table that instances share; every method may raise LeaseTableUnavailableError."""

    def add(self, shards: Iterable[ShardInfo], sealed_through: Hour) -> int:
        """Add leases for shards that have none; return how many were added."""
        ...

    def list_leases(self) -> list[Lease]:
        """Return all leases by shard, as one moment saw them."""
        ...

    def take(self, lease: Lease, owner: str) -> Lease | None:
        """Make `owner` the owner, unless the lease changed since it was read; then return None."""
        ...

    def renew(self, leases: Iterable[Lease]) -> set[str]:
        """Count up all leases of one owner at once; return the shards of those that are still the owner's."""
        ...

    def release(self, lease: Lease) -> None:
        """Leave the lease without an owner, if it is still ours."""
        ...

    def change(self, before: Lease, after: Lease, shards: Iterable[ShardInfo] = ()) -> Lease:
        """Write what the owner may change, and leases for shards that have none, at once; raises LeaseLostError."""
        ...

    def remove(self, lease: Lease) -> None:
        """Forget a finished lease of a shard that Kinesis forgot."""
        ...


def is_readable(lease: Lease, leases: Mapping[str, Lease]) -> bool:
    """Return whether a shard's parents are all finished; a parent without lease was forgotten long ago."""
    return all(parent not in leases or leases[parent].is_finished for parent in lease.parents)


def has_work(lease: Lease, leases: Mapping[str, Lease]) -> bool:
    """Return whether a lease needs an owner: its shard can be read, or it is finished and has hours to seal."""
    return bool(lease.unsealed) if lease.is_finished else is_readable(lease, leases)


def common_watermark_ms(leases: Iterable[Lease]) -> int | None:
    """Return the arrival up to which every shard is written; None while a shard has not been read yet."""
    marks = [lease.watermark_ms for lease in leases if not lease.is_finished]
    known = [mark for mark in marks if mark is not None]
    if len(known) < len(marks):
        return None
    finished = [lease.watermark_ms or 0 for lease in leases if lease.is_finished]
    return min(known) if known else max(finished, default=None)


class LeaseWatch:
    """Remembers when each lease was last seen to change, by this machine's own clock."""

    def __init__(self, failover_seconds: float, monotonic: Callable[[], float]) -> None:
        """Take a lease for expired when it has not changed for so long."""
        self._failover_seconds, self._monotonic = failover_seconds, monotonic
        self._seen: dict[str, tuple[tuple[str | None, int, int], float]] = {}

    def observe(self, leases: Iterable[Lease]) -> set[str]:
        """Take note of the leases and return the shards that anybody may take: unowned or expired."""
        now, free = self._monotonic(), set()
        for lease in leases:
            state = (lease.owner, lease.fence, lease.counter)
            if lease.shard_id not in self._seen or self._seen[lease.shard_id][0] != state:
                self._seen[lease.shard_id] = (state, now)
            since = now - self._seen[lease.shard_id][1]
            if lease.owner is None or since >= self._failover_seconds:
                free.add(lease.shard_id)
        return free


def choose_leases(leases: Sequence[Lease], free: set[str], owner: str, max_leases: int) -> list[Lease]:
    """Return the leases that an instance should take now: free ones up to its share, else one to steal."""
    by_shard = {lease.shard_id: lease for lease in leases}
    working = [lease for lease in leases if has_work(lease, by_shard)]
    holders = Counter(lease.owner for lease in working if lease.owner and lease.shard_id not in free)
    mine = holders[owner]
    others = {holder for holder in holders if holder != owner}
    share = min(ceil(len(working) / (len(others) + 1)), max_leases)
    need = share - mine
    if need <= 0:
        return []
    found = [lease for lease in working if lease.shard_id in free][:need]
    if found or not others:
        return found
    richest = max(sorted(others), key=lambda each: holders[each])
    if holders[richest] <= mine + 1:  # it would only be stolen back
        return []
    return [lease for lease in working if lease.owner == richest and lease.shard_id not in free][:1]
