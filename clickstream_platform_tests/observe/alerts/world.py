"""A small world for alerts: findings by a few words, a sender that remembers, an engine that can be restarted.

Belongs here: what several tests of alerts need. Does not: tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from clickstream_platform.model.findings import FINDING_KINDS, Finding
from clickstream_platform.observe.alerts.engine import AlertEngine, EngineOptions, Evaluation
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.alerts.ports import Message, NotificationError
from clickstream_platform.observe.alerts.routes import Channel, Route, Routes
from clickstream_platform.observe.alerts.store import SqlAlertStore
from clickstream_platform.observe.alerts.timing import Timing

START = datetime(2026, 11, 22, tzinfo=UTC)
ALL_KINDS = frozenset(FINDING_KINDS)


def at(minutes: float) -> datetime:
    """Return the moment so many minutes after the start."""
    return START + timedelta(minutes=minutes)


def finding(
    kind: str = "stream_late", customer: str | None = "acme", event: str | None = "page", *, since: float = 0
) -> Finding:
    """Return a finding that began so many minutes after the start."""
    return Finding(kind, customer, event, f"{kind} of {customer}", at(since), {"minutes": since}, {"run": "http://x/r"})


def seen(*findings: Finding, kinds: Iterable[str] = ALL_KINDS, unseen: Iterable[str] = ()) -> Observation:
    """Return what somebody saw who looked at everything, but for what is named."""
    return Observation(findings, frozenset(kinds), frozenset(unseen))


def routes(*entries: Route, timing: Timing | None = None, **limits: int) -> Routes:
    """Return routes, by default one that leads all to channel `chat`; channels are made as they are named."""
    entries = entries or (Route("all", ("chat",)),)
    names = {name for route in entries for name in route.channels}
    channels = {name: Channel(name, f"env:{name.upper()}", **limits) for name in names}
    return Routes(channels, entries, timing or Timing())


@dataclass
class Recorder:
    """A sender that keeps what it was given; channels in `away` refuse, those in `incidents` track incidents."""

    away: set[str] = field(default_factory=set)
    incidents: set[str] = field(default_factory=set)
    sent: list[tuple[str, Message]] = field(default_factory=list)

    def tracks_incidents(self, channel: Channel) -> bool:
        return channel.name in self.incidents

    def send(self, channel: Channel, message: Message) -> None:
        if channel.name in self.away:
            raise NotificationError(f"sending to channel {channel.name}", cause="it is away", remedy="Wait.")
        self.sent.append((channel.name, message))

    def titles(self, channel: str | None = None) -> list[str]:
        """Return the titles of what was sent, and forget it."""
        found = [message.title for name, message in self.sent if channel in (None, name)]
        self.sent.clear()
        return found


class World:
    """One platform's alerting; `restart` makes a new process of it."""

    def __init__(self, url: str, of: Routes | None = None) -> None:
        self.url, self.routes, self.sender = url, of or routes(), Recorder()
        self.owners = 0
        self.engine = self.restart()

    def restart(self, monotonic: Callable[[], float] = time.monotonic) -> AlertEngine:
        """Open a new engine on the same database, as a new process does after the old one's end."""
        self.owners += 1
        store = SqlAlertStore(self.url)
        options = EngineOptions(f"owner-{self.owners}")
        self.engine = AlertEngine(store, self.sender, lambda: self.routes, options, monotonic=monotonic)
        return self.engine

    def look(self, minute: float, *findings: Finding, **how: Iterable[str]) -> Evaluation:
        """Let the engine see these findings at a minute."""
        return self.engine.evaluate([seen(*findings, **how)], at(minute))

    def live(self, start: int, end: int, *findings: Finding) -> None:
        """Let the engine see these findings each minute from `start` up to before `end`."""
        for minute in range(start, end):
            self.look(minute, *findings)
