"""The word for an event, from its deadline, its hours and the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.stream_status import StreamState, StreamStatus
from clickstream_platform.model.streams import Stream
from clickstream_platform.registry.entities import Event, EventState
from clickstream_platform.registry.pages.figures import Figures, event_rows
from clickstream_platform.registry.pages.freshness import MEANINGS, Freshness, freshness_of, newest_due_hour
from clickstream_platform.registry.ports import EventStatistics

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
"""With a deadline of 60 minutes, 07 is the newest hour that is due: it ended at 08:00."""


def event(
    first: str | None = None,
    last: str | None = None,
    *,
    deadline: int | None = 60,
    state: EventState = EventState.ACTIVE,
) -> Event:
    """Make an event whose first and newest record arrived in these hours of the day."""
    hours = [None if hour is None else f"2026-11-22T{hour}" for hour in (first, last or first)]
    return Event("shop", "sale", "Sale", state, deadline, NOW, hours[0], last_seen_hour=hours[1])


def loaded(hour: str | None) -> EventStatistics:
    """Make the figures of an event whose newest hour in the table is this one."""
    return EventStatistics(None if hour is None else f"2026-11-22T{hour}", NOW, 1, 0, 0)


@pytest.mark.parametrize(
    ("found", "statistics", "word"),
    [
        (event(), None, Freshness.NEVER_SEEN),
        (event(deadline=None), None, Freshness.NEVER_SEEN),
        (event("01", "08", deadline=None), loaded("01"), Freshness.NOT_WATCHED),
        (event("01", "07"), loaded("07"), Freshness.FRESH),
        (event("01", "08"), loaded("08"), Freshness.FRESH),
        # 08 is not due before 10:00.
        (event("01", "08"), loaded("07"), Freshness.FRESH),
        (event("08"), None, Freshness.FRESH),
        (event("07"), None, Freshness.LATE),
        (event("07"), loaded(None), Freshness.LATE),
        (event("01", "07"), loaded("06"), Freshness.LATE),
        # Records keep coming and nothing is loaded: the newest hour being too young to be due is no excuse.
        (event("01", "08"), loaded("04"), Freshness.LATE),
        (event("01", "06"), loaded("06"), Freshness.SILENT),
        # Loaded without ever having been announced.
        (event(), loaded("07"), Freshness.FRESH),
        (event(), loaded("06"), Freshness.SILENT),
        (event("01", "08", state=EventState.PAUSED), loaded("01"), Freshness.PAUSED),
        (event("01", "08", state=EventState.REMOVED), loaded("01"), Freshness.REMOVED),
        (event("01", "08", state=EventState.DISCOVERED), None, Freshness.WAITING),
    ],
)
def test_the_word_for_an_event(found: Event, statistics: EventStatistics | None, word: Freshness) -> None:
    assert freshness_of(found, statistics, NOW) is word


def test_without_an_answer_of_the_warehouse_the_word_is_unknown() -> None:
    assert freshness_of(event("01"), None, NOW, is_known=False) is Freshness.UNKNOWN
    assert freshness_of(event(), None, NOW, is_known=False) is Freshness.NEVER_SEEN
    assert freshness_of(event("01", state=EventState.PAUSED), None, NOW, is_known=False) is Freshness.PAUSED


@given(minutes=st.integers(1, 60 * 24 * 31), seconds=st.integers(0, 3600 * 24 * 400))
def test_the_newest_due_hour_is_the_last_whose_deadline_has_passed(minutes: int, seconds: int) -> None:
    now = NOW + timedelta(seconds=seconds)
    due, deadline = newest_due_hour(minutes, now), timedelta(minutes=minutes)
    assert due.end + deadline <= now < due.plus(1).end + deadline


def test_an_event_turns_late_at_its_deadline_and_not_a_second_before() -> None:
    ends = Hour.parse("2026-11-22T07").end
    found, statistics = event("01", "07"), loaded("06")
    moment = ends + timedelta(minutes=60)
    assert freshness_of(found, statistics, moment - timedelta(seconds=1)) is Freshness.FRESH
    assert freshness_of(found, statistics, moment) is Freshness.LATE


def test_an_event_without_a_deadline_of_its_own_has_the_platforms() -> None:
    found = event("01", "07", deadline=None)
    assert freshness_of(found, loaded("06"), NOW, default_minutes=60) is Freshness.LATE
    assert freshness_of(found, loaded("06"), NOW, default_minutes=120) is Freshness.FRESH
    figures = Figures({"sale": loaded("06")}, NOW, is_current=True, default_deadline_minutes=60)
    assert event_rows([found], figures, NOW)[0].freshness is Freshness.LATE
    assert event_rows([event("01", "07", deadline=500)], figures, NOW)[0].freshness is Freshness.FRESH


def test_every_word_is_explained() -> None:
    assert set(MEANINGS) == set(Freshness)
    assert all(text.endswith(".") for text in MEANINGS.values())


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (EventState.ACTIVE, Freshness.BLOCKED),
        (EventState.PAUSED, Freshness.PAUSED),
        (EventState.REMOVED, Freshness.REMOVED),
        (EventState.DISCOVERED, Freshness.WAITING),
    ],
)
def test_the_watch_has_the_last_word_on_events_in_use(state: EventState, word: Freshness) -> None:
    blocked = StreamState(Stream("shop", "sale"), StreamStatus.BLOCKED, None, NOW, None, "the load failed: LoadError")
    figures = Figures({"sale": loaded("07")}, NOW, is_current=True, states={"sale": blocked})
    (row,) = event_rows([event("01", "07", state=state)], figures, NOW)
    assert row.freshness is word
    assert row.reason == (blocked.reason if word is Freshness.BLOCKED else "")


def test_without_a_word_of_the_watch_the_ledger_tells() -> None:
    figures = Figures({"sale": loaded("07")}, NOW, is_current=True)
    (row,) = event_rows([event("01", "07")], figures, NOW)
    assert (row.freshness, row.reason) == (Freshness.FRESH, "")
