"""The scripted day: the right alerts, once each, to the right people, over when it is over; nothing else."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from clickstream_platform_tests.scripted_day import story
from clickstream_platform_tests.scripted_day.living import Day, live

pytestmark = pytest.mark.e2e  # a minute of computing

PAGER, CHAT, TEAM = "pager", "chat", "shop07-team"
ALLOWED_MINUTES = 5
"""From the moment somebody could know to the message: a look or two, and two minutes of patience."""
END_MINUTES = 12
"""From the moment it is over to the message: two looks, five minutes of patience; some causes end with a run."""

DEADLINE = story.DEADLINE_MINUTES


def run_of(customer: str, hour: int) -> story.Run:
    """Return the first run of a customer for an hour of the day."""
    return story.runs_of(customer, story.hour_at(hour))[0]


def minute_of(moment: datetime) -> int:
    return int((moment - story.MIDNIGHT).total_seconds() // 60)


STUCK_RUN = minute_of(run_of(story.STUCK, story.STUCK_HOUR).started_at)
SURGE_LOADED = minute_of(run_of(story.SURGING.customer, story.SURGE_HOUR).ended_at)
NEXT_LOADED = minute_of(run_of(story.SURGING.customer, story.SURGE_HOUR + 1).ended_at)
FAILED = minute_of(run_of(story.BROKEN.customer, story.BROKEN_HOURS.start).ended_at)
SILENT_SINCE, SILENT_UNTIL = story.SILENT_HOURS.start * 60, story.SILENT_HOURS.stop * 60

EXPECTED = {
    # (where, what): (channels, severity, alerts, the minute from which somebody could know, and when it is over)
    (story.SILENT, "stream silent"): ({CHAT, TEAM}, "WARNING", 6, SILENT_SINCE + 180 + DEADLINE, SILENT_UNTIL + 60),
    (story.LATE, "stream late"): ({CHAT, PAGER}, "CRITICAL", 8, 9 * 60 + DEADLINE, story.LATE_UNTIL),
    (story.BROKEN.customer, "stream blocked"): ({CHAT, PAGER}, "CRITICAL", 1, FAILED, story.BROKEN_UNTIL),
    (story.SURGING.customer, "volume surge"): ({CHAT}, "WARNING", 1, SURGE_LOADED, NEXT_LOADED),
    ("platform", "registry away"): (
        {CHAT, PAGER},
        "CRITICAL",
        1,
        story.REGISTRY_AWAY.start + 10,
        story.REGISTRY_AWAY.stop,
    ),
    # The warning first; then, beyond its limit of time, whoever must act at once.
    (story.STUCK, "run slow"): ({CHAT}, "WARNING", 1, STUCK_RUN + 3, story.STUCK_UNTIL),
    (story.STUCK, "run stuck"): (
        {CHAT, PAGER},
        "CRITICAL",
        1,
        STUCK_RUN + int(story.RUN_LIMIT_SECONDS / 60),
        story.STUCK_UNTIL,
    ),
}


@pytest.mark.timeout(900)
def test_the_right_alerts_once_each_to_the_right_people_and_nothing_else(tmp_path: Path) -> None:
    """One test, because the day is lived through once."""
    day = live(tmp_path)
    check_who_was_told_what(day)
    for (where, what), expected in EXPECTED.items():
        check_when_it_was_told(day, where, what, *expected)
    check_what_was_found_and_rightly_not_told(day)


def check_who_was_told_what(day: Day) -> None:
    told = Counter((each.where, each.what, each.channel, each.state) for each in day.arrivals)
    expected = {
        (where, what, channel, state)
        for (where, what), (channels, severity, *_) in EXPECTED.items()
        for channel in channels
        for state in (severity, "RESOLVED")
    }
    assert dict(told) == dict.fromkeys(expected, 1)


def check_when_it_was_told(
    day: Day, where: str, what: str, channels: set[str], severity: str, count: int, known: int, over: int
) -> None:
    for channel in channels:
        opened, ended = (
            each for each in day.arrivals if (each.channel, each.where, each.what) == (channel, where, what)
        )
        assert (opened.state, opened.count, ended.state) == (severity, count, "RESOLVED")
        for minute, since, allowed in ((opened.minute, known, ALLOWED_MINUTES), (ended.minute, over, END_MINUTES)):
            # A channel that is away hears of it when it is back, after the longest back-off.
            is_away = channel == CHAT and since <= story.CHAT_AWAY.stop and since + allowed > story.CHAT_AWAY.start
            latest = story.CHAT_AWAY.stop + 11 if is_away else since + allowed
            assert since <= minute <= latest, (where, what, channel)


def check_what_was_found_and_rightly_not_told(day: Day) -> None:
    """The day had all of this, so that nobody was told is no accident."""
    told = {(each.where, each.what) for each in day.arrivals}
    found = {tuple(key.split("|")[:2]) for key in day.findings}
    untold = {
        (customer, kind) for kind, customer in found if (customer or "platform", kind.replace("_", " ")) not in told
    }
    assert untold == {
        ("", "code_location_down"),  # a reload: in one look only
        ("", "daemon_unhealthy"),  # a gap in heartbeats: in one look only
        (story.BROKEN.customer, "run_failed"),  # because of the blocked stream, which says more
        (story.STUCK, "stream_late"),  # because of the run that is stuck
    }
