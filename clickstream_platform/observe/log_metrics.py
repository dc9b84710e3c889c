"""The metrics of a process's logs, read when somebody scrapes.

Belongs here: names and the collector. Does not: counting (`observe.logs`).
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from clickstream_platform.observe.logs.starting import Logs, running_logs
from clickstream_platform.observe.metrics import MetricName

LINES = MetricName(
    "clickstream_logs_lines_total",
    "Log lines by outcome: sent, refused by the index, lost for the buffer was full, dropped for even memory was.",
    ("outcome",),
)
AWAY = MetricName("clickstream_logs_index_away", "1 while the log index takes nothing, else 0.")
OUTAGES = MetricName("clickstream_logs_outages_total", "How often the log index was found away.")
BUFFER = MetricName("clickstream_logs_buffer_bytes", "Log lines that wait in the buffer on disk.")
BUFFER_LIMIT = MetricName("clickstream_logs_buffer_limit_bytes", "What the buffer may hold.")


class LogsCollector(Collector):
    """Tells what became of a process's lines; register it once."""

    def __init__(self, logs: Logs) -> None:
        """Read from these logs."""
        self._logs = logs

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics as they are now."""
        figures = self._logs.figures
        lines = CounterMetricFamily(LINES.name, LINES.help, labels=LINES.labels)
        outcomes = {
            "sent": figures.sent,
            "refused": figures.refused,
            "lost": figures.lost,
            "dropped": self._logs.dropped,
        }
        for outcome, value in outcomes.items():
            lines.add_metric((outcome,), value)
        yield lines
        yield CounterMetricFamily(OUTAGES.name, OUTAGES.help, value=figures.outages)
        yield GaugeMetricFamily(AWAY.name, AWAY.help, value=figures.is_away)
        yield GaugeMetricFamily(BUFFER.name, BUFFER.help, value=self._logs.buffer_bytes)
        limit = self._logs.options.shipping.max_bytes
        yield GaugeMetricFamily(BUFFER_LIMIT.name, BUFFER_LIMIT.help, value=limit)


def register_logs(registry: CollectorRegistry) -> None:
    """Let a collection of metrics tell about this process's logs, when they were started."""
    if (logs := running_logs()) is not None:
        registry.register(LogsCollector(logs))
