"""One customer's dashboard: what arrived, what became of it, how late it is, what it took.

Belongs here: its panels. Does not: other customers.
"""

from __future__ import annotations

from clickstream_platform.observe.dashboards.panels import (
    CUSTOMER,
    Dashboard,
    Row,
    bars,
    figure,
    lines,
    table,
    zero,
)

_RECORDS = f"clickstream_pipeline_records_total{{{CUSTOMER}}}"


def _share(outcome: str) -> str:
    chosen = f'clickstream_pipeline_records_total{{{CUSTOMER},outcome="{outcome}"}}'
    return f"sum(increase({chosen}[24h])) / sum(increase({_RECORDS}[24h]))"


_NOW = Row(
    "Now",
    (
        figure(
            "Late or blocked streams",
            "Records arrived and are not in their table, past the deadline; paused events are left out.",
            zero(f'sum(clickstream_customer_findings{{{CUSTOMER},kind=~"stream_late|stream_blocked"}})'),
            red_above=1,
        ),
        figure("Silent streams", "No record comes.", f'sum(clickstream_streams{{{CUSTOMER},status="silent"}})'),
        figure(
            "Behind",
            "Age of the newest loaded hour of the stream that is furthest behind.",
            f"max(clickstream_customer_lag_seconds{{{CUSTOMER}}})",
            "s",
        ),
        figure("Rows of a day", "That the ledger has.", f"sum(clickstream_ledger_rows{{{CUSTOMER}}})"),
        figure("Rejected", "Share of the records of a day.", _share("rejected"), "percentunit", red_above=0.05),
        figure("Duplicates", "Share of the records of a day.", _share("duplicate"), "percentunit"),
    ),
)
_DATA = Row(
    "Data",
    (
        lines(
            "Records",
            "Loaded in the hour before, by what became of them.",
            (f"sum by (outcome) (increase({_RECORDS}[1h]))", "{{outcome}}"),
            stacked=True,
        ),
        lines(
            "Raw data",
            "Compressed length of the objects loaded in the hour before.",
            (f"sum by (customer) (increase(clickstream_pipeline_read_bytes_total{{{CUSTOMER}}}[1h]))", "{{customer}}"),
            unit="bytes",
        ),
        lines(
            "Values that did not fit",
            "Discards in the hour before.",
            (
                f"sum by (customer) (increase(clickstream_pipeline_discarded_values_total{{{CUSTOMER}}}[1h]))",
                "{{customer}}",
            ),
        ),
        bars(
            "Largest streams",
            "Rows of a day; only streams among the largest of the platform.",
            f"clickstream_top_stream_rows{{{CUSTOMER}}}",
            "{{event}}",
        ),
        table(
            "Streams that offend, and the furthest behind",
            "Age of the newest loaded hour; only streams among those of the platform.",
            f"max by (event, status) (clickstream_stream_lag_seconds{{{CUSTOMER}}})",
            "s",
        ),
    ),
)
_FRESH = Row(
    "Freshness and findings",
    (
        lines("Streams by status", "", (f"sum by (status) (clickstream_streams{{{CUSTOMER}}})", "{{status}}")),
        lines(
            "Behind over time",
            "Age of the newest loaded hour of the stream that is furthest behind.",
            (f"clickstream_customer_lag_seconds{{{CUSTOMER}}}", "{{customer}}"),
            unit="s",
        ),
        lines(
            "Findings",
            "By kind.",
            (zero(f"sum by (kind) (clickstream_customer_findings{{{CUSTOMER}}})"), "{{kind}}"),
        ),
    ),
)
_WORK = Row(
    "Work",
    (
        lines(
            "Runs that ended",
            "In the hour before.",
            (f"sum by (outcome) (increase(clickstream_pipeline_runs_total{{{CUSTOMER}}}[1h]))", "{{outcome}}"),
            stacked=True,
        ),
        lines(
            "Stream-hours",
            "That runs finished in the hour before.",
            (f"sum by (outcome) (increase(clickstream_pipeline_stream_hours_total{{{CUSTOMER}}}[1h]))", "{{outcome}}"),
            stacked=True,
        ),
        lines(
            "Time by step",
            "Of the customer-hours loaded in the hour before.",
            (f"sum by (step) (increase(clickstream_pipeline_step_seconds_total{{{CUSTOMER}}}[1h]))", "{{step}}"),
            unit="s",
            stacked=True,
        ),
        lines(
            "Retries",
            "Of steps within a run, and of whole runs.",
            (f"sum by (level) (increase(clickstream_pipeline_retries_total{{{CUSTOMER}}}[1h]))", "{{level}}"),
        ),
        lines(
            "Warehouse",
            "Transactions and COPY commands in the hour before.",
            (f"sum(increase(clickstream_pipeline_commits_total{{{CUSTOMER}}}[1h]))", "commits"),
            (f"sum(increase(clickstream_pipeline_copies_total{{{CUSTOMER}}}[1h]))", "COPY"),
        ),
        lines(
            "Failed checks",
            "1 while the newest result is a failure.",
            (f"clickstream_dagster_failed_checks{{{CUSTOMER}}}", "{{check}}"),
            unit="bool",
        ),
    ),
)
CUSTOMER_PAGE = Dashboard(
    "clickstream-customer",
    "Clickstream: one customer",
    "What arrived, what became of it, how late it is, and what it took.",
    (_NOW, _DATA, _FRESH, _WORK),
    has_customer=True,
)
