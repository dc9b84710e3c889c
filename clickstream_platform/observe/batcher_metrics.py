"""The batcher's metrics.

Belongs here: their names and one object that holds them. Does not: counting, serving them.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, ProcessCollector

from clickstream_platform.observe.metrics import BYTES, MetricName

RECORDS = MetricName("clickstream_batcher_records_total", "Events by outcome: written or duplicate.", ("outcome",))
STRAYS = MetricName("clickstream_batcher_strays_total", "Kinesis records that hold no events and were set aside.")
OBJECTS = MetricName("clickstream_batcher_objects_total", "Raw objects written.")
BATCH_LINES = MetricName("clickstream_batcher_batch_lines_bytes", "Lines of a batch, uncompressed.")
BATCH_RECORDS = MetricName("clickstream_batcher_batch_records", "Events written in a batch.")
BATCH_AGE = MetricName("clickstream_batcher_batch_age_seconds", "From a batch's first record to its end.")
WRITING = MetricName("clickstream_batcher_batch_writing_seconds", "From the end of a batch to its checkpoint.")
SEALS = MetricName("clickstream_batcher_seals_total", "Seals written, those of late records included.")
LEASES = MetricName("clickstream_batcher_leases", "Leases that this instance holds.")
UNOWNED = MetricName("clickstream_batcher_unowned_leases", "Leases with work that nobody holds.")
LOST = MetricName("clickstream_batcher_leases_lost_total", "Leases that another instance took from this one.")
BEHIND = MetricName("clickstream_batcher_behind_seconds", "Age of the moment up to which every shard is written.")
FORGOTTEN = MetricName(
    "clickstream_batcher_forgotten_shards_total", "Shards whose retention ended before they were read: data is lost."
)
FAILURES = MetricName("clickstream_batcher_failures_total", "Pieces of work that failed and are repeated.", ("kind",))

_COUNTS = (1.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0, 2_000_000.0)
_AGES = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0)


class BatcherMetrics:
    """All of them, in one registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Make them in a registry, a new one of their own by default."""
        self.registry = registry or CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.records = RECORDS.counter(self.registry)
        self.strays = STRAYS.counter(self.registry)
        self.objects = OBJECTS.counter(self.registry)
        self.batch_lines = BATCH_LINES.histogram(self.registry, (*BYTES, 1_000_000_000.0))
        self.batch_records = BATCH_RECORDS.histogram(self.registry, _COUNTS)
        self.batch_age = BATCH_AGE.histogram(self.registry, _AGES)
        self.writing = WRITING.histogram(self.registry, _AGES)
        self.seals = SEALS.counter(self.registry)
        self.leases = LEASES.gauge(self.registry)
        self.unowned = UNOWNED.gauge(self.registry)
        self.lost = LOST.counter(self.registry)
        self.behind = BEHIND.gauge(self.registry)
        self.forgotten = FORGOTTEN.counter(self.registry)
        self.failures = FAILURES.counter(self.registry)
