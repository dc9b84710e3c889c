"""The clocks: aware, in UTC, and still where tests need it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.clock import FixedClock, SystemClock


def test_the_system_clock_is_in_utc_and_goes_on() -> None:
    first, second = SystemClock().now(), SystemClock().now()
    assert first.utcoffset() == timedelta(0)
    assert timedelta(0) <= second - first < timedelta(minutes=1)


def test_a_fixed_clock_moves_only_when_told() -> None:
    clock = FixedClock(datetime(2026, 11, 22, 9, 59, 59, tzinfo=UTC))
    assert clock.now() == clock.now()
    assert clock.advance(timedelta(seconds=1)) == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert clock.now() == datetime(2026, 11, 22, 10, tzinfo=UTC)
    clock.advance(timedelta(hours=-2))
    assert clock.now().hour == 8


def test_a_fixed_clock_converts_other_zones() -> None:
    moment = datetime(2026, 11, 22, 9, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert FixedClock(moment).now().isoformat() == "2026-11-22T04:00:00+00:00"


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no time zone"):
        FixedClock(datetime(2026, 11, 22))  # noqa: DTZ001
