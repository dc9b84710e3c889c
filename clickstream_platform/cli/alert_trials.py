"""What `clickstream alerts test` does: which channels it tries, and how one is tried.

Belongs here: choosing and trying. Does not: the command (`alerts`), sending (`gateways.notifications`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from clickstream_platform.errors import ClickstreamError, ConfigurationError, InvalidNameError

if TYPE_CHECKING:
    from clickstream_platform.observe.alerts.alert import Alert
    from clickstream_platform.observe.alerts.routes import Routes


def wanted_channels(
    routes: Routes, channels: list[str] | None, kind: str | None, customer: str | None, event: str | None
) -> list[str]:
    """Return the names of these channels, of those that such an alert goes to, or of all."""
    wanted = list(channels or ())
    if kind is not None:
        wanted += routes.of(_example(routes, kind, customer, event))
    elif customer is not None or event is not None:
        raise ConfigurationError(
            "choosing channels", cause="a customer or event alone has no route", remedy="Give --kind as well."
        )
    wanted = list(dict.fromkeys(wanted or sorted(routes.channels)))
    unknown = sorted(set(wanted) - set(routes.channels))
    if unknown:
        raise ConfigurationError(
            f"testing {', '.join(unknown)}",
            cause="there is no such channel in the routes file",
            remedy=f"Channels are {', '.join(sorted(routes.channels))}.",
        )
    return wanted


def _example(routes: Routes, kind: str, customer: str | None, event: str | None) -> Alert:
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.model.findings import FINDING_KINDS, Finding
    from clickstream_platform.observe.alerts.lifecycle import advance
    from clickstream_platform.observe.alerts.observation import Observation

    if kind not in FINDING_KINDS:
        raise InvalidNameError(
            "choosing channels", cause=f"unknown kind {kind}", remedy=f"Kinds are {', '.join(sorted(FINDING_KINDS))}."
        )
    now = SystemClock().now()
    finding = Finding(kind, customer, event, "an example", now)
    [alert] = advance({}, [Observation([finding], frozenset({kind}))], now, routes.timing).saved.values()
    return alert


def try_channel(routes: Routes, name: str, now: datetime, *, dry_run: bool) -> dict[str, Any]:
    """Send a channel a message, two where it has to end what the first began; return what came of it."""
    from dataclasses import replace

    from clickstream_platform.gateways.notifications import AppriseSender
    from clickstream_platform.observe.alerts.messages import trial_message

    sender, found = AppriseSender(), routes.channels[name]
    result: dict[str, Any] = {"channel": name, "tracks_incidents": None, "sent": 0, "problem": None}
    try:
        result["tracks_incidents"] = sender.tracks_incidents(found)
        if not dry_run:
            message = trial_message(name, now)
            sender.send(found, message)
            result["sent"] = 1
            if result["tracks_incidents"]:  # nothing stays open
                sender.send(found, replace(message, is_over=True))
                result["sent"] = 2
    except ClickstreamError as error:
        result["problem"] = error.cause
    return result
