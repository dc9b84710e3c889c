"""The operators' dashboard, service by service: collectors, batchers, the registry, alerts and logs.

Belongs here: the panels of processes that serve something. Does not: loading and Dagster (`operators`).
"""

from __future__ import annotations

from clickstream_platform.observe.dashboards.panels import RATE, Row, lines, quantile, zero

REGISTRY = Row(
    "Registry",
    (
        lines(
            "Requests to the registry",
            "By status.",
            (f"sum by (status) (rate(clickstream_registry_http_requests_total{RATE}))", "{{status}}"),
            unit="cps",
        ),
        lines(
            "Latency of the registry",
            "Of all routes.",
            (quantile(0.5, "clickstream_registry_http_request_duration_seconds"), "half"),
            (quantile(0.99, "clickstream_registry_http_request_duration_seconds"), "99 of 100"),
            unit="s",
        ),
        lines(
            "Age of the snapshots",
            "Since the registry confirmed what a component works from.",
            ("max by (component) (clickstream_registry_snapshot_age_seconds)", "{{component}}"),
            unit="s",
        ),
        lines(
            "Announcements that wait",
            "Of arrived events.",
            ("sum(clickstream_registry_announcements_waiting)", "waiting"),
        ),
        lines(
            "Polls of the snapshot",
            "Full answers come after a change.",
            (f"sum by (answer) (rate(clickstream_registry_snapshot_answers_total{RATE}))", "{{answer}}"),
            unit="cps",
        ),
        lines(
            "Refusals",
            "By code.",
            (zero(f"sum by (code) (rate(clickstream_registry_http_problems_total{RATE}))"), "{{code}}"),
            unit="cps",
        ),
    ),
)
ALERTS = Row(
    "Alerts, logs, exporter",
    (
        lines(
            "Alerts",
            "That fire, are held back, or wait for a channel.",
            (zero("sum by (severity) (clickstream_alerts_open)"), "{{severity}}"),
            ("clickstream_alerts_held", "held back"),
            ("clickstream_alerts_waiting", "wait"),
        ),
        lines(
            "Messages",
            "By channel and outcome.",
            (
                zero("sum by (channel, outcome) (increase(clickstream_alerts_messages_total[1h]))"),
                "{{channel}} {{outcome}}",
            ),
        ),
        lines(
            "Log lines",
            "By what became of them.",
            (zero(f"sum by (job, outcome) (rate(clickstream_logs_lines_total{RATE}))"), "{{job}} {{outcome}}"),
            unit="cps",
        ),
        lines(
            "Logs that wait",
            "How full the buffers are.",
            (zero("clickstream_logs_buffer_bytes / clickstream_logs_buffer_limit_bytes"), "{{job}}"),
            unit="percentunit",
        ),
        lines(
            "Age of what the exporter tells",
            "Time since a probe last succeeded.",
            ("clickstream_exporter_probe_age_seconds", "{{probe}}"),
            unit="s",
        ),
        lines(
            "Duration of probes",
            "The last time.",
            ("clickstream_exporter_probe_duration_seconds", "{{probe}}"),
            unit="s",
        ),
    ),
)
COLLECTOR = Row(
    "Collectors",
    (
        lines(
            "Records stored",
            "On Kinesis or in the spool.",
            (f"sum by (way) (rate(clickstream_collector_stored_records_total{RATE}))", "{{way}}"),
            unit="cps",
        ),
        lines(
            "Requests to collectors",
            "By status.",
            (f"sum by (status) (rate(clickstream_collector_requests_total{RATE}))", "{{status}}"),
            unit="cps",
        ),
        lines(
            "Latency of collectors",
            "From a request's head to its answer, durability included.",
            (quantile(0.5, "clickstream_collector_request_duration_seconds"), "half"),
            (quantile(0.99, "clickstream_collector_request_duration_seconds"), "99 of 100"),
            unit="s",
        ),
        lines(
            "Refused and unknown",
            "Requests that clients are to repeat, by limit; requests with a key that nobody has.",
            (zero(f"sum by (limit) (rate(clickstream_collector_refused_requests_total{RATE}))"), "{{limit}}"),
            (f"sum(rate(clickstream_collector_unknown_write_key_requests_total{RATE}))", "unknown key"),
            unit="cps",
        ),
        lines(
            "Items",
            "Of requests, by outcome; rejected ones by reason.",
            (f"sum by (outcome) (rate(clickstream_collector_request_items_total{RATE}))", "{{outcome}}"),
            (zero(f"sum by (reason) (rate(clickstream_collector_rejected_records_total{RATE}))"), "{{reason}}"),
            unit="cps",
        ),
        lines(
            "Spool",
            "How full it is.",
            ("clickstream_collector_spool_bytes / clickstream_collector_spool_limit_bytes", "{{instance}}"),
            unit="percentunit",
        ),
        lines(
            "Kinesis",
            "Records not taken, by cause; records replayed from spools.",
            (zero(f"sum by (cause) (rate(clickstream_collector_kinesis_failures_total{RATE}))"), "{{cause}}"),
            (f"sum(rate(clickstream_collector_spool_replayed_records_total{RATE}))", "replayed"),
            unit="cps",
        ),
        lines(
            "Time of a PutRecords request",
            "Including those that fail.",
            (quantile(0.5, "clickstream_collector_kinesis_request_duration_seconds"), "half"),
            (quantile(0.99, "clickstream_collector_kinesis_request_duration_seconds"), "99 of 100"),
            unit="s",
        ),
        lines(
            "Open requests and queue",
            "Requests that are not answered yet; bytes that wait for Kinesis in memory.",
            ("sum(clickstream_collector_open_requests)", "requests"),
            ("sum(clickstream_collector_queue_bytes)", "bytes"),
        ),
    ),
)
BATCHER = Row(
    "Batchers",
    (
        lines(
            "Behind",
            "Age of the moment up to which every shard is written.",
            ("max(clickstream_batcher_behind_seconds)", "behind"),
            unit="s",
        ),
        lines(
            "Records batched",
            "Written, or removed as duplicates; records that hold no events.",
            (f"sum by (outcome) (rate(clickstream_batcher_records_total{RATE}))", "{{outcome}}"),
            (f"sum(rate(clickstream_batcher_strays_total{RATE}))", "strays"),
            unit="cps",
        ),
        lines(
            "Objects and seals",
            "Written in the hour before.",
            ("sum(increase(clickstream_batcher_objects_total[1h]))", "objects"),
            ("sum(increase(clickstream_batcher_seals_total[1h]))", "seals"),
        ),
        lines(
            "Leases",
            "Held by each instance; held by nobody; taken from each other in the hour before.",
            ("clickstream_batcher_leases", "{{instance}}"),
            ("max(clickstream_batcher_unowned_leases)", "nobody"),
            ("sum(increase(clickstream_batcher_leases_lost_total[1h]))", "lost"),
        ),
        lines(
            "Failures",
            "Work that is repeated, by kind; shards whose records were lost.",
            (zero("sum by (kind) (increase(clickstream_batcher_failures_total[1h]))"), "{{kind}}"),
            ("sum(increase(clickstream_batcher_forgotten_shards_total[1h]))", "shards lost"),
        ),
        lines(
            "Time to write a batch",
            "From its end to its checkpoint.",
            (quantile(0.5, "clickstream_batcher_batch_writing_seconds", "[1h]"), "half"),
            (quantile(0.95, "clickstream_batcher_batch_writing_seconds", "[1h]"), "95 of 100"),
            unit="s",
        ),
    ),
)
