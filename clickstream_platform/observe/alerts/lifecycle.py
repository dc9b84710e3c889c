"""An alert's life: pending, firing, resolved, and back. Pure: the clock and the past are arguments.

Belongs here: from what was known and what is seen to what is known now. Does not: keeping it (`store`), telling
anybody (`planning`).

Two waits keep an alert from flapping: it fires when it held for `fire_after`, and is over when it was absent for
`resolve_after`, which doubles with each return within the flap window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from clickstream_platform.model.findings import FINDING_KINDS, Finding
from clickstream_platform.observe.alerts.alert import Alert, AlertState, storable
from clickstream_platform.observe.alerts.observation import Observation, gather
from clickstream_platform.observe.alerts.timing import Timing


@dataclass(slots=True)
class Changes:
    """What became of the alerts: `saved` are new or different, `dropped` were never worth telling."""

    saved: dict[str, Alert] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    opened: int = 0
    resolved: int = 0


def advance(known: Mapping[str, Alert], observations: Sequence[Observation], now: datetime, timing: Timing) -> Changes:
    """Return what changes when this is seen."""
    changes = Changes()
    found = gather(observations)
    for key, finding in found.items():
        _put(changes, known.get(key), _seen(known.get(key), finding, now, timing))
    for key, alert in known.items():
        if key in found or alert.state is AlertState.RESOLVED or not _is_covered(alert, observations):
            continue
        if alert.state is AlertState.FIRING:
            _put(changes, alert, _absent(alert, now, timing))
        elif alert.number:  # it fired before, and is as over as it was
            _put(changes, alert, _over(alert, now))
        else:
            changes.dropped.append(key)
    return changes


def _put(changes: Changes, before: Alert | None, after: Alert) -> None:
    if after == before:
        return
    changes.saved[after.key] = after
    was = None if before is None else before.state
    changes.opened += after.state is AlertState.FIRING and was is not AlertState.FIRING
    changes.resolved += after.state is AlertState.RESOLVED and was is AlertState.FIRING


def _seen(alert: Alert | None, finding: Finding, now: datetime, timing: Timing) -> Alert:
    if alert is None:
        alert = _new(finding, now, timing)
    elif alert.state is AlertState.RESOLVED:
        alert = replace(alert, state=AlertState.PENDING, changed_at=now, since=finding.since)
    alert = replace(
        alert,
        severity=timing.severity(finding.kind),
        runbook=finding.runbook,
        summary=storable(finding.summary),
        detail=dict(finding.detail),
        links=dict(finding.links),
        absent_since=None,
    )
    waited = (now - alert.changed_at).total_seconds()
    if alert.state is AlertState.PENDING and waited >= timing.fire_after(alert.kind):
        return _opened(alert, now, timing)
    return alert


def _new(finding: Finding, now: datetime, timing: Timing) -> Alert:
    return Alert(
        finding.key,
        finding.kind,
        finding.customer,
        finding.event,
        timing.severity(finding.kind),
        finding.runbook,
        storable(finding.summary),
        finding.since,
        AlertState.PENDING,
        now,
    )


def _opened(alert: Alert, now: datetime, timing: Timing) -> Alert:
    window = now - timedelta(seconds=timing.flap_window_seconds)
    openings = (*(each for each in alert.openings if each > window), now)
    return replace(alert, state=AlertState.FIRING, changed_at=now, openings=openings, number=alert.number + 1)


def _absent(alert: Alert, now: datetime, timing: Timing) -> Alert:
    since = alert.absent_since or now
    if (now - since).total_seconds() >= timing.resolve_after(alert.kind, len(alert.openings)):
        return _over(alert, now)
    return replace(alert, absent_since=since)


def _over(alert: Alert, now: datetime) -> Alert:
    return replace(alert, state=AlertState.RESOLVED, changed_at=now, absent_since=None)


def _is_covered(alert: Alert, observations: Sequence[Observation]) -> bool:
    """Whether somebody looked for it; a kind that the platform no longer knows is over, for nobody looks any more."""
    if alert.kind not in FINDING_KINDS:
        return True
    return any(each.covers(alert.kind, alert.customer) for each in observations)
