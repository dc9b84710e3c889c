"""The dashboard of capacity and cost: what the platform works, for whom, and how near its limits it is.

Belongs here: its panels. Does not: whether anything is wrong (`operators`).
"""

from __future__ import annotations

from clickstream_platform.observe.dashboards.panels import RATE, Dashboard, Row, bars, figure, lines, quantile, table

_TOTALS = Row(
    "A day",
    (
        figure("Rows", "That the ledgers have.", "sum(clickstream_ledger_rows)"),
        figure("Raw data", "Compressed.", "sum(clickstream_ledger_read_bytes)", "bytes"),
        figure("Run time", "Of all run workers.", "sum(increase(clickstream_pipeline_run_seconds_total[24h]))", "s"),
        figure(
            "Time in warehouses",
            "COPY and what follows.",
            'sum(increase(clickstream_pipeline_step_seconds_total{step="load"}[24h]))',
            "s",
        ),
        figure(
            "Run time for a million rows",
            "What they cost in seconds of run workers.",
            "1e6 * sum(increase(clickstream_pipeline_run_seconds_total[24h])) "
            '/ sum(increase(clickstream_pipeline_records_total{outcome="loaded"}[24h]))',
            "s",
        ),
        figure("Runs", "That ended.", "sum(increase(clickstream_pipeline_runs_total[24h]))"),
    ),
)
_COST = Row(
    "Who it is for",
    (
        bars(
            "Run time by customer",
            "Of a day, the twenty largest.",
            "topk(20, sum by (customer) (increase(clickstream_pipeline_run_seconds_total[24h])))",
            "{{customer}}",
            "s",
        ),
        bars(
            "Time in the warehouse by customer",
            "Of a day, the twenty largest.",
            'topk(20, sum by (customer) (increase(clickstream_pipeline_step_seconds_total{step="load"}[24h])))',
            "{{customer}}",
            "s",
        ),
        bars(
            "Raw data by customer",
            "Of a day, the twenty largest.",
            "topk(20, clickstream_ledger_read_bytes)",
            "{{customer}}",
            "bytes",
        ),
        bars("Rows by customer", "Of a day, the twenty largest.", "topk(20, clickstream_ledger_rows)", "{{customer}}"),
        table(
            "Run time for a million rows by customer",
            "By customer, over a day; small customers cost most, for a run costs seconds whatever it loads.",
            "1e6 * sum by (customer) (increase(clickstream_pipeline_run_seconds_total[24h])) "
            '/ (sum by (customer) (increase(clickstream_pipeline_records_total{outcome="loaded"}[24h])) > 0)',
            "s",
        ),
        bars("Largest streams", "Rows of a day.", "clickstream_top_stream_rows", "{{customer}} {{event}}"),
        lines(
            "Share of run time",
            "By customer, of the hour before; the ten largest.",
            (
                "topk(10, sum by (customer) (increase(clickstream_pipeline_run_seconds_total[1h]))) "
                "/ on () group_left sum(increase(clickstream_pipeline_run_seconds_total[1h]))",
                "{{customer}}",
            ),
            unit="percentunit",
            stacked=True,
        ),
        lines(
            "COPY commands and commits",
            "In the hour before.",
            ("sum(increase(clickstream_pipeline_copies_total[1h]))", "COPY"),
            ("sum(increase(clickstream_pipeline_commits_total[1h]))", "commits"),
        ),
        lines(
            "Raw objects",
            "Read in the hour before.",
            ("sum(increase(clickstream_pipeline_objects_total[1h]))", "objects"),
        ),
    ),
)
_LIMITS = Row(
    "How near the limits",
    (
        lines(
            "Runs at work",
            "On average over the hour before, and now.",
            ("sum(rate(clickstream_pipeline_run_seconds_total[1h]))", "on average"),
            ('clickstream_dagster_runs{state="started"}', "now"),
            ('clickstream_dagster_runs{state="queued"}', "queued"),
        ),
        lines(
            "CPU",
            "Cores taken by the long-lived processes.",
            (f'sum by (job) (rate(process_cpu_seconds_total{{job=~"clickstream-.+"}}{RATE}))', "{{job}}"),
        ),
        lines(
            "Memory",
            "Of the long-lived processes.",
            ('sum by (job) (process_resident_memory_bytes{job=~"clickstream-.+"})', "{{job}}"),
            unit="bytes",
        ),
        lines(
            "Collectors",
            "Records a second.",
            (f"sum(rate(clickstream_collector_stored_records_total{RATE}))", "records"),
            unit="cps",
        ),
        lines(
            "Size of requests and puts",
            "95 of 100: bytes of a request, records of a PutRecords request (500 at most).",
            (quantile(0.95, "clickstream_collector_request_body_bytes"), "bytes of a request"),
            (quantile(0.95, "clickstream_collector_kinesis_request_records"), "records of a put"),
        ),
        lines(
            "Bounds of batches",
            "95 of 100, over an hour: which bound ends a batch.",
            (quantile(0.95, "clickstream_batcher_batch_lines_bytes", "[1h]"), "bytes"),
            (quantile(0.95, "clickstream_batcher_batch_records", "[1h]"), "records"),
            (quantile(0.95, "clickstream_batcher_batch_age_seconds", "[1h]"), "seconds"),
        ),
        lines(
            "Snapshot of the registry",
            "As sent; it grows with customers, events and keys.",
            ("clickstream_registry_snapshot_compressed_bytes", "compressed"),
            unit="bytes",
        ),
        lines(
            "Disk of collectors",
            "What waits in spools.",
            ("sum(clickstream_collector_spool_bytes)", "spooled"),
            ("sum(clickstream_collector_spool_limit_bytes)", "limit"),
            unit="bytes",
        ),
        lines(
            "Series",
            "Of the exporter; customers beyond the limit, offenders without a series of their own.",
            ('sum(scrape_samples_scraped{job="clickstream-exporter"})', "samples of a scrape"),
            ("clickstream_exporter_merged_customers", "merged customers"),
            ("clickstream_hidden_offenders", "hidden offenders"),
        ),
    ),
)
CAPACITY = Dashboard(
    "clickstream-capacity",
    "Clickstream: capacity and cost",
    "What the platform works, for whom, and how near its limits it is.",
    (_TOTALS, _COST, _LIMITS),
)
