"""What is unusual: statistics that outliers do not bend, thresholds that all must be reached, and short histories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.findings import FINDING_KINDS
from clickstream_platform.model.hours import Hour, hour_range
from clickstream_platform.model.streams import UNIDENTIFIED, Stream
from clickstream_platform.observe.exporter.figures import EndedRun, OpenRun
from clickstream_platform.pipeline.unusual.baseline import (
    MIN_DAYS,
    Comparison,
    hourly_baseline,
    plain_baseline,
)
from clickstream_platform.pipeline.unusual.hours import CHECK_OF_KIND, HourFigures, is_far, judge_hour
from clickstream_platform.pipeline.unusual.runs import RunTimes
from clickstream_platform.pipeline.unusual.thresholds import (
    DEFAULTS,
    ThresholdBook,
    parse_thresholds,
    read_thresholds,
)

SALE = Stream("acme", "sale")
MONDAY_NOON = Hour.parse("2026-11-23T12")
SATURDAY_NOON = Hour.parse("2026-11-21T12")
NOW = datetime(2026, 11, 23, 13, tzinfo=UTC)


def figures(records: int = 1000, *, seconds: float = 30.0, rejected: int = 0, duplicates: int = 0, discarded: int = 0
) -> HourFigures:  # fmt: skip
    rows = records - rejected - duplicates
    return HourFigures(records, rows, duplicates, rejected, discarded, seconds, NOW, "run1")


def is_weekend(hour: Hour) -> bool:
    return hour.start.weekday() >= 5


def past(days: int, hour: Hour = MONDAY_NOON, **changes: Any) -> dict[Hour, HourFigures]:
    """Return the hours before one: 1,000 records an hour on weekdays, 100 on weekends, a little of everything."""
    usual = {"seconds": 30.0, "rejected": 2, "duplicates": 5, "discarded": 1} | changes
    return {
        each: figures(100 if is_weekend(each) else 1000 + 37 * (each.start.day % 5), **usual)
        for each in hour_range(hour.plus(-24 * days), hour.plus(-1))
    }


def kinds(now: HourFigures, days: int = 35, hour: Hour = MONDAY_NOON, thresholds: Any = DEFAULTS) -> list[str]:
    return [each.kind for each in judge_hour(SALE, hour, now, past(days, hour), thresholds).findings]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (figures(1000), []),
        (figures(2500), []),
        (figures(9000), ["volume_surge"]),
        (figures(100), ["volume_drop"]),
        (figures(seconds=80), []),
        (figures(seconds=300), ["load_slow"]),
        (figures(seconds=1), []),
        (figures(rejected=10), []),
        (figures(rejected=60), ["rejected_share"]),
        (figures(duplicates=500), ["duplicates_share"]),
        (figures(discarded=200), ["discards_share"]),
        (figures(10_000, seconds=900, rejected=3000), ["volume_surge", "load_slow", "rejected_share"]),
    ],
)
def test_an_hour_is_compared_with_its_history(now: HourFigures, expected: list[str]) -> None:
    assert kinds(now) == expected


def test_a_saturday_is_never_held_against_fridays() -> None:
    assert kinds(figures(100), hour=SATURDAY_NOON) == []
    assert kinds(figures(3000), hour=SATURDAY_NOON) == ["volume_surge"]


@pytest.mark.parametrize(("days", "is_short"), [(0, True), (1, True), (3, True), (35, False)])
def test_a_short_history_says_so_and_stays_quiet_but_for_the_hard_limits(days: int, is_short: bool) -> None:
    verdict = judge_hour(SALE, MONDAY_NOON, figures(9000), past(days), DEFAULTS)
    assert (verdict.is_history_short, [each.kind for each in verdict.findings]) == (
        is_short,
        [] if is_short else ["volume_surge"],
    )
    assert kinds(figures(rejected=300), days=0) == ["rejected_share"]
    assert kinds(figures(40, rejected=40), days=0) == []


def test_the_first_weekend_of_a_customer_is_no_drop() -> None:
    weekdays = {hour: found for hour, found in past(5, SATURDAY_NOON).items() if not is_weekend(hour)}
    assert judge_hour(SALE, SATURDAY_NOON, figures(10), weekdays, DEFAULTS).is_history_short


def test_a_finding_says_what_is_usual_and_no_value_of_a_record() -> None:
    (found,) = judge_hour(SALE, MONDAY_NOON, figures(9000), past(35), DEFAULTS).findings
    assert found.summary == ("acme/sale 2026-11-23T12: 9,000 records; usual are 1,074 (the same hour of earlier weeks)")
    assert (found.detail["samples"], found.detail["run_id"], found.since) == (5, "run1", NOW)


def test_thresholds_are_a_customers_own() -> None:
    assert kinds(figures(9000), thresholds=replace(DEFAULTS, volume_factor=10)) == []
    assert kinds(figures(9000), thresholds=replace(DEFAULTS, is_watched=False)) == []
    assert kinds(figures(rejected=10), thresholds=replace(DEFAULTS, rejected_percent=0.5)) == ["rejected_share"]


def test_lines_that_name_no_stream_have_no_usual_volume() -> None:
    stream = Stream("acme", UNIDENTIFIED)
    assert judge_hour(stream, MONDAY_NOON, figures(9000), past(35), DEFAULTS).findings == ()


def test_every_kind_belongs_to_a_check_and_is_known() -> None:
    assert CHECK_OF_KIND.keys() <= FINDING_KINDS.keys()


values = st.floats(0, 1e9)


@given(st.lists(values, min_size=4, max_size=10), values)
def test_one_broken_week_does_not_bend_what_is_usual(history: list[float], broken: float) -> None:
    weeks = {MONDAY_NOON.plus(-168 * (number + 2)): value for number, value in enumerate(history)}
    spoilt = weeks | {MONDAY_NOON.plus(-168): broken}
    found = hourly_baseline(spoilt, MONDAY_NOON)
    assert found is not None
    assert found.comparison is Comparison.HOUR_OF_WEEK
    # As a logarithm that is written as a value again, the median is exact to a few digits.
    assert min(history) * 0.999 - 0.001 <= found.expected <= max(history) * 1.001 + 0.001


@given(st.lists(st.floats(10, 1000), min_size=20, max_size=60), st.floats(0, 1e6), st.floats(1, 20))
def test_a_value_is_far_only_when_all_limits_are_reached(history: list[float], value: float, factor: float) -> None:
    baseline = plain_baseline(history)
    assert baseline is not None
    far = is_far(value, baseline, 4.0, factor, 50.0)
    if far:
        assert abs(value - baseline.expected) >= 50
        assert max(value, baseline.expected) >= factor * min(value, baseline.expected)
        assert abs(baseline.distance(value)) >= 4
    assert not is_far(baseline.expected, baseline, 4.0, factor, 50.0)
    assert not far or is_far(value, baseline, 4.0, 1.0, 0.0)


@given(st.sets(st.integers(1, 24 * 35)), st.integers(0, 24 * 14))
def test_only_earlier_hours_of_the_same_time_and_kind_of_day_are_compared(backs: set[int], shift: int) -> None:
    hour = MONDAY_NOON.plus(shift)
    history = {hour.plus(-back): 5.0 for back in backs} | {hour.plus(24 * number): 99.0 for number in range(9)}
    found = hourly_baseline(history, hour)
    alike = [back for back in backs if back % 24 == 0 and is_weekend(hour.plus(-back)) == is_weekend(hour)]
    assert (found is not None) == (len(alike) >= MIN_DAYS)
    if found is not None:
        assert found.expected == pytest.approx(5.0)


def ended(seconds: float, waited: float = 5.0, *, is_backfill: bool = False) -> EndedRun:
    created = NOW - timedelta(hours=5)
    started = created + timedelta(seconds=waited)
    return EndedRun(
        "r", "acme", "success", created, started, started + timedelta(seconds=seconds), is_backfill=is_backfill
    )


def opened(state: str, seconds: float, run_id: str = "run9") -> OpenRun:
    at = NOW - timedelta(seconds=seconds)
    return OpenRun(run_id, "acme", state, at, at, at if state == "started" else None, None, "2026-11-23T11")


def test_runs_that_work_or_wait_for_long_are_told_while_they_do() -> None:
    times, book = RunTimes(), ThresholdBook()
    times.take([ended(30 + number % 7) for number in range(19)])
    assert times.judge([opened("started", 3000)], NOW, book) == []
    times.take([ended(33), ended(9000, is_backfill=True)])
    assert times.judge([opened("started", 80), opened("queued", 40)], NOW, book) == []
    found = times.judge([opened("started", 300), opened("started", 400, "run8"), opened("queued", 300)], NOW, book)
    assert [(each.kind, each.detail["seconds"], each.detail["run_id"]) for each in found] == [
        ("run_slow", 400, "run8"),
        ("queue_slow", 300, "run9"),
    ]
    assert times.judge([opened("started", 300)], NOW, parse_thresholds({"defaults": {"is_watched": False}})) == []


def test_thresholds_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.yaml"
    path.write_text("defaults: {distance: 5}\ncustomers:\n  acme: {volume_factor: 10}\n  quiet: {is_watched: false}\n")
    book = read_thresholds(path)
    assert (book.of("other").distance, book.of("acme").distance, book.of("acme").volume_factor) == (5.0, 5.0, 10.0)
    assert (book.of("quiet").is_watched, book.of("acme").is_watched) == (False, True)
    assert read_thresholds(None).of("acme") == DEFAULTS


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("x: 1", "unknown part 'x'"),
        ("[1]", "names with values"),
        ("defaults: 3", "names with values"),
        ("customers: {acme: {volume: 3}}", "unknown threshold 'volume'"),
        ("customers: {acme: {distance: yes}}", "distance must be a number"),
        ("customers: {acme: {distance: -1}}", "distance must be a number"),
        ("customers: {acme: {distance: .nan}}", "distance must be a number"),
        ("customers: {acme: {is_watched: 1}}", "is_watched must be true or false"),
        ("a: [", "can't be read"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, cause: str) -> None:
    path = tmp_path / "thresholds.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=cause):
        read_thresholds(path)
