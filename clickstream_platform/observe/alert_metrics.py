"""The metrics of alerting itself: an alert that reaches nobody must be seen somewhere.

Belongs here: their names and one object that holds them. Does not: counting, serving them.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from clickstream_platform.observe.metrics import MetricName

OPEN = MetricName("clickstream_alerts_open", "Alerts that fire now, by severity.", ("severity",))
HELD = MetricName("clickstream_alerts_held", "Alerts that fire and are held back by a silence or their cause.")
WAITING = MetricName("clickstream_alerts_waiting", "Groups of alerts with news that a channel was not told yet.")
OPENED = MetricName("clickstream_alerts_opened_total", "Alerts that began to fire.")
RESOLVED = MetricName("clickstream_alerts_resolved_total", "Alerts that were over.")
MESSAGES = MetricName(
    "clickstream_alerts_messages_total", "Messages by channel and outcome: sent or failed.", ("channel", "outcome")
)
EVALUATED = MetricName("clickstream_alerts_evaluated_timestamp_seconds", "When findings were last judged.")
DURATION = MetricName("clickstream_alerts_evaluation_duration_seconds", "Judging findings and sending messages.")
ROUTES_VALID = MetricName(
    "clickstream_alerts_routes_valid", "1: the routes file is in use; 0: its newest version is broken, an older is."
)

_DURATIONS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0)


class AlertMetrics:
    """All of them, in one registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Make them in a registry, a new one of their own by default."""
        self.registry = registry or CollectorRegistry()
        self.open = OPEN.gauge(self.registry)
        self.held = HELD.gauge(self.registry)
        self.waiting = WAITING.gauge(self.registry)
        self.opened = OPENED.counter(self.registry)
        self.resolved = RESOLVED.counter(self.registry)
        self.messages = MESSAGES.counter(self.registry)
        self.evaluated = EVALUATED.gauge(self.registry)
        self.duration = DURATION.histogram(self.registry, _DURATIONS)
        self.routes_valid = ROUTES_VALID.gauge(self.registry)
