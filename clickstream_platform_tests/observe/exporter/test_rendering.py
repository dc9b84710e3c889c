"""The samples that a scrape finds."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from clickstream_platform.model.findings import FINDING_KINDS, Finding
from clickstream_platform.model.stream_status import StreamStatus
from clickstream_platform.model.streams import Stream
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.exporter.counting import RunCounting
from clickstream_platform.observe.exporter.figures import (
    CheckState,
    DaemonState,
    InstanceFigures,
    LocationState,
    OpenRun,
    SensorState,
    WorkspaceFigures,
)
from clickstream_platform.observe.exporter.rendering import TOP_STREAMS, PlatformCollector, choose_streams
from clickstream_platform.observe.exporter.state import LedgerFigures, PlatformState
from clickstream_platform.observe.exporter.tallies import CustomerLabels
from clickstream_platform_tests.observe.exporter.runs import NOW, ended, stream

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def state() -> PlatformState:
    labels = CustomerLabels()
    return PlatformState(RunCounting(NOW - timedelta(hours=1), labels), labels)


def scrape(state: PlatformState, limit: int = 100) -> Samples:
    metrics = CollectorRegistry()
    metrics.register(PlatformCollector(state, lambda: NOW, limit))
    families = text_string_to_metric_families(generate_latest(metrics).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def of(samples: Samples, name: str) -> dict[tuple[str, ...], float]:
    """Return a metric's samples by the values of their labels."""
    return {tuple(text for _, text in labels): value for (found, labels), value in samples.items() if found == name}


def test_what_is_not_known_yet_has_no_samples(state: PlatformState) -> None:
    samples = scrape(state)
    histograms = {name for name, _ in samples if name.startswith("clickstream_pipeline_")}
    assert {name.rpartition("_")[2] for name in histograms} == {"bucket", "count", "sum"}
    assert {name for name, _ in samples} - histograms == {"clickstream_exporter_merged_customers"}


def test_dagster_as_it_is(state: PlatformState) -> None:
    before = NOW - timedelta(minutes=5)
    runs = (
        OpenRun("r1", "acme", "queued", before, before, None, None),
        OpenRun("r2", "acme", "queued", NOW, NOW, None, None),
        OpenRun("old", "tiny", "queued", NOW - timedelta(days=2), before, None, None, is_backfill=True),
        OpenRun("r3", "tiny", "started", before, before, before, 200.0),
    )
    daemons = (DaemonState("SENSOR", NOW - timedelta(seconds=20), 1), DaemonState("BACKFILL", None, 0))
    sensors = (SensorState("hours", True, 30.0, NOW - timedelta(seconds=40), None, "no"),)
    state.instance = InstanceFigures(NOW, {"queued": 2, "started": 1}, runs, daemons, sensors, 3)
    state.workspace = WorkspaceFigures(NOW, True, (LocationState("here", True), LocationState("there", False)))
    found = scrape(state)
    dagster = {
        name.removeprefix("clickstream_dagster_"): of(found, name)
        for name in {name for name, _ in found}
        if name.startswith("clickstream_dagster_")
    }
    assert dagster == {
        "runs": {("queued",): 2, ("started",): 1},
        "queued_runs": {("acme",): 2, ("tiny",): 1},
        "queue_age_seconds": {(): 300},
        "run_age_seconds": {(): 300},
        "overdue_runs": {(): 1},
        "backfills": {(): 3},
        "daemon_heartbeat_age_seconds": {("SENSOR",): 20, ("BACKFILL",): math.inf},
        "daemon_errors": {("SENSOR",): 1, ("BACKFILL",): 0},
        "sensor_tick_age_seconds": {("hours",): 40},
        "sensor_interval_seconds": {("hours",): 30},
        "sensor_running": {("hours",): 1},
        "sensor_failed": {("hours",): 1},
        "webserver_up": {(): 1},
        "code_location_up": {("here",): 1, ("there",): 0},
    }


def test_streams_are_counted_by_customer_and_status_with_the_lag_of_the_last(state: PlatformState) -> None:
    state.streams = [
        stream("view", StreamStatus.FRESH, 600.0),
        stream("order", StreamStatus.LATE, 9_000.0),
        stream("quiet", StreamStatus.SILENT, 99_000.0),
        stream("new", StreamStatus.NEVER_SEEN, None),
        stream("view", StreamStatus.FRESH, 60.0, "tiny"),
    ]
    found = scrape(state)
    counts = of(found, "clickstream_streams")
    assert {key: value for key, value in counts.items() if value} == {
        ("acme", "fresh"): 1,
        ("acme", "late"): 1,
        ("acme", "silent"): 1,
        ("acme", "never_seen"): 1,
        ("tiny", "fresh"): 1,
    }
    assert len(counts) == 2 * len(StreamStatus), "every status has its series, so that an alert can end"
    lag = of(found, "clickstream_customer_lag_seconds")
    assert lag == {("acme",): 9_000, ("tiny",): 60}, "a silent stream's lag is no lag of ours"


