"""The status of one stream: a table of cases, and what holds for whatever is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.stream_status import MEANINGS, StreamStatus
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.facts import LoadFailure, MissingHour, StreamFacts
from clickstream_platform.pipeline.freshness.judging import judge, newest_due_hour
from clickstream_platform.pipeline.freshness.report import finding_of
from clickstream_platform.pipeline.freshness.silence import Silence

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
SALE = Stream("acme", "sale")
HOUR = timedelta(hours=1)
EIGHT, NINE, TEN, ELEVEN = (Hour.parse(f"2026-11-22T{hour:02}") for hour in (8, 9, 10, 11))
FACTS = StreamFacts(SALE, HOUR, newest_loaded=TEN, newest_arrived=TEN)
FAILURE = LoadFailure("acme", "sale", NINE, NOW - timedelta(minutes=5), "LoadError", "run1")


def missing(hour: Hour, *, arrived: datetime | None = None, checked: datetime | None = NOW) -> MissingHour:
    return MissingHour(hour, arrived or hour.end, checked)


def silence(*, is_silent: bool = True, is_short: bool = False) -> Silence:
    return Silence(NINE, 2, 3.0, is_silent, is_short)


CASES = {
    "all is loaded": (FACTS, StreamStatus.FRESH),
    "an hour waits, its deadline is to come": (
        replace(FACTS, missing=(missing(ELEVEN),), newest_arrived=ELEVEN),
        StreamStatus.FRESH,
    ),
    "an hour waits, its deadline has passed": (replace(FACTS, missing=(missing(NINE),)), StreamStatus.LATE),
    "a gap behind loaded hours is late, however new the newest is": (
        replace(FACTS, missing=(missing(EIGHT),), newest_loaded=ELEVEN),
        StreamStatus.LATE,
    ),
    "an object that came late has a deadline of its own": (
        replace(FACTS, missing=(missing(EIGHT, arrived=NOW - timedelta(minutes=30)),)),
        StreamStatus.FRESH,
    ),
    "a warehouse that was not asked since the deadline makes nobody late": (
        replace(FACTS, missing=(missing(NINE, checked=NINE.end),)),
        StreamStatus.FRESH,
    ),
    "nor one that never answered": (replace(FACTS, missing=(missing(NINE, checked=None),)), StreamStatus.FRESH),
    "its load failed": (replace(FACTS, missing=(missing(NINE),), failures=(FAILURE,)), StreamStatus.BLOCKED),
    "its load failed before the deadline": (
        replace(FACTS, missing=(missing(ELEVEN),), failures=(replace(FAILURE, hour=ELEVEN),)),
        StreamStatus.BLOCKED,
    ),
    "the run failed as a whole": (
        replace(FACTS, missing=(missing(NINE),), failures=(replace(FAILURE, event=None, hour=None),)),
        StreamStatus.BLOCKED,
    ),
    "another stream's load failed": (
        replace(FACTS, missing=(missing(NINE),), failures=(replace(FAILURE, event="view"),)),
        StreamStatus.LATE,
    ),
    "what failed was loaded since": (replace(FACTS, failures=(FAILURE,)), StreamStatus.FRESH),
    "an object came after the failure": (
        replace(FACTS, missing=(missing(NINE, arrived=NOW - timedelta(minutes=1)),), failures=(FAILURE,)),
        StreamStatus.FRESH,
    ),
    "paused, and records wait": (replace(FACTS, is_paused=True, missing=(missing(NINE),)), StreamStatus.BLOCKED),
    "paused, and nothing waits": (replace(FACTS, is_paused=True, silence=silence()), StreamStatus.FRESH),
    "never seen": (StreamFacts(SALE, HOUR), StreamStatus.NEVER_SEEN),
    "silent": (replace(FACTS, newest_loaded=EIGHT, newest_arrived=EIGHT, silence=silence()), StreamStatus.SILENT),
    "quiet": (replace(FACTS, newest_arrived=EIGHT, silence=silence(is_silent=False)), StreamStatus.FRESH),
    "late before silent": (
        replace(FACTS, newest_arrived=EIGHT, missing=(missing(EIGHT),), silence=silence()),
        StreamStatus.LATE,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_status_of(case: str) -> None:
    facts, status = CASES[case]
    judgement = judge(facts, NOW)
    assert judgement.state.status is status
    if status.is_offence:
        assert judgement.state.reason
        assert finding_of(judgement).kind.removeprefix("stream_") in {status.value, "paused"}


def test_every_status_is_explained() -> None:
    assert MEANINGS.keys() == set(StreamStatus)


def test_a_late_stream_says_since_when_and_which_hours() -> None:
    hours = [missing(EIGHT.plus(-number)) for number in range(7, -1, -1)]
    judgement = judge(replace(FACTS, missing=tuple(hours), newest_loaded=None), NOW)
    assert judgement.since == judgement.state.deadline == hours[0].hour.end + HOUR
    assert judgement.state.reason == (
        "the hours 2026-11-22T01, 2026-11-22T02, 2026-11-22T03, 2026-11-22T04, 2026-11-22T05 and 3 more arrived "
        "and are not in the table"
    )
    finding = finding_of(judgement)
    assert (finding.key, finding.since) == ("stream_late|acme|sale", judgement.since)
    assert dict(finding.detail) == {"status": "late", "missing_hours": 8, "oldest_missing_hour": "2026-11-22T01"}


def test_hours_that_are_not_told_one_by_one_are_counted() -> None:
    hours = tuple(missing(EIGHT.plus(-number)) for number in range(5, -1, -1))
    judgement = judge(replace(FACTS, missing=hours, more_missing=60), NOW)
    assert judgement.state.reason.endswith(" and 61 more arrived and are not in the table")
    assert finding_of(judgement).detail["missing_hours"] == 66


def test_a_blocked_stream_names_the_error_and_its_run() -> None:
    finding = finding_of(judge(replace(FACTS, missing=(missing(NINE),), failures=(FAILURE,)), NOW))
    assert finding.summary == "acme/sale is blocked: the load of the hour 2026-11-22T09 failed: LoadError"
    assert (finding.detail["run_id"], finding.since) == ("run1", FAILURE.failed_at)


def test_a_pause_is_information_and_no_alarm() -> None:
    finding = finding_of(judge(replace(FACTS, is_paused=True, missing=(missing(NINE),)), NOW))
    assert (finding.kind, finding.severity.value) == ("stream_paused", "info")


def test_the_lag_is_the_age_of_the_newest_complete_hour() -> None:
    assert judge(FACTS, NOW).state.lag_seconds == 90 * 60
    assert judge(replace(FACTS, newest_loaded=None), NOW).state.lag_seconds is None
    assert judge(replace(FACTS, newest_loaded=Hour.of(NOW)), NOW).state.lag_seconds == 0


hours = st.integers(-80, 0).map(lambda number: Hour.of(NOW).plus(number))
minutes = st.integers(-5000, 0).map(lambda number: NOW + timedelta(minutes=number))
failures = st.builds(
    LoadFailure, st.just("acme"), st.sampled_from([None, "sale", "view"]), st.none() | hours, minutes,
    st.just("LoadError"), st.just("run"),
)  # fmt: skip
facts = st.builds(
    StreamFacts,
    st.just(SALE),
    st.integers(1, 600).map(lambda number: timedelta(minutes=number)),
    st.booleans(),
    st.lists(st.builds(MissingHour, hours, minutes, st.none() | minutes), max_size=4).map(
        lambda found: tuple(sorted(found, key=lambda each: each.hour))
    ),
    st.none() | hours,
    st.none() | hours,
    st.lists(failures, max_size=3).map(tuple),
    st.none() | st.builds(Silence, hours, st.integers(1, 80), st.floats(0, 10), st.booleans(), st.just(False)),
)


@given(facts)
def test_whatever_is_known_a_status_agrees_with_it(found: StreamFacts) -> None:
    judgement = judge(found, NOW)
    state = judgement.state
    if state.status is StreamStatus.LATE:
        assert found.missing
        assert state.deadline is not None
        assert state.deadline <= NOW
        assert all(each.checked_at is not None for each in judgement.missing)
    if state.status is StreamStatus.BLOCKED:
        assert found.missing
        assert found.is_paused or judgement.failure in found.failures
    if state.status is StreamStatus.SILENT:
        assert not found.missing
        assert found.silence is not None
        assert found.silence.is_silent
    if not found.missing and (found.silence is None or not found.silence.is_silent):
        assert state.status in {StreamStatus.FRESH, StreamStatus.NEVER_SEEN}
    assert judgement.since <= NOW or state.status is StreamStatus.SILENT
    if state.status.is_offence:
        assert finding_of(judgement).customer == "acme"


@given(facts, st.integers(0, 10_000))
def test_time_alone_never_makes_a_late_stream_fresh(found: StreamFacts, later: int) -> None:
    now, then = (judge(found, at).state.status for at in (NOW, NOW + timedelta(minutes=later)))
    assert now is not StreamStatus.LATE or then is StreamStatus.LATE


@given(st.integers(1, 5000), minutes)
def test_the_newest_due_hour_is_the_last_whose_deadline_has_passed(deadline: int, now: datetime) -> None:
    length = timedelta(minutes=deadline)
    due = newest_due_hour(length, now)
    assert due.end + length <= now < due.plus(1).end + length
