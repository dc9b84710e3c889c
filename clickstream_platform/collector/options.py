"""The collector's limits: every one has a default, a unit in its name and, where it matters, a metric beside it.

Belongs here: values. Does not: reading them from the environment (`settings`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clickstream_platform.collector.judging import MAX_EVENT_BYTES


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """How records become durable."""

    queue_bytes: int = 64_000_000
    """Records in memory, on their way to Kinesis included."""
    customer_share: float = 0.25
    """How much of the queue, and of the spool, one customer may fill."""
    senders: int = 4
    """PutRecords requests at once."""
    partition_keys: int = 64
    """Partition keys of one customer: its records spread over so many places among the shards."""
    spool_after_seconds: float = 2.0
    """A record that Kinesis has not taken for so long goes to the spool."""
    first_backoff_seconds: float = 0.05
    max_backoff_seconds: float = 5.0
    away_after_failures: int = 3
    """Requests in a row that failed as a whole, until Kinesis counts as away."""
    away_seconds: float = 1.0
    """So long nothing new is tried then: it goes to the spool at once."""
    drain_seconds: float = 10.0
    """How long a stopping collector still sends; what is left then goes to the spool."""
    retry_after_seconds: int = 5
    """What a client is told when nothing more can be stored."""


@dataclass(frozen=True, slots=True)
class SpoolOptions:
    """Where records wait on disk while Kinesis is away."""

    folder: Path
    max_bytes: int = 2_000_000_000
    segment_bytes: int = 8_000_000


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """What a request may be."""

    max_body_bytes: int = 4_000_000
    """Both as sent and decompressed."""
    max_event_bytes: int = MAX_EVENT_BYTES
    max_items: int = 5_000
    """Of one request; a rejected one takes far more memory than its two bytes `{}`."""
    max_shared_bytes: int = 32_000_000
    """What a batch says once (`context`, `integrations`), times its items: they all get it."""
    max_open_requests: int = 1_000
    max_open_bytes: int = 128_000_000
    """Bodies of all requests that are not answered yet; half of these and of the requests may be one customer's."""
    body_seconds: float = 30.0
    """A body must have arrived within this time."""
    events_per_second: float = 0.0
    """Rate limit of a customer that has none of its own; 0 is none."""
    burst_seconds: float = 10.0
    """So many seconds' worth of events may come at once."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose X-Forwarded-For is believed."""
    public_url: str = ""
    """Address that SDKs are told to send to; empty: the one they asked at."""