def test_only_offenders_and_the_furthest_behind_have_series_of_their_own(state: PlatformState) -> None:
    fresh = [stream(f"fresh{number:03}", StreamStatus.FRESH, float(number)) for number in range(100)]
    late = [stream(f"late{number:03}", StreamStatus.LATE, 1_000.0 + number) for number in range(30)]
    shown, hidden = choose_streams([*fresh, *late], limit=200)
    assert [each.stream.event for each in shown[:2]] == ["late029", "late028"]
    assert (len(shown), hidden) == (len(late) + TOP_STREAMS, 0)
    state.streams = [*fresh, *late]
    found = scrape(state, limit=10)
    assert len(of(found, "clickstream_stream_lag_seconds")) == 10
    assert of(found, "clickstream_hidden_offenders") == {(): 20}


def test_findings_are_counted_by_kind_once_each(state: PlatformState) -> None:
    finding = Finding("stream_late", "acme", "order", "late", NOW)
    platform = Finding("registry_away", None, None, "away", NOW)
    state.observations = {
        "freshness": Observation([finding], frozenset({"stream_late"})),
        "again": Observation([finding, platform], frozenset()),
    }
    found = scrape(state)
    kinds = of(found, "clickstream_findings")
    assert len(kinds) == len(FINDING_KINDS)
    assert {key for key, value in kinds.items() if value} == {
        ("stream_late", "critical"),
        ("registry_away", "critical"),
    }
    assert of(found, "clickstream_customer_findings") == {
        ("acme", "stream_late"): 1,
        ("", "registry_away"): 1,
    }


def test_names_from_outside_are_label_values_whatever_they_hold(state: PlatformState) -> None:
    state.counting.count([ended("r1", "naïve_客户")], NOW)
    state.ledgers = LedgerFigures({"naïve_客户": 7}, {"naïve_客户": 8}, [(Stream("naïve_客户", "注文"), 7)])
    found = scrape(state)
    assert of(found, "clickstream_ledger_rows") == {("naïve_客户",): 7}
    assert of(found, "clickstream_top_stream_rows") == {("naïve_客户", "注文"): 7}
    assert of(found, "clickstream_pipeline_objects_total") == {("naïve_客户",): 4}


def test_customers_that_are_counted_together_have_one_sample_of_each_check() -> None:
    labels = CustomerLabels(limit=1)
    state = PlatformState(RunCounting(NOW, labels), labels)
    for customer, has_failed in (("acme", False), ("second", True), ("third", False)):
        state.counting.note_check(CheckState(customer, "reconciliation", has_failed, NOW))
    metrics = CollectorRegistry()
    metrics.register(PlatformCollector(state, lambda: NOW))
    lines = [
        line
        for line in generate_latest(metrics).decode().splitlines()
        if line.startswith("clickstream_dagster_failed_checks{")
    ]
    assert lines == [
        'clickstream_dagster_failed_checks{check="reconciliation",customer="(other)"} 1.0',
        'clickstream_dagster_failed_checks{check="reconciliation",customer="acme"} 0.0',
    ]


def test_a_scrape_that_is_written_out_slowly_holds_up_no_probe(state: PlatformState) -> None:
    families = PlatformCollector(state, lambda: NOW).collect()
    next(families)
    assert state.lock.acquire(blocking=False)


def test_a_queue_that_nobody_can_look_at_does_not_grow(state: PlatformState) -> None:
    before = NOW - timedelta(hours=2)
    runs = (
        OpenRun("r1", "acme", "queued", before - timedelta(seconds=60), before, None, None),
        OpenRun("r2", "acme", "started", before, before, before - timedelta(seconds=30), 3_600.0),
    )
    state.instance = InstanceFigures(before, {}, runs, (), (), 0)
    found = scrape(state)
    ages = {name: of(found, f"clickstream_dagster_{name}")[()] for name in ("queue_age_seconds", "run_age_seconds")}
    assert ages == {"queue_age_seconds": 60, "run_age_seconds": 30}
    assert of(found, "clickstream_dagster_overdue_runs") == {(): 0}
