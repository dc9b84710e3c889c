"""The port to the shards of a Kinesis stream: what the batcher asks of them. `memory_shards` is its fake.

Belongs here: the protocol and its values. Does not: boto3 (`gateways.kinesis_reader`), which shards are read by whom
(`leases`).

What every implementation promises (one contract suite holds them to it): a cursor gives the records of one shard in
the order of their sequence numbers, each once, however often a call failed in between; a closed shard ends after its
last record; reading a shard from the same position again gives the same records until the stream's retention ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from clickstream_platform.errors import RetryableError, TerminalError


class ShardsUnavailableError(RetryableError):
    """The Kinesis stream did not answer, or throttled."""


class ShardGoneError(TerminalError):
    """A shard is not there any more: its retention ended, or the Kinesis stream was made anew."""


class ShardRecord(NamedTuple):
    """One Kinesis record: its sequence number, when it arrived on the Kinesis stream (ms since 1970), its bytes."""

    sequence: int
    arrived_ms: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ShardRead:
    """One answer: records, how far the end of the shard's data is in ms (0: nothing more now), and if the shard ended.

    `asked_ms` is a moment before the question, in ms since 1970: with `behind_ms` 0, what had arrived then is read.
    """

    records: Sequence[ShardRecord]
    behind_ms: int
    is_end: bool
    asked_ms: int


@dataclass(frozen=True, order=True, slots=True)
class ShardInfo:
    """A shard and the shards it came from: one after a split, two after a merge, none at first."""

    shard_id: str
    parents: tuple[str, ...] = ()


class ShardCursor(Protocol):
    """Reads one shard onwards."""

    def read(self) -> ShardRead:
        """Return what comes next, possibly nothing; raises ShardsUnavailableError, ShardGoneError."""
        ...


class ShardReader(Protocol):
    """One Kinesis stream."""

    def list_shards(self) -> list[ShardInfo]:
        """Return all shards that hold data, closed ones too; raises ShardsUnavailableError."""
        ...

    def open(self, shard_id: str, position: str) -> ShardCursor:
        """Return a cursor behind a position: `""` the oldest record, `@<ms>` a time, else a sequence number."""
        ...
