"""An alert's life: pending, firing, resolved, and back. Pure: the clock and the past are arguments.

Belongs here: from what was known and what is seen to what is known now. Does not: keeping it (`store`), telling
anybody (`planning`).

Two waits keep an alert from flapping: it fires when it held for `fire_after`, and is over when it was absent for
`resolve_after`, which doubles with each return within the flap window. Where nobody looks, an absence means nothing for
`forget_after`; then the look was switched off, and nothing would ever end the alert.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from clickstream_platform.model.findings import FINDING_KINDS, Finding
from clickstream_platform.observe.alerts.alert import Alert, AlertState, storable
from clickstream_platform.observe.alerts.causes import OF_THE_UNSEEN
from clickstream_platform.observe.alerts.observation import Observation, gather, unseen_with
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
        after = _seen(known.get(key), finding, now, timing)
        if finding.kind in OF_THE_UNSEEN:
            concerned = unseen_with(finding, observations).union(after.concerned)
            after = replace(after, concerned=tuple(sorted(concerned)))
        _put(changes, known.get(key), after)
    for key, alert in known.items():
        if key in found or alert.state is AlertState.RESOLVED:
            continue
        if not _is_looked_for(alert, observations):
            _end(changes, alert, _unlooked(alert, now, timing))
            continue
        looked = replace(alert, unlooked_since=None)
        _end(changes, alert, _absent(looked, now, timing) if _is_absent(alert, observations) else looked)
    return changes


def _put(changes: Changes, before: Alert | None, after: Alert) -> None:
    if after == before:
        return
    changes.saved[after.key] = after
    was = None if before is None else before.state
    changes.opened += after.state is AlertState.FIRING and was is not AlertState.FIRING
    changes.resolved += after.state is AlertState.RESOLVED and was is AlertState.FIRING


def _end(changes: Changes, before: Alert, after: Alert) -> None:
    """Note what became of an alert that was not seen; one that never fired is forgotten."""
    if after.state is AlertState.RESOLVED and not after.number:
        changes.dropped.append(after.key)
    else:
        _put(changes, before, after)


def _seen(alert: Alert | None, finding: Finding, now: datetime, timing: Timing) -> Alert:
    if alert is None:
        alert = _new(finding, now, timing)
    elif alert.state is AlertState.RESOLVED:
        alert = replace(alert, state=AlertState.PENDING, changed_at=now, since=finding.since, concerned=())
    alert = replace(
        alert,
        severity=timing.severity(finding.kind),
        runbook=finding.runbook,
        summary=storable(finding.summary),
        detail=dict(finding.detail),
        links=dict(finding.links),
        absent_since=None,
        unlooked_since=None,
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
    if alert.state is AlertState.PENDING:
        return _over(alert, now)
    since = alert.absent_since or now
    if (now - since).total_seconds() >= timing.resolve_after(alert.kind, len(alert.openings)):
        return _over(alert, now)
    return replace(alert, absent_since=since)


def _unlooked(alert: Alert, now: datetime, timing: Timing) -> Alert:
    since = alert.unlooked_since or now
    alert = replace(alert, unlooked_since=since)
    return _over(alert, now) if (now - since).total_seconds() >= timing.forget_after_seconds else alert


def _over(alert: Alert, now: datetime) -> Alert:
    """Return an alert that is over: now, or, when it was no more than pending again, as long ago as it was."""
    since, end = alert.since, now
    if alert.state is AlertState.PENDING and alert.last is not None:
        since, end = alert.last
    return replace(alert, state=AlertState.RESOLVED, since=since, changed_at=end, absent_since=None, last=(since, end))


def _is_looked_for(alert: Alert, observations: Sequence[Observation]) -> bool:
    """Whether anybody looks for its kind; one that the platform no longer knows need not be looked for."""
    return alert.kind not in FINDING_KINDS or any(alert.kind in each.kinds for each in observations)


def _is_absent(alert: Alert, observations: Sequence[Observation]) -> bool:
    """Whether somebody who looked where it was did not see it."""
    return alert.kind not in FINDING_KINDS or any(each.covers(alert.kind, alert.customer) for each in observations)
