"""The engine: findings in, messages out, once a minute.

Belongs here: the order of the steps, back-off from channels in trouble. Does not: any of the decisions (`lifecycle`,
`planning`), the words (`messages`).

What changed is written before anything is sent, and what was sent right after it, so a restart at any point goes on
where it was. Only one engine of a platform works at a time; the others stand by for its lease.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clickstream_platform.model.findings import Severity
from clickstream_platform.observe.alert_metrics import AlertMetrics
from clickstream_platform.observe.alerts.lifecycle import advance
from clickstream_platform.observe.alerts.memory import ChannelTrouble, Memory
from clickstream_platform.observe.alerts.messages import Links, compose
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.alerts.planning import Bundle, News, find_held, find_news, plan_bundles
from clickstream_platform.observe.alerts.ports import MessageRefusedError, NotificationError, Sender
from clickstream_platform.observe.alerts.routes import Channel, Routes
from clickstream_platform.observe.alerts.store import SqlAlertStore

_logger = logging.getLogger(__name__)
_FIRST_BACKOFF_SECONDS, _MAX_BACKOFF_SECONDS = 30, 600
_MAX_REFUSED = 3
"""So many messages that a service refuses one after the other are a trouble of the channel, not of a message."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine works."""

    owner: str
    """Name of this process among those that share the database; different for each."""
    links: Links = field(default_factory=Links)
    send_seconds: float = 30.0
    """No message is begun later than this in an evaluation; what is left waits for the next."""
    prune_seconds: int = 3_600
    close_seconds: float = 20.0
    """How long an end waits for the message that is being sent."""


