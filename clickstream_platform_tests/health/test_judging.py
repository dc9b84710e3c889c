"""When a daemon's last heartbeats and ticks mean that it does not work any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clickstream_platform.defs.freshness import FRESHNESS_SENSOR
from clickstream_platform.defs.hours_sensor import HOURS_SENSOR
from clickstream_platform.defs.registry_sensor import REGISTRY_SENSOR
from clickstream_platform.defs.unusual import UNUSUAL_SENSOR
from clickstream_platform.gateways.dagster_tables import Beat, DaemonRecords, LastTick
from clickstream_platform.health.judging import LIVE, READY, SENSORS, judge_daemon

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def records(*beats: Beat, ticks: tuple[LastTick, ...] = ()) -> DaemonRecords:
    return DaemonRecords((Beat("SCHEDULER", "new", ago(20)), *beats), ticks)


def test_a_daemon_whose_threads_and_sensors_move_is_well() -> None:
    verdict = judge_daemon(records(Beat("SENSOR", "new", ago(90)), ticks=(LastTick("hours", 30, ago(40)),)), NOW)
    assert verdict.is_healthy
    assert verdict.text == "2 threads, the oldest heartbeat 90 s ago"


def test_a_thread_that_hangs_in_a_process_that_lives_is_told() -> None:
    verdict = judge_daemon(records(Beat("SENSOR", "new", ago(601))), NOW)
    assert not verdict.is_healthy
    assert verdict.text == "no heartbeat of SENSOR for 10 min"


def test_threads_of_a_process_before_are_no_matter() -> None:
    assert judge_daemon(records(Beat("GONE_IN_THIS_VERSION", "old", ago(9_000))), NOW).is_healthy


def test_a_process_that_died_is_told() -> None:
    verdict = judge_daemon(DaemonRecords((Beat("SENSOR", "new", ago(700)), Beat("BACKFILL", "new", ago(705))), ()), NOW)
    assert verdict.text == "no heartbeat of any thread for 11 min"


def test_a_sensor_that_hangs_while_its_thread_beats_is_told() -> None:
    verdict = judge_daemon(records(ticks=(LastTick("hours", 30, ago(700)), LastTick("registry", 30, ago(20)))), NOW)
    assert not verdict.is_healthy
    assert verdict.text == "hours has not ticked for 11 min"


def test_a_sensor_with_long_intervals_may_be_silent_for_five_of_them() -> None:
    assert judge_daemon(records(ticks=(LastTick("hours", 300, ago(1_400)),)), NOW).is_healthy
    assert not judge_daemon(records(ticks=(LastTick("hours", 300, ago(1_600)),)), NOW).is_healthy


def test_sensors_of_others_are_not_judged() -> None:
    ticks = (LastTick("of_code_that_is_gone", 30, ago(90_000)),)
    assert judge_daemon(records(ticks=ticks), NOW).is_healthy
    assert not judge_daemon(records(ticks=ticks), NOW, sensors=("of_code_that_is_gone",)).is_healthy


def test_a_daemon_that_never_was_is_not_well() -> None:
    assert not judge_daemon(DaemonRecords((), ()), NOW).is_healthy


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (records(Beat("SENSOR", "new", ago(200))), "no heartbeat of SENSOR for 3 min"),
        (records(Beat("SENSOR", "new", ago(2), errors=1)), "SENSOR has errors"),
        (records(ticks=(LastTick("hours", 30, None),)), "hours never ticked"),
        (records(ticks=(LastTick("hours", 30, ago(9), is_failed=True),)), "hours fails"),
    ],
)
def test_what_a_restart_would_not_mend_makes_it_not_ready_only(found: DaemonRecords, text: str) -> None:
    assert judge_daemon(found, NOW, LIVE).is_healthy
    verdict = judge_daemon(found, NOW, READY, is_strict=True)
    assert (verdict.is_healthy, verdict.text) == (False, text)


def test_the_sensors_that_must_tick_are_those_of_the_definitions() -> None:
    names = {HOURS_SENSOR, REGISTRY_SENSOR, FRESHNESS_SENSOR, UNUSUAL_SENSOR}
    assert set(SENSORS) == names
