"""The metrics of one running API.

Belongs here: making them, and the text that Prometheus reads. Does not: their names (`observe.metrics`), counting
(whoever does what is counted).
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from clickstream_platform.observe import metrics
from clickstream_platform.observe.log_metrics import register_logs


class Measures:
    """Counters and histograms, in a collection of their own so that a process may have several APIs."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._collection = CollectorRegistry()
        ProcessCollector(registry=self._collection)
        register_logs(self._collection)
        self.requests = metrics.REGISTRY_REQUESTS.counter(self._collection)
        self.durations = metrics.REGISTRY_REQUEST_DURATION.histogram(self._collection, metrics.SECONDS)
        self.bodies = metrics.REGISTRY_REQUEST_BODY.histogram(self._collection, metrics.BYTES)
        self.problems = metrics.REGISTRY_PROBLEMS.counter(self._collection)
        self.replays = metrics.REGISTRY_REPLAYS.counter(self._collection)
        self.snapshot_builds = metrics.REGISTRY_SNAPSHOT_BUILD.histogram(self._collection, metrics.SECONDS)
        self.snapshot_size = metrics.REGISTRY_SNAPSHOT_SIZE.gauge(self._collection)
        self.snapshot_answers = metrics.REGISTRY_SNAPSHOT_ANSWERS.counter(self._collection)

    def text(self) -> bytes:
        """Return all of them as Prometheus reads them."""
        return generate_latest(self._collection)
