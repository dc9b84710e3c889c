"""How long ago the registry last confirmed what each component works from, as a Prometheus metric.

Read from files at each scrape, because the processes that use a snapshot (run pods) die before a scrape. Belongs here:
the metrics. Does not: reading the files (`registry.client.ages`; whoever serves the metrics hands it in).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from clickstream_platform.observe.metrics import MetricName

AGE = MetricName(
    "clickstream_registry_snapshot_age_seconds",
    "Seconds since the registry confirmed the snapshot that a component works from.",
    ("component",),
)
WAITING = MetricName(
    "clickstream_registry_announcements_waiting", "Announcements of arrived events that wait for the registry."
)


class SnapshotAgeCollector(Collector):
    """Gauges of the kept snapshots, as of each scrape."""

    def __init__(self, read_ages: Callable[[], Mapping[str, float]], count_waiting: Callable[[], int]) -> None:
        """Ask for the ages in seconds by component, and for the number of announcements that wait."""
        self._read_ages, self._count_waiting = read_ages, count_waiting

    def collect(self) -> Iterator[Metric]:
        """Yield both gauges; a component that keeps no snapshot has no age."""
        age = GaugeMetricFamily(AGE.name, AGE.help, labels=AGE.labels)
        for component, seconds in self._read_ages().items():
            age.add_metric([component], seconds)
        yield age
        yield GaugeMetricFamily(WAITING.name, WAITING.help, value=self._count_waiting())
