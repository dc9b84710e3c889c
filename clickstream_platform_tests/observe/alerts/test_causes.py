"""What follows from what: one thing wrong is one alert, and nothing is held back by what is held back itself."""

from __future__ import annotations

import pytest

from clickstream_platform.model.findings import FINDING_KINDS, Finding
from clickstream_platform.observe.alerts.alert import Alert
from clickstream_platform.observe.alerts.causes import CONSEQUENCES, Causes
from clickstream_platform.observe.alerts.lifecycle import advance
from clickstream_platform.observe.alerts.timing import Timing
from clickstream_platform_tests.observe.alerts.world import START, finding, seen


def held(*findings: Finding) -> dict[str, str | None]:
    """Return what each finding's alert is held back by, by their keys."""
    alerts: list[Alert] = list(advance({}, [seen(*findings)], START, Timing(fire_after_seconds=0)).saved.values())
    causes = Causes(alerts, START, 900)
    return {each.key: causes.of(each) for each in alerts}


def test_all_names_are_kinds_of_findings() -> None:
    assert set(CONSEQUENCES) | set().union(*CONSEQUENCES.values()) <= set(FINDING_KINDS)


def test_nothing_is_its_own_cause() -> None:
    """Two that hold each other back would both be told to nobody."""

    def reachable(kind: str) -> set[str]:
        found, new = set[str](), {kind}
        while new:
            found |= new
            new = {each for cause in new for each in CONSEQUENCES.get(cause, ())} - found
        return found - {kind} | ({kind} & set().union(*(CONSEQUENCES.get(each, set()) for each in found)))

    assert [kind for kind in CONSEQUENCES if kind in reachable(kind)] == []


LATE, BLOCKED = finding(), finding("stream_blocked")
FAILED, STUCK = finding("run_failed", event=None), finding("run_stuck", event=None)


@pytest.mark.parametrize(
    ("cause", "consequence", "is_held"),
    [
        (finding("daemon_unhealthy", None, None), LATE, True),
        (finding("daemon_unhealthy", None, None), BLOCKED, False),
        (FAILED, LATE, True),
        (FAILED, finding(customer="other"), False),
        (BLOCKED, FAILED, True),
        (BLOCKED, finding("run_failed", "other", None), False),
        (BLOCKED, finding("run_failed", "acme", "cart"), False),
        (BLOCKED, finding(event="cart"), False),
        (finding("stream_silent"), finding("volume_drop"), True),
        (finding("registry_away", None, None), LATE, False),
    ],
    ids=lambda each: each.key if isinstance(each, Finding) else str(each),
)
def test_where_a_cause_reaches(cause: Finding, consequence: Finding, is_held: bool) -> None:
    assert held(cause, consequence) == {cause.key: None, consequence.key: cause.key if is_held else None}


def test_what_is_held_back_holds_back_nothing() -> None:
    """The failed run is told as the blocked stream; another stream that is late for another reason is told itself."""
    other = finding(event="cart")
    assert held(BLOCKED, FAILED, other) == {BLOCKED.key: None, FAILED.key: BLOCKED.key, other.key: None}
    daemon, stale = finding("daemon_unhealthy", None, None), finding("sensor_stale", None, None)
    assert held(daemon, stale, LATE) == {daemon.key: None, stale.key: daemon.key, LATE.key: daemon.key}
