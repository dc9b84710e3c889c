"""What ended runs did, counted once, by a memory that outlives the process."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform.observe.exporter import names
from clickstream_platform.observe.exporter.counting import SETTLING, RunCounting
from clickstream_platform.observe.exporter.failures import KEPT, Failures
from clickstream_platform.observe.exporter.figures import CheckState, EndedRun, FailedStream
from clickstream_platform.observe.exporter.tallies import CustomerLabels, Histogram, load_document, save_document
from clickstream_platform.observe.metrics import MetricName
from clickstream_platform_tests.observe.exporter.runs import ELEVEN, NOW, batch, ended

LONG_AGO = NOW - timedelta(hours=1)


def counting(limit: int = 10) -> RunCounting:
    return RunCounting(LONG_AGO, CustomerLabels(limit))


def count(of: RunCounting, runs: list[EndedRun]) -> list[EndedRun]:
    return of.count(runs, NOW)


def value(of: RunCounting, name: MetricName, *labels: str) -> float:
    return of.tallies.counters[name.name][labels]


def test_a_run_moves_every_tally_of_its_customer() -> None:
    counts = counting()
    count(counts, [ended("r1", step_retries=2, is_retry=True)])
    assert [value(counts, names.RECORDS, "acme", outcome) for outcome in ("loaded", "duplicate", "rejected")] == [
        90,
        7,
        3,
    ]
    per_customer = {
        names.OBJECTS: 4,
        names.READ_BYTES: 1_000,
        names.DISCARDS: 5,
        names.COMMITS: 1,
        names.COPIES: 2,
        names.RUN_SECONDS: 30,
    }
    assert {name: value(counts, name, "acme") for name in per_customer} == per_customer
    assert value(counts, names.RETRIES, "acme", "step") == 2
    assert value(counts, names.RETRIES, "acme", "run") == 1
    assert value(counts, names.STREAM_HOURS, "acme", "loaded") == 2
    assert value(counts, names.STEP_SECONDS, "acme", "load") == 6
    assert value(counts, names.RUNS, "acme", "success") == 1
    sums = {name.name: counts.tallies.histograms[name.name].total for name in names.HISTOGRAMS}
    delay = (NOW - timedelta(minutes=10) - ELEVEN.end).total_seconds()
    assert sums == {
        names.RUN_DURATION.name: 30,
        names.QUEUE_DURATION.name: 60,
        names.LOAD_DURATION.name: 6,
        names.HOUR_DELAY.name: delay,
    }


def test_a_backfill_is_no_delay() -> None:
    counts = counting()
    count(counts, [ended("r1", is_backfill=True)])
    assert counts.tallies.histograms[names.HOUR_DELAY.name].total == 0


def test_a_run_that_is_seen_again_counts_once_whatever_the_order() -> None:
    counts = counting()
    first, second = ended("r1", minutes_ago=9), ended("r2", minutes_ago=5)
    assert count(counts, [second]) == [second]
    assert count(counts, [second, first]) == [first]
    assert count(counts, [first, second]) == []
    assert value(counts, names.RUNS, "acme", "success") == 2


def test_a_run_that_ended_before_the_count_began_is_left_out_also_when_it_is_changed_later() -> None:
    counts = counting()
    old = ended("r1", minutes_ago=60 + SETTLING.total_seconds() / 60)
    assert count(counts, [old]) == []
    count(counts, [ended("r2", minutes_ago=0)])
    assert count(counts, [ended("r3", minutes_ago=SETTLING.total_seconds() / 60)]) == []


def test_customers_have_their_series_before_their_first_run() -> None:
    counts = counting()
    counts.expect(["acme", "tiny"])
    assert value(counts, names.RECORDS, "tiny", "rejected") == 0
    assert value(counts, names.RUNS, "acme", "failure") == 0


def test_customers_that_are_gone_lose_their_series() -> None:
    counts = counting()
    count(counts, [ended("r1"), ended("r2", "gone"), ended("r3", None, batches=())])
    counts.note_check(CheckState("gone", "reconciliation", True, NOW))
    counts.expect(["acme"])
    customers = {labels[0] for labels in counts.tallies.counters[names.RUNS.name]}
    assert customers == {"acme", ""}, "work of no customer stays"
    assert counts.checks == {}


def test_more_customers_than_the_limit_are_counted_together() -> None:
    counts = counting(limit=2)
    count(counts, [ended(f"r{number}", f"customer{number}") for number in range(5)])
    runs = counts.tallies.counters[names.RUNS.name]
    assert runs == {
        ("customer0", "success"): 1,
        ("customer1", "success"): 1,
        (names.OTHER, "success"): 3,
    }


def test_the_memory_goes_on_where_it_was(tmp_path: Path) -> None:
    before, path = counting(), tmp_path / "folder" / "memory.json"
    count(before, [ended("r1", checks=(CheckState("acme", "reconciliation", True, NOW, "r1", "off by one"),))])
    save_document(path, before.to_document())
    document = load_document(path)
    assert document is not None
    after = RunCounting.from_document(document, CustomerLabels())
    assert after.to_document() == before.to_document()
    assert count(after, [ended("r1")]) == []
    assert after.checks == before.checks


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 0}'])
def test_a_memory_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "memory.json"
    path.write_text(text)
    assert load_document(path) is None


def test_a_histogram_counts_values_up_to_and_including_its_bounds() -> None:
    histogram = Histogram((1.0, 2.0))
    for each in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(each)
    assert histogram.cumulative() == [("1.0", 2), ("2.0", 3), ("+Inf", 4)]


def test_a_check_keeps_its_newest_result() -> None:
    counts = counting()
    counts.note_check(CheckState("acme", "reconciliation", False, NOW))
    counts.note_check(CheckState("acme", "reconciliation", True, NOW - timedelta(minutes=5)))
    assert [state.has_failed for state in counts.checks.values()] == [False]


FAILED: dict[str, Any] = {"outcome": "failure", "batches": ()}


def test_a_failure_is_open_until_its_hours_are_loaded() -> None:
    failures, stream = Failures(), FailedStream("order", str(ELEVEN), "LoadError")
    failures.take([ended("r1", failed_streams=(stream,), **FAILED), ended("r2", is_retried=True, **FAILED)], NOW)
    assert [each.run_id for each in failures.open] == ["r1"], "what is tried again has not failed for good"
    other_hour = (batch("acme", ELEVEN.plus(-1)),)
    failures.take([ended("r3", minutes_ago=5, batches=other_hour), ended("r4", "tiny", minutes_ago=5)], NOW)
    assert [each.run_id for each in failures.open] == ["r1"]
    kept = Failures.from_document(failures.to_document())
    assert kept.open == failures.open
    failures.take([ended("r5", minutes_ago=1)], NOW)
    assert not failures.open


def test_a_failure_of_unknown_hours_is_mended_by_any_later_success() -> None:
    failures = Failures()
    failures.take([ended("r1", **FAILED)], NOW)
    failures.take([ended("r0", minutes_ago=20)], NOW)
    assert len(failures.open) == 1, "an earlier success mends nothing"
    failures.take([ended("r2", minutes_ago=1)], NOW)
    assert not failures.open


def test_old_failures_are_forgotten() -> None:
    failures = Failures()
    failures.take([ended("r1", **FAILED)], NOW)
    failures.take([], NOW + KEPT)
    assert not failures.open


def test_hours_that_several_runs_loaded_one_by_one_are_mended() -> None:
    failures = Failures()
    streams = (FailedStream("order", str(ELEVEN), "LoadError"), FailedStream("order", str(ELEVEN.plus(1)), "LoadError"))
    failures.take([ended("r1", failed_streams=streams, **FAILED)], NOW)
    failures.take([ended("r2", minutes_ago=5)], NOW)
    (left,) = failures.open
    assert left.hours == (str(ELEVEN.plus(1)),)
    assert [each.hour for each in left.streams] == [str(ELEVEN.plus(1))]
    failures.take([ended("r3", minutes_ago=1, batches=(batch("acme", ELEVEN.plus(1)),))], NOW)
    assert not failures.open
