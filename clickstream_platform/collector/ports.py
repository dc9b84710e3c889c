"""What the collector asks of others: whose write key it is, a Kinesis stream, the time.

Belongs here: the few methods that are used, and the error a sink raises. Does not: implementations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from clickstream_platform.errors import RetryableError


class SinkUnavailableError(RetryableError):
    """No record of a request was taken, or nobody knows whether; `code` is the sink's own word for why."""

    def __init__(self, code: str) -> None:
        """Keep the code."""
        self.code = code
        super().__init__("putting records on Kinesis", cause=code, remedy="They are tried again, then kept on disk.")


class SinkRecord(NamedTuple):
    """One Kinesis record: its partition key and its data (`model.kinesis_records`)."""

    partition_key: str
    data: bytes


class RecordSink(Protocol):
    """Where records become durable; `gateways.kinesis_producer.KinesisProducer` in production."""

    async def put(self, records: Sequence[SinkRecord]) -> list[str | None]:
        """Put records and return, in their order, None for each that was taken, else the code of its failure.

        Raises SinkUnavailableError when that is not known of any.
        """
        ...

    async def close(self) -> None:
        """Release connections and threads."""
        ...


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whose a write key is."""

    customer: str
    key_id: str
    events_per_second: float | None = None
    """The customer's own rate limit; None for the default."""


class KeyDirectory(Protocol):
    """Knows the write keys; answers from memory, without waiting."""

    def find(self, key_hash: str, now: datetime) -> KeyHolder | None:
        """Return the holder of the key with this SHA-256 (64 hex digits), None when no such key is valid now."""
        ...

    def is_ready(self) -> bool:
        """Whether the keys were ever read; before that an unknown key is no reason to refuse one for good."""
        ...
