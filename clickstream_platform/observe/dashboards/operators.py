"""The operators' dashboard: is everything all right, and if not, which part.

Belongs here: its panels, from the whole to the parts; those of single services are in `services`. Does not: one
customer (`customer`), cost (`capacity`).
"""

from __future__ import annotations

from clickstream_platform.observe.dashboards.panels import Dashboard, Row, figure, lines, quantile, table, zero
from clickstream_platform.observe.dashboards.services import ALERTS, BATCHER, COLLECTOR, REGISTRY

_NOW = Row(
    "Now",
    (
        figure(
            "Critical findings",
            "What somebody should look at now.",
            'sum(clickstream_findings{severity="critical"})',
            red_above=1,
        ),
        figure("Warnings", "What somebody should look at today.", 'sum(clickstream_findings{severity="warning"})'),
        figure(
            "Late or blocked streams",
            "Records arrived and are not in their table, past the deadline; paused events are left out.",
            'sum(clickstream_findings{kind=~"stream_late|stream_blocked"})',
            red_above=1,
        ),
        figure("Silent streams", "None arrives, though some should.", 'sum(clickstream_streams{status="silent"})'),
        figure("Queued runs", "Runs that wait for their turn.", 'clickstream_dagster_runs{state="queued"}'),
        figure("Alerts that fire", "Told or held back.", zero("sum(clickstream_alerts_open)"), red_above=1),
        figure(
            "Processes down",
            "Of those that Prometheus scrapes.",
            'count(up{job=~"clickstream-.+"} == 0) or on() vector(0)',
            red_above=1,
        ),
        figure("Customers", "With at least one watched stream.", "count(count by (customer) (clickstream_streams))"),
        figure("Streams", "That have a deadline.", "sum(clickstream_streams)"),
        figure(
            "Hours within 90 minutes",
            "Share of customer-hours whose rows were there 90 minutes after the hour's end, over a day.",
            'sum(increase(clickstream_pipeline_hour_delay_seconds_bucket{le="5400.0"}[24h])) '
            "/ sum(increase(clickstream_pipeline_hour_delay_seconds_count[24h]))",
            "percentunit",
            red_below=0.9,
        ),
    ),
)
_STREAMS = Row(
    "Findings and streams",
    (
        table("Findings", "What is found now, by customer.", "sum by (customer, kind) (clickstream_customer_findings)"),
        table(
            "Streams that offend, and the furthest behind",
            "Age of the newest loaded hour.",
            "sort_desc(max by (customer, event, status) (clickstream_stream_lag_seconds))",
            "s",
        ),
        lines("Streams by status", "All customers.", ("sum by (status) (clickstream_streams)", "{{status}}")),
        lines(
            "Customers furthest behind",
            "Age of the newest loaded hour of their last stream.",
            ("topk(10, clickstream_customer_lag_seconds)", "{{customer}}"),
            unit="s",
        ),
        lines(
            "Findings by kind",
            "Over time.",
            ("clickstream_findings > 0 or on() vector(0)", "{{kind}}"),
        ),
    ),
)
_CANARY = Row(
    "Canary",
    (
        lines(
            "From a call to its row",
            "Of the canary's newest event: what a customer's record takes, the wait for the end of its hour included.",
            (zero("clickstream_canary_latency_seconds"), "latency"),
            unit="s",
        ),
        lines(
            "Events of the canary",
            "Sent and found in the hour before; those that are on the way.",
            (zero("increase(clickstream_canary_sent_total[1h])"), "sent"),
            (zero("increase(clickstream_canary_seen_total[1h])"), "found"),
            (zero("clickstream_canary_pending"), "on the way"),
        ),
        lines(
            "Last beat of the canary",
            "Time since its process last did anything.",
            (zero("clickstream_canary_beat_age_seconds"), "age"),
            unit="s",
        ),
    ),
)
_WORK = Row(
    "Loading",
    (
        lines(
            "Records",
            "Of the runs that ended in the hour before.",
            ("sum by (outcome) (increase(clickstream_pipeline_records_total[1h]))", "{{outcome}}"),
            stacked=True,
        ),
        lines(
            "Stream-hours",
            "That runs finished in the hour before.",
            ("sum by (outcome) (increase(clickstream_pipeline_stream_hours_total[1h]))", "{{outcome}}"),
            stacked=True,
        ),
        lines(
            "Runs that ended",
            "In the hour before.",
            ("sum by (outcome) (increase(clickstream_pipeline_runs_total[1h]))", "{{outcome}}"),
            stacked=True,
        ),
        lines(
            "Run duration",
            "Of the runs that ended in the hour before.",
            (quantile(0.5, "clickstream_pipeline_run_duration_seconds", "[1h]"), "half"),
            (quantile(0.95, "clickstream_pipeline_run_duration_seconds", "[1h]"), "95 of 100"),
            unit="s",
        ),
        lines(
            "Wait in the queue",
            "Of the runs that ended in the hour before.",
            (quantile(0.5, "clickstream_pipeline_queue_duration_seconds", "[1h]"), "half"),
            (quantile(0.95, "clickstream_pipeline_queue_duration_seconds", "[1h]"), "95 of 100"),
            unit="s",
        ),
        lines(
            "From an hour's end to its rows",
            "Back-fills left out.",
            (quantile(0.5, "clickstream_pipeline_hour_delay_seconds", "[1h]"), "half"),
            (quantile(0.95, "clickstream_pipeline_hour_delay_seconds", "[1h]"), "95 of 100"),
            unit="s",
        ),
        lines(
            "Time in the warehouse",
            "Of one customer-hour.",
            (quantile(0.5, "clickstream_pipeline_load_duration_seconds", "[1h]"), "half"),
            (quantile(0.95, "clickstream_pipeline_load_duration_seconds", "[1h]"), "95 of 100"),
            unit="s",
        ),
        lines(
            "Retries",
            "Of steps within a run, and of whole runs.",
            ("sum by (level) (increase(clickstream_pipeline_retries_total[1h]))", "{{level}}"),
        ),
        lines(
            "Checks",
            "Results that runs gave, and customers whose newest result is a failure.",
            (
                "sum by (check, outcome) (increase(clickstream_pipeline_check_results_total[1h]))",
                "{{check}} {{outcome}}",
            ),
            ("sum by (check) (clickstream_dagster_failed_checks)", "{{check}} failed now"),
        ),
    ),
)
_DAGSTER = Row(
    "Dagster",
    (
        lines("Runs", "That have not ended, by state.", ("clickstream_dagster_runs", "{{state}}"), stacked=True),
        lines(
            "Oldest runs",
            "How long the first in the queue waits, and the longest run works.",
            ("clickstream_dagster_queue_age_seconds", "waits"),
            ("clickstream_dagster_run_age_seconds", "works"),
            unit="s",
        ),
        lines(
            "Overdue runs and back-fills",
            "Runs beyond their own limit; back-fills that have not ended.",
            ("clickstream_dagster_overdue_runs", "overdue runs"),
            ("clickstream_dagster_backfills", "back-fills"),
        ),
        lines(
            "Heartbeats of the daemon",
            "Time since the last; they come every 30 seconds.",
            ("clickstream_dagster_daemon_heartbeat_age_seconds", "{{daemon}}"),
            unit="s",
        ),
        lines(
            "Ticks",
            "Time since a sensor's last tick, in its own intervals.",
            (
                "clickstream_dagster_sensor_tick_age_seconds "
                "/ on (instance, sensor) clickstream_dagster_sensor_interval_seconds",
                "{{sensor}}",
            ),
        ),
        lines(
            "Duration of ticks",
            "A tick must end within 60 seconds.",
            ("clickstream_dagster_sensor_tick_duration_seconds", "{{sensor}}"),
            unit="s",
        ),
        lines(
            "Up",
            "Webserver and code locations as the webserver sees them; sensors that are on and do not fail.",
            ("clickstream_dagster_webserver_up", "webserver"),
            ("clickstream_dagster_code_location_up", "{{location}}"),
            ("clickstream_dagster_sensor_running - clickstream_dagster_sensor_failed", "sensor {{sensor}}"),
            unit="bool",
        ),
        lines(
            "Errors of the daemon",
            "Told by its last heartbeat.",
            ("clickstream_dagster_daemon_errors", "{{daemon}}"),
        ),
        lines(
            "Queue by customer",
            "The longest ones.",
            (zero("topk(10, clickstream_dagster_queued_runs)"), "{{customer}}"),
            stacked=True,
        ),
    ),
)
OPERATORS = Dashboard(
    "clickstream-operators",
    "Clickstream: operators",
    "Is everything all right, and if not, which part.",
    (_NOW, _STREAMS, _CANARY, _WORK, _DAGSTER, COLLECTOR, BATCHER, REGISTRY, ALERTS),
)
