"""The names of the exporter's metrics.

Belongs here: names, labels, buckets. Does not: values. The label `customer` takes as many values as the exporter's
limit allows and then `(other)`; `event` appears only for the streams that offend and the largest ones.
"""

from __future__ import annotations

from clickstream_platform.observe.metrics import MetricName

_P, _D, _E = "clickstream_pipeline", "clickstream_dagster", "clickstream_exporter"

# Work that runs did, by customer: counted when a run ends.
OBJECTS = MetricName(f"{_P}_objects_total", "Raw objects of the stream-hours that runs loaded.", ("customer",))
READ_BYTES = MetricName(f"{_P}_read_bytes_total", "Compressed length of these objects.", ("customer",))
RECORDS = MetricName(
    f"{_P}_records_total", "Raw records by what became of them: loaded, duplicate, rejected.", ("customer", "outcome")
)
DISCARDS = MetricName(f"{_P}_discarded_values_total", "Values that did not fit their column.", ("customer",))
STREAM_HOURS = MetricName(
    f"{_P}_stream_hours_total",
    "Stream-hours that runs finished: loaded, already_loaded, empty, failed.",
    ("customer", "outcome"),
)
COMMITS = MetricName(f"{_P}_commits_total", "Transactions committed in the warehouse.", ("customer",))
COPIES = MetricName(f"{_P}_copies_total", "COPY commands, where the warehouse has them.", ("customer",))
RETRIES = MetricName(
    f"{_P}_retries_total", "Repetitions: of a step within its run, of a whole run.", ("customer", "level")
)
STEP_SECONDS = MetricName(
    f"{_P}_step_seconds_total",
    "Time of customer-hours by step: freeze, stage, load (in the warehouse).",
    ("customer", "step"),
)
RUNS = MetricName(f"{_P}_runs_total", "Runs that ended: success, failure, canceled.", ("customer", "outcome"))
RUN_SECONDS = MetricName(f"{_P}_run_seconds_total", "Time that run workers took: what a customer costs.", ("customer",))
CHECK_RESULTS = MetricName(
    f"{_P}_check_results_total", "Results of asset checks that runs gave: passed, failed.", ("check", "outcome")
)
RUN_DURATION = MetricName(f"{_P}_run_duration_seconds", "From a run's start to its end.")
QUEUE_DURATION = MetricName(f"{_P}_queue_duration_seconds", "From the request of a run to its start.")
LOAD_DURATION = MetricName(f"{_P}_load_duration_seconds", "Time of one customer-hour in the warehouse.")
HOUR_DELAY = MetricName(
    f"{_P}_hour_delay_seconds",
    "From the end of an hour to its rows being in the tables; an hour that late objects load again counts again, "
    "with its whole delay; back-fills are left out.",
)

# Dagster as it is now.
DAGSTER_RUNS = MetricName(f"{_D}_runs", "Runs that have not ended, by state.", ("state",))
QUEUED_RUNS = MetricName(
    f"{_D}_queued_runs", "Runs that wait in the queue; customers without any are left out.", ("customer",)
)
QUEUE_AGE = MetricName(
    f"{_D}_queue_age_seconds", "How long the run that waits longest has waited, back-fills left out; 0 without any."
)
RUN_AGE = MetricName(f"{_D}_run_age_seconds", "How long the run that works longest has worked; 0 without any.")
OVERDUE_RUNS = MetricName(f"{_D}_overdue_runs", "Runs that work longer than their own limit allows.")
BACKFILLS = MetricName(f"{_D}_backfills", "Back-fills that have not ended.")
DAEMON_AGE = MetricName(
    f"{_D}_daemon_heartbeat_age_seconds", "Time since a daemon's heartbeat; +Inf when it never had one.", ("daemon",)
)
DAEMON_ERRORS = MetricName(f"{_D}_daemon_errors", "Errors that a daemon's last heartbeat told of.", ("daemon",))
SENSOR_AGE = MetricName(
    f"{_D}_sensor_tick_age_seconds", "Time since a sensor's last tick began; +Inf when it never ticked.", ("sensor",)
)
SENSOR_DURATION = MetricName(f"{_D}_sensor_tick_duration_seconds", "How long a sensor's last tick took.", ("sensor",))
SENSOR_INTERVAL = MetricName(
    f"{_D}_sensor_interval_seconds", "Time that a sensor waits between two ticks.", ("sensor",)
)
SENSOR_RUNNING = MetricName(
    f"{_D}_sensor_running", "1 for a sensor that is switched on, 0 for one that is off.", ("sensor",)
)
SENSOR_FAILED = MetricName(f"{_D}_sensor_failed", "1 when a sensor's last tick failed, else 0.", ("sensor",))
LOCATION_UP = MetricName(f"{_D}_code_location_up", "1 for a code location that is loaded, else 0.", ("location",))
WEBSERVER_UP = MetricName(f"{_D}_webserver_up", "1 when the webserver answered, else 0.")
FAILED_CHECKS = MetricName(
    f"{_D}_failed_checks", "1 when the newest result of a customer's check is a failure, else 0.", ("customer", "check")
)

