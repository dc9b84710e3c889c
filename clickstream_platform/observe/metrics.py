"""The names of the platform's own metrics: what each counts, in which unit, by which labels.

Belongs here: names, and making the metric of a name. Does not: counting. A label has few values, known beforehand: a
route's template and never a path, never a customer, an hour or the text of an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

# Else each counter has a second series, which no panel, rule or document asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BYTES = (100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0, 100_000_000.0)


@dataclass(frozen=True, slots=True)
class MetricName:
    """`clickstream_<component>_<name>_<unit>[_total]`, what it tells, and its labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()

    def counter(self, registry: CollectorRegistry) -> Counter:
        """Make the counter of this name."""
        return Counter(self.name, self.help, self.labels, registry=registry)

    def gauge(self, registry: CollectorRegistry) -> Gauge:
        """Make the gauge of this name."""
        return Gauge(self.name, self.help, self.labels, registry=registry)

    def histogram(self, registry: CollectorRegistry, buckets: Sequence[float]) -> Histogram:
        """Make the histogram of this name."""
        return Histogram(self.name, self.help, self.labels, registry=registry, buckets=buckets)


_ROUTE = ("method", "route")
REGISTRY_REQUESTS = MetricName("clickstream_registry_http_requests_total", "Requests answered.", (*_ROUTE, "status"))
REGISTRY_REQUEST_DURATION = MetricName(
    "clickstream_registry_http_request_duration_seconds",
    "From the first byte of a request to the end of its answer.",
    _ROUTE,
)
REGISTRY_REQUEST_BODY = MetricName(
    "clickstream_registry_http_request_body_bytes", "Length of request bodies, where there is one.", _ROUTE
)
REGISTRY_PROBLEMS = MetricName("clickstream_registry_http_problems_total", "Refusals by their code.", ("code",))
REGISTRY_REPLAYS = MetricName(
    "clickstream_registry_http_idempotent_replays_total", "Answers given again for an Idempotency-Key."
)
REGISTRY_SNAPSHOT_BUILD = MetricName(
    "clickstream_registry_snapshot_build_duration_seconds", "Time to read, write and compress the snapshot."
)
REGISTRY_SNAPSHOT_SIZE = MetricName(
    "clickstream_registry_snapshot_compressed_bytes",
    "Length of the newest snapshot as sent, with hashes of write keys.",
)
REGISTRY_SNAPSHOT_ANSWERS = MetricName(
    "clickstream_registry_snapshot_answers_total", "Polls of the snapshot: full or not_modified.", ("answer",)
)
