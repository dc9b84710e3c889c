"""Consequences that are not told while their cause is: one thing wrong is one alert.

Belongs here: which kind follows from which, and what that holds back now. Does not: finding causes.

A cause of the platform reaches all customers, one of a customer all its events, one of an event that event. The one way
up: a run of a customer that failed for a stream that is told by itself. What is held back holds back nothing in turn,
and what waits for its own time to be told holds back for no longer than the grace, so whatever is wrong is told at
least as one of its causes. Told alerts stay told: their end is told, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from clickstream_platform.observe.alerts.alert import Alert

_LATE = frozenset({"stream_late", "queue_slow", "load_slow", "run_slow"})
_CANARY = frozenset({"canary_broken", "canary_slow"})
_NO_DATA = frozenset({"stream_silent", "volume_drop"})
_NO_WORK = _LATE | _CANARY | {"run_stuck"}
_NO_LOAD = _LATE | _CANARY | {"run_failed", "run_stuck", "stream_blocked"}

CONSEQUENCES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # nothing runs
        "daemon_unhealthy": _NO_WORK | {"sensor_stale"},
        "code_location_down": _NO_WORK | {"sensor_stale", "daemon_unhealthy"},
        "sensor_stale": _LATE | _CANARY,
        # nothing can be read or written
        "objects_away": _NO_LOAD | _NO_DATA | {"check_failed", "batcher_behind", "sensor_stale"},
        "warehouse_away": _NO_LOAD,
        # nothing arrives
        "collector_refusing": _NO_DATA | _CANARY,
        "batcher_behind": _NO_DATA | _LATE | _CANARY,
        # at one customer, or one event of it
        "run_stuck": _LATE,
        "run_failed": _LATE,
        "check_failed": frozenset({"run_failed"}),
        "stream_blocked": _LATE | {"run_failed"},
        "stream_silent": frozenset({"volume_drop"}),
        "stream_paused": frozenset({"stream_blocked", "stream_late"}),
    }
)
UPWARD = frozenset({"run_failed"})
"""Consequences that a cause at one event has for the customer as a whole."""
OF_THE_UNSEEN = frozenset({"warehouse_away"})
"""Causes of the platform that concern only the customers that could not be looked at: those of that warehouse."""
PARTS = "parts"
"""The fact of a finding that names what of Dagster is in trouble, separated by commas."""
_PARTS_THAT_WORK: Mapping[str, frozenset[str]] = MappingProxyType(
    {"daemon_unhealthy": frozenset({"SENSOR", "QUEUED_RUN_COORDINATOR"}), "sensor_stale": frozenset({"hours"})}
)
"""Without these nothing is loaded; a sensor that only publishes checks holds back nothing."""

_Place = tuple[str | None, str | None]


class Causes:
    """What holds back what, at one moment."""

    def __init__(self, alerts: Iterable[Alert], now: datetime, grace_seconds: int) -> None:
        """Find the causes: what fires, and what was over, or seen for the first time, less than the grace ago."""
        soon_after = now - timedelta(seconds=grace_seconds)
        self._causes: dict[tuple[_Place, str], list[Alert]] = {}
        for alert in alerts:
            if (alert.is_firing or alert.changed_at > soon_after) and _stops_work(alert):
                for consequence in CONSEQUENCES.get(alert.kind, frozenset()):
                    for place in _places(alert, consequence):
                        self._causes.setdefault((place, consequence), []).append(alert)

    def of(self, alert: Alert) -> str | None:
        """Return the key of the cause that holds an alert back; None: it is told."""
        places: list[_Place] = [(None, None), (alert.customer, None), (alert.customer, alert.event or "")]
        for place in dict.fromkeys(places):
            for cause in self._causes.get((place, alert.kind), ()):
                if cause.key != alert.key and self.of(cause) is None:
                    return cause.key
        return None


def _stops_work(alert: Alert) -> bool:
    """Whether what is in trouble is needed for loads; where nobody said what it is, it may be."""
    parts = str(alert.detail.get(PARTS, ""))
    needed = _PARTS_THAT_WORK.get(alert.kind)
    return not parts or needed is None or not needed.isdisjoint(parts.split(", "))


def _places(cause: Alert, consequence: str) -> Iterator[_Place]:
    """Yield where a cause reaches to."""
    if cause.concerned:
        yield from ((customer, None) for customer in cause.concerned)
        return
    yield cause.customer, cause.event
    if consequence in UPWARD and cause.event is not None:
        yield cause.customer, ""
