"""The day lived through: the platform's own code looks each minute and tells people through real servers.

Belongs here: the loop, and what arrived when. Does not: what happens (`story`), what is right (`test_day`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from apprise.plugins import pagerduty

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.notifications import AppriseSender
from clickstream_platform.observe.alerts.engine import AlertEngine, EngineOptions
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.alerts.routes_file import parse_routes
from clickstream_platform.observe.alerts.store import SqlAlertStore
from clickstream_platform.pipeline.freshness.watched import WatchOptions
from clickstream_platform.pipeline.freshness.watching import FreshnessWatch
from clickstream_platform.pipeline.platform_metrics import MEMORY, PlatformProbes
from clickstream_platform.pipeline.platform_sources import Sources, Watch
from clickstream_platform.pipeline.platform_terms import Pages
from clickstream_platform.pipeline.platform_watches import FreshnessLook, SlowRuns, UnusualLook
from clickstream_platform.pipeline.unusual.thresholds import ThresholdBook
from clickstream_platform.pipeline.unusual.watching import UnusualWatch
from clickstream_platform_tests.gateways.notification_servers import http_inbox, mail_inbox
from clickstream_platform_tests.scripted_day import story
from clickstream_platform_tests.scripted_day.world import Surroundings

ROUTES = """
channels:
  pager: {url: "env:PAGER"}
  chat: {url: "env:CHAT"}
  shop07-team: {url: "env:TEAM"}
routes:
  - {name: their own team, customers: [shop07], channels: [shop07-team], continue: true}
  - {name: at once, at_least: critical, channels: [pager, chat]}
  - {name: in the day, channels: [chat]}
"""
PAGES = Pages("https://dagster.example", "https://registry.example")
_TITLE = re.compile(r"(?P<state>[A-Z ]+): (?P<where>[\w]+): (?P<what>[a-z ]+?)(?: \((?P<count>\d+)\))?$")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as its receiver saw it."""

    minute: int
    channel: str
    state: str
    """CRITICAL, WARNING, RESOLVED …; of an incident that was resolved, RESOLVED."""
    where: str
    what: str
    count: int = 1


_UNKNOWN = Arrival(0, "pager", "?", "?", "?")
"""What is resolved and was not open."""


@dataclass
class Day:
    """What came of it."""

    arrivals: list[Arrival] = field(default_factory=list)
    findings: dict[str, list[int]] = field(default_factory=dict)
    """Minutes at which each finding was found, by key, told or not."""

    def note(self, minute: int, observations: Iterable[Observation]) -> None:
        """Keep what was found."""
        for observation in observations:
            for finding in observation.findings:
                self.findings.setdefault(finding.key, []).append(minute)


@dataclass
class Services:
    """The receivers, and what of them was read."""

    chat: Any
    pager: Any
    mail: Any
    incidents: dict[str, Arrival] = field(default_factory=dict)

    def addresses(self) -> dict[str, str]:
        """Return the channels' secrets."""
        return {
            "env:CHAT": f"json://127.0.0.1:{self.chat.port}/hook",
            "env:PAGER": "pagerduty://integration@key",
            "env:TEAM": f"mailto://127.0.0.1:{self.mail.port}?from=a@example.com&to=team@example.com&mode=insecure",
        }

    def read(self, minute: int) -> Iterator[Arrival]:
        """Yield what arrived since the last time."""
        for _, body in self.chat.requests:
            if self.chat.status == 200:
                yield _arrival(minute, "chat", body["title"])
        for _, body in self.pager.requests:
            incident = body["dedup_key"]
            if body["event_action"] == "resolve":
                opened = self.incidents.pop(incident, _UNKNOWN)
                yield Arrival(minute, "pager", "RESOLVED", opened.where, opened.what)
            else:
                title = body["payload"]["summary"].splitlines()[0]
                self.incidents[incident] = _arrival(minute, "pager", title)
                yield self.incidents[incident]
        for _, mail in self.mail.mails:
            yield _arrival(minute, "shop07-team", str(mail["Subject"]))
        for inbox in (self.chat.requests, self.pager.requests, self.mail.mails):
            inbox.clear()


