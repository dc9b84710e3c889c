"""The collector's metrics: their names, and the set of them that one collector counts with.

Belongs here: names, units, labels, buckets. Does not: counting, which is the collector's. A label has few values, known
beforehand: a route's template, a reason code, never a customer, a write key or what a client sent.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, ProcessCollector

from clickstream_platform.observe.log_metrics import register_logs
from clickstream_platform.observe.metrics import BYTES, SECONDS, MetricName

_C = "clickstream_collector"
REQUESTS = MetricName(f"{_C}_requests_total", "Requests answered.", ("route", "status"))
REQUEST_DURATION = MetricName(
    f"{_C}_request_duration_seconds", "From a request's head to its answer, durability included.", ("route",)
)
REQUEST_BODY = MetricName(f"{_C}_request_body_bytes", "Length of request bodies, decompressed.")
REQUEST_EVENTS = MetricName(f"{_C}_request_items_total", "Items of requests.", ("outcome",))
REJECTED = MetricName(f"{_C}_rejected_records_total", "Records sent to quarantine, by reason code.", ("reason",))
UNKNOWN_KEYS = MetricName(f"{_C}_unknown_write_key_requests_total", "Requests refused for their write key.")
REFUSED = MetricName(
    f"{_C}_refused_requests_total",
    "Requests that the client is to repeat: keys, rate, requests, storage, draining.",
    ("limit",),
)
STORED = MetricName(f"{_C}_stored_records_total", "Records that became durable: on kinesis or in the spool.", ("way",))
PUT_DURATION = MetricName(f"{_C}_kinesis_request_duration_seconds", "Time of a PutRecords request.")
PUT_RECORDS = MetricName(f"{_C}_kinesis_request_records", "Kinesis records per PutRecords request.")
PUT_FAILURES = MetricName(
    f"{_C}_kinesis_failures_total", "Kinesis records not taken: throttled, internal, unavailable, other.", ("cause",)
)
QUEUE_BYTES = MetricName(f"{_C}_queue_bytes", "Records waiting for Kinesis, in memory.")
OPEN_REQUESTS = MetricName(f"{_C}_open_requests", "Requests that are not answered yet.")
SPOOL_BYTES = MetricName(f"{_C}_spool_bytes", "Records waiting for Kinesis, on disk.")
SPOOL_LIMIT = MetricName(f"{_C}_spool_limit_bytes", "What the spool may hold at most.")
SPOOL_SYNC_DURATION = MetricName(f"{_C}_spool_sync_duration_seconds", "Time of writing to the spool, fsync included.")
SPOOL_REPLAYED = MetricName(f"{_C}_spool_replayed_records_total", "Records that left the spool for Kinesis.")
SPOOL_FAILURES = MetricName(f"{_C}_spool_failures_total", "Writes to and reads of the spool that the disk refused.")
SPOOL_DAMAGED = MetricName(f"{_C}_spool_damaged_bytes_total", "Bytes set aside as damaged when the spool was opened.")

RECORDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)


class CollectorMetrics:
    """Every metric of one collector, in a registry of its own."""

    def __init__(self) -> None:
        """Make them, all at zero."""
        self.registry = registry = CollectorRegistry()
        register_logs(registry)
        ProcessCollector(registry=registry)
        self.requests = REQUESTS.counter(registry)
        self.request_duration = REQUEST_DURATION.histogram(registry, SECONDS)
        self.request_body = REQUEST_BODY.histogram(registry, BYTES)
        self.items = REQUEST_EVENTS.counter(registry)
        self.rejected = REJECTED.counter(registry)
        self.unknown_keys = UNKNOWN_KEYS.counter(registry)
        self.refused = REFUSED.counter(registry)
        self.stored = STORED.counter(registry)
        self.put_duration = PUT_DURATION.histogram(registry, SECONDS)
        self.put_records = PUT_RECORDS.histogram(registry, RECORDS)
        self.put_failures = PUT_FAILURES.counter(registry)
        self.queue_bytes = QUEUE_BYTES.gauge(registry)
        self.open_requests = OPEN_REQUESTS.gauge(registry)
        self.spool_bytes = SPOOL_BYTES.gauge(registry)
        self.spool_limit = SPOOL_LIMIT.gauge(registry)
        self.spool_sync_duration = SPOOL_SYNC_DURATION.histogram(registry, SECONDS)
        self.spool_replayed = SPOOL_REPLAYED.counter(registry)
        self.spool_failures = SPOOL_FAILURES.counter(registry)
        self.spool_damaged = SPOOL_DAMAGED.counter(registry)
