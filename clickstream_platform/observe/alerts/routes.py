"""Who is told: channels, and the routes that lead to them.

Belongs here: the nouns, and which channels an alert has. Does not: reading them (`routes_file`), sending
(`gateways.notifications`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from clickstream_platform.model.findings import Severity
from clickstream_platform.observe.alerts.alert import Alert
from clickstream_platform.observe.alerts.timing import Timing

LOG_CHANNEL = "log"
"""The channel that is always there: the process's own log."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A place that messages go to, with its limit of messages."""

    name: str
    reference: str
    """Where its address is kept, as `gateways.secrets` reads it; empty for the log."""
    max_messages: int = 20
    window_seconds: int = 600


@dataclass(frozen=True, slots=True)
class Route:
    """Conditions that must all hold, and where that leads. Empty: no condition."""

    name: str
    channels: tuple[str, ...]
    customers: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    at_least: Severity = Severity.INFO
    platform: bool | None = None
    """True: only what concerns the platform itself; False: only what concerns a customer."""
    goes_on: bool = False
    """Whether the routes after it are tried as well."""
    repeat_seconds: int | None = None
    """What still fires is told again after so long; None: it is told once."""

    def takes(self, alert: Alert) -> bool:
        """Whether an alert meets all conditions."""
        if alert.severity.rank < self.at_least.rank or self.platform not in (None, alert.customer is None):
            return False
        wanted = ((self.customers, alert.customer), (self.events, alert.event), (self.kinds, alert.kind))
        return all(not patterns or _fits(patterns, value) for patterns, value in wanted)

    @property
    def is_for_all(self) -> bool:
        """Whether it has no condition."""
        conditions = (self.customers, self.events, self.kinds)
        return not any(conditions) and self.at_least is Severity.INFO and self.platform is None


@dataclass(frozen=True, slots=True)
class Routes:
    """All that a routes file says."""

    channels: Mapping[str, Channel] = field(hash=False)
    routes: tuple[Route, ...]
    timing: Timing = field(default_factory=Timing)

    def of(self, alert: Alert) -> dict[str, Route]:
        """Return the channels that an alert goes to, each with the route that led there first."""
        found: dict[str, Route] = {}
        for route in self.routes:
            if route.takes(alert):
                for channel in route.channels:
                    found.setdefault(channel, route)
                if not route.goes_on:
                    break
        return found


def log_only() -> Routes:
    """Return the routes of a platform without a routes file: everything goes to the log."""
    return Routes({LOG_CHANNEL: Channel(LOG_CHANNEL, "")}, (Route("log", (LOG_CHANNEL,)),))


def _fits(patterns: tuple[str, ...], value: str | None) -> bool:
    return value is not None and any(fnmatchcase(value, pattern) for pattern in patterns)