@dataclass(slots=True)
class Evaluation:
    """What one evaluation did."""

    is_owner: bool = True
    """False: another process does the work, and nothing was done here."""
    opened: int = 0
    resolved: int = 0
    open: int = 0
    held: int = 0
    sent: int = 0
    failed: int = 0
    waiting: int = 0
    """Groups with news that a channel was not told: too soon, over a limit, held by a channel in trouble."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """What one evaluation works with."""

    memory: Memory
    routes: Routes
    now: datetime
    result: Evaluation
    deadline: float


class AlertEngine:
    """Tells people about findings; to be used by one thread."""

    def __init__(
        self,
        store: SqlAlertStore,
        sender: Sender,
        routes: Callable[[], Routes],
        options: EngineOptions,
        metrics: AlertMetrics | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Put the parts together; `routes` is asked at each evaluation, so that a changed file counts at once."""
        self._store, self._sender, self._routes, self._options = store, sender, routes, options
        self._metrics, self._monotonic = metrics or AlertMetrics(), monotonic
        self._pruned: datetime | None = None
        self._evaluated: datetime | None = None
        self._working, self._closing = threading.Lock(), threading.Event()
        self._refused: set[tuple[str, str]] = set()
        """Channels and groups whose last message was refused: the others go first."""

    def evaluate(self, observations: Sequence[Observation], now: datetime) -> Evaluation:
        """Judge what was observed and send what is due; waits for services, some `send_seconds` at most.

        Raises AlertStoreUnavailableError when the database is away and AlertsTakenOverError when this process was too
        slow; either way the next evaluation goes on from what is written down.
        """
        with self._working:
            return Evaluation(is_owner=False) if self._closing.is_set() else self._evaluate(observations, now)

    def _evaluate(self, observations: Sequence[Observation], now: datetime) -> Evaluation:
        start = self._monotonic()
        owner, routes = self._options.owner, self._routes()
        if not self._store.take_lease(owner, now):
            return self._stand_by(now)
        if self._evaluated is None or now < self._evaluated:
            self._store.mend_times(owner, now)
        self._evaluated = now
        memory = self._store.load(now, max(each.window_seconds for each in routes.channels.values()))
        changes = advance(memory.alerts, observations, now, routes.timing)
        self._store.save(owner, changes)
        memory.alerts.update(changes.saved)
        for key in changes.dropped:
            del memory.alerts[key]
        result = Evaluation(opened=changes.opened, resolved=changes.resolved)
        self._deliver_all(_Turn(memory, routes, now, result, start + self._options.send_seconds))
        if self._pruned is None or (now - self._pruned).total_seconds() >= self._options.prune_seconds:
            self._store.prune(owner, now, routes.timing.keep_days, routes.channels)
            self._pruned = now
        self._measure(memory, routes, now, result)
        self._metrics.duration.observe(self._monotonic() - start)
        return result

    def close(self) -> None:
        """Begin no further message, wait for the one that is being sent, and let another process take over at once.

        A service that is slower than `close_seconds` keeps the lease: what it takes meanwhile is not told by another.
        """
        self._closing.set()
        if not self._working.acquire(timeout=self._options.close_seconds):
            _logger.warning("a message is still being sent; another process takes over when the lease is over")
            return
        try:
            self._store.give_lease(self._options.owner)
        finally:
            self._store.close()
            self._working.release()

    def _stand_by(self, now: datetime) -> Evaluation:
        """Tell nothing; somebody judges, or their lease would be free."""
        for gauge in (*map(self._metrics.open.labels, Severity), self._metrics.held, self._metrics.waiting):
            gauge.set(0)
        self._metrics.evaluated.set(now.timestamp())
        return Evaluation(is_owner=False)

    def _deliver_all(self, turn: _Turn) -> None:
        found = find_news(turn.memory, turn.routes, turn.now)
        # Channels in trouble come last: one that hangs must not hold up the others.
        for name in sorted(found, key=lambda each: (each in turn.memory.troubles, each)):
            told = self._deliver(turn.routes.channels[name], found[name], turn)
            turn.result.waiting += len(found[name]) - told

    def _deliver(self, channel: Channel, news: list[News], turn: _Turn) -> int:
        """Send what is due for a channel while it takes messages; return the number of groups that were told."""
        memory, timing, now = turn.memory, turn.routes.timing, turn.now
        trouble = memory.troubles.get(channel.name)
        if trouble is not None and now < trouble.next_try:
            return 0
        told, refused = 0, 0
        failure: NotificationError | None = None
        try:
            tracks = self._sender.tracks_incidents(channel)
            bundles = plan_bundles(channel, news, memory, timing, now, tracks_incidents=tracks)
            for bundle in sorted(bundles, key=lambda each: not self._refused.isdisjoint(_places(channel, each))):
                if refused == _MAX_REFUSED or self._closing.is_set() or self._monotonic() > turn.deadline:
                    break
                try:
                    self._send(channel, bundle, now)
                except MessageRefusedError as error:  # for what it says: that must not hold up the others
                    failure, refused = error, refused + 1
                    self._refused |= _places(channel, bundle)
                    continue
                told, refused = told + len(bundle), 0
                self._refused -= _places(channel, bundle)
                turn.result.sent += 1
        except NotificationError as error:
            failure = error
        if failure is not None:
            self._back_off(channel, None if told else trouble, now, failure)
            turn.result.failed += 1
        return told

    def _send(self, channel: Channel, bundle: Bundle, now: datetime) -> None:
        message = compose(bundle, now, self._options.links)
        self._sender.send(channel, message)
        self._store.record_sent(self._options.owner, channel.name, bundle, message, now)
        self._metrics.messages.labels(channel.name, "sent").inc()

    def _back_off(
        self, channel: Channel, trouble: ChannelTrouble | None, now: datetime, error: NotificationError
    ) -> None:
        failures = 1 if trouble is None else trouble.failures + 1
        seconds = min(_FIRST_BACKOFF_SECONDS * 2 ** min(failures - 1, 10), _MAX_BACKOFF_SECONDS)
        next_try = now + timedelta(seconds=seconds)
        self._store.record_failure(self._options.owner, channel.name, failures, next_try, str(error))
        self._metrics.messages.labels(channel.name, "failed").inc()
        _logger.error("%s (failure %d in a row; again in %d s)", error, failures, seconds)

    def _measure(self, memory: Memory, routes: Routes, now: datetime, result: Evaluation) -> None:
        firing = [each for each in memory.alerts.values() if each.is_firing]
        result.open, result.held = len(firing), len(find_held(memory, now, routes.timing))
        metrics = self._metrics
        for name in routes.channels:  # a rate needs to have seen the zero
            metrics.messages.labels(name, "failed").inc(0)
        for severity in Severity:
            metrics.open.labels(severity.value).set(sum(each.severity is severity for each in firing))
        metrics.held.set(result.held)
        metrics.waiting.set(result.waiting)
        metrics.opened.inc(result.opened)
        metrics.resolved.inc(result.resolved)
        metrics.evaluated.set(now.timestamp())


def _places(channel: Channel, bundle: Bundle) -> set[tuple[str, str]]:
    return {(channel.name, news.group) for news in bundle}