# Streams against their deadlines.
STREAMS = MetricName(
    "clickstream_streams",
    "Streams by how they stand: fresh, late, silent, never_seen, blocked.",
    ("customer", "status"),
)
CUSTOMER_LAG = MetricName(
    "clickstream_customer_lag_seconds",
    "Age of the newest loaded hour, from its end, of the customer's stream that is furthest behind.",
    ("customer",),
)
STREAM_LAG = MetricName(
    "clickstream_stream_lag_seconds",
    "The same of single streams: offenders, then the furthest behind.",
    ("customer", "event", "status"),
)
HIDDEN_OFFENDERS = MetricName(
    "clickstream_hidden_offenders", "Streams that offend and have no series of their own, because there are too many."
)
TOP_STREAM_ROWS = MetricName(
    "clickstream_top_stream_rows", "Rows of the last 24 hours of the largest streams.", ("customer", "event")
)
CUSTOMER_ROWS = MetricName(
    "clickstream_ledger_rows", "Rows that the ledger has of the hours of the last 24 hours.", ("customer",)
)
CUSTOMER_BYTES = MetricName(
    "clickstream_ledger_read_bytes", "Compressed length of the raw objects of these hours.", ("customer",)
)
FINDINGS = MetricName("clickstream_findings", "What somebody may have to look at, by kind.", ("kind", "severity"))
CUSTOMER_FINDINGS = MetricName(
    "clickstream_customer_findings",
    "The same by customer, empty for the platform itself; who has none is left out.",
    ("customer", "kind"),
)

# The canary, as its process left it.
CANARY_SENT = MetricName("clickstream_canary_sent_total", "Events that the canary sent and a collector took.")
CANARY_SEEN = MetricName("clickstream_canary_seen_total", "Events of the canary that were found in its table.")
CANARY_PENDING = MetricName("clickstream_canary_pending", "Events of the canary that are not in its table yet.")
CANARY_LATENCY = MetricName(
    "clickstream_canary_latency_seconds", "From the SDK's call to the row, of the newest event that is in the table."
)
CANARY_BEAT_AGE = MetricName("clickstream_canary_beat_age_seconds", "Time since the canary last did anything.")

# The exporter itself.
PROBE_AGE = MetricName(
    f"{_E}_probe_age_seconds", "Time since a probe last succeeded; +Inf until it first did.", ("probe",)
)
PROBE_DURATION = MetricName(f"{_E}_probe_duration_seconds", "How long a probe took the last time.", ("probe",))
PROBE_FAILURES = MetricName(f"{_E}_probe_failures_total", "Times that a probe failed.", ("probe",))
MERGED_CUSTOMERS = MetricName(f"{_E}_merged_customers", "Customers beyond the limit, counted together as (other).")
BUILD = MetricName("clickstream_build_info", "Always 1; the label tells the version.", ("version",))

RUN_BUCKETS = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0)
DELAY_BUCKETS = (
    60.0,
    300.0,
    600.0,
    900.0,
    1_200.0,
    1_800.0,
    2_700.0,
    3_600.0,
    5_400.0,
    7_200.0,
    14_400.0,
    43_200.0,
    86_400.0,
)
HISTOGRAMS = {
    RUN_DURATION: RUN_BUCKETS,
    QUEUE_DURATION: (1.0, *RUN_BUCKETS),
    LOAD_DURATION: (0.1, 0.5, 1.0, 2.0, *RUN_BUCKETS),
    HOUR_DELAY: DELAY_BUCKETS,
}
OTHER = "(other)"
"""Stands for all customers beyond the limit; no slug has parentheses."""