def _arrival(minute: int, channel: str, title: str) -> Arrival:
    match = _TITLE.match(title)
    if match is None:
        return Arrival(minute, channel, title, "?", "?")
    return Arrival(minute, channel, match["state"], match["where"], match["what"], int(match["count"] or 1))


@contextmanager
def services() -> Iterator[Services]:
    """Serve chat, pager and mail; PagerDuty's address in the world is replaced by ours."""
    with http_inbox() as chat, http_inbox() as pager, mail_inbox() as mail:
        usual = dict(pagerduty.PAGERDUTY_API_LOOKUP)
        pagerduty.PAGERDUTY_API_LOOKUP.update(dict.fromkeys(usual, f"http://127.0.0.1:{pager.port}/v2/enqueue"))
        try:
            yield Services(chat, pager, mail)
        finally:
            pagerduty.PAGERDUTY_API_LOOKUP.update(usual)


class _Process:
    """The process that looks and tells, as the exporter puts it together; what outlives it is on disk."""

    def __init__(self, number: int, folder: Path, surroundings: Surroundings, receivers: Services) -> None:
        routes, clock = parse_routes(ROUTES, "routes.yaml"), surroundings.clock
        sender, options = AppriseSender(receivers.addresses().__getitem__), EngineOptions(f"process-{number}")
        store = SqlAlertStore(f"sqlite:///{folder / 'alerts.db'}")
        self._engine = AlertEngine(store, sender, lambda: routes, options)
        sources = Sources(
            surroundings.read_registry,
            surroundings,
            batcher_behind=lambda _: 30.0,
            watches=_watches(surroundings, clock),
            runs=SlowRuns(ThresholdBook),
            alerts=self._tell,
        )
        self._platform = PlatformProbes(sources, clock, pages=PAGES, memory=folder / "memory.json")
        self._probes = self._platform.probes()

    def live(self, minute: int, *, is_last: bool) -> Iterable[Observation]:
        """Ask what is due, tell people, and return what was found; in its last minute it doesn't get to remembering."""
        for probe in self._probes:
            is_due = minute * 60 % max(probe.interval_seconds, 60) == 0
            if is_due and not (is_last and probe.name == MEMORY):
                probe.ask()
        return list(self._platform.state.observations.values())

    def end(self) -> None:
        """End as the exporter does when it is asked to."""
        self._platform.remember()
        self._engine.close()

    def _tell(self, observations: Sequence[Observation], now: datetime) -> None:
        self._engine.evaluate(observations, now)


def live(folder: Path, minutes: range = range(-10, 24 * 60 + 30)) -> Day:
    """Live through the day with everything that is kept below a folder; return who was told what when."""
    day, started = Day(), 0
    with services() as receivers:
        surroundings = Surroundings(FixedClock(story.at(minutes.start)))
        process: _Process | None = None
        for minute in minutes:
            receivers.chat.status = 503 if minute in story.CHAT_AWAY else 200
            if process is not None and minute in story.RESTARTED:
                process.end()
                process = None
            if process is None:
                started += 1
                process = _Process(started, folder, surroundings, receivers)
            is_last = minute in story.KILLED
            day.note(minute, process.live(minute, is_last=is_last))
            if is_last:
                process = None
            day.arrivals += receivers.read(minute)
            surroundings.clock.advance(timedelta(minutes=1))
        if process is not None:
            process.end()
    return day


def _watches(surroundings: Surroundings, clock: FixedClock) -> dict[str, Watch]:
    """Return the looks at streams, as the exporter has them."""
    options = WatchOptions(window_hours=24)
    freshness = FreshnessWatch(surroundings.registry, surroundings, surroundings, clock, options)
    unusual = UnusualWatch(surroundings.registry, surroundings, clock, ThresholdBook())
    return {"freshness": FreshnessLook(lambda: freshness, PAGES), "unusual": UnusualLook(lambda: unusual)}
