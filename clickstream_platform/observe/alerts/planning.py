"""Which messages are due now, channel by channel. Pure: the clock and the memory are arguments.

Belongs here: once each, grouping, the limits of a channel. Does not: words (`messages`), sending (`engine`).

A channel is told of an alert once, and once that it is over; what is told is remembered, and what is remembered isn't
told. Nothing is dropped by a limit: what finds no room waits, and all that waits goes out together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clickstream_platform.model.findings import Severity
from clickstream_platform.observe.alerts.alert import Alert, AlertState
from clickstream_platform.observe.alerts.causes import Causes
from clickstream_platform.observe.alerts.memory import Memory
from clickstream_platform.observe.alerts.routes import Channel, Route, Routes
from clickstream_platform.observe.alerts.timing import Timing

RESERVE_SHARE = 4
"""One in so many messages of a channel's limit is kept for what is critical."""


@dataclass(slots=True)
class News:
    """What a channel does not know yet about one group."""

    group: str
    new: list[Alert] = field(default_factory=list)
    again: list[Alert] = field(default_factory=list)
    """Told before, still there, and to be told again by the route."""
    told_at: dict[str, datetime] = field(default_factory=dict)
    """When each of `again` was told last, by key."""
    over: list[Alert] = field(default_factory=list)
    still_open: int = 0
    """Told before, still there, and not to be told."""
    was_told: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing of the group is left."""
        return bool(self.over) and not (self.new or self.again or self.still_open)

    @property
    def severity(self) -> Severity:
        """The highest of what is told."""
        return max((each.severity for each in self.told), key=lambda each: each.rank)

    @property
    def told(self) -> list[Alert]:
        """All alerts that the message is about."""
        return [*self.new, *self.again, *self.over]

    @property
    def since(self) -> datetime:
        """Since when there is something to tell."""
        return min(each.changed_at for each in self.told)


Bundle = tuple[News, ...]
"""The groups of one message: one, or all that are due when there are too many for a message each."""


def find_held(memory: Memory, now: datetime, timing: Timing) -> dict[str, str]:
    """Return the firing alerts that are told to nobody for now, by key, each with the reason."""
    causes = Causes(memory.alerts.values(), now, timing.cause_grace_seconds)
    held: dict[str, str] = {}
    for alert in memory.alerts.values():
        if not alert.is_firing:
            continue
        silence = next((each for each in memory.silences if each.matches(alert, now)), None)
        if silence is not None:
            held[alert.key] = f"silence {silence.id}"
        elif (cause := causes.of(alert)) is not None:
            held[alert.key] = f"because of {cause}"
    return held


def find_news(memory: Memory, routes: Routes, now: datetime) -> dict[str, list[News]]:
    """Return what each channel doesn't know yet, whether it is due or not."""
    held = find_held(memory, now, routes.timing)
    groups: dict[tuple[str, str], News] = {}
    for alert in memory.alerts.values():
        if alert.is_firing and alert.key not in held:
            for channel, route in routes.of(alert).items():
                _add(groups, memory, alert, channel, route, now)
    for told in memory.told.values():
        known = memory.alerts.get(told.key)
        if known is None or told.channel not in routes.channels:
            continue
        news = groups.setdefault((told.channel, told.group), News(told.group))
        news.was_told = True
        if known.state is AlertState.RESOLVED:
            news.over.append(known)
        elif known.key not in news.told_at:
            news.still_open += 1
    found: dict[str, list[News]] = {}
    for (channel, _), news in groups.items():
        if news.told:
            found.setdefault(channel, []).append(news)
    return found


def _add(
    groups: dict[tuple[str, str], News], memory: Memory, alert: Alert, channel: str, route: Route, now: datetime
) -> None:
    told = memory.told.get((channel, alert.key))
    if told is None:
        groups.setdefault((channel, alert.group), News(alert.group)).new.append(alert)
    elif route.repeat_seconds is not None and now - told.at >= timedelta(seconds=route.repeat_seconds):
        news = groups.setdefault((channel, told.group), News(told.group))
        news.again.append(alert)
        news.told_at[alert.key] = told.at


def plan_bundles(
    channel: Channel, news: Iterable[News], memory: Memory, timing: Timing, now: datetime, *, tracks_incidents: bool
) -> list[Bundle]:
    """Return the messages that a channel gets now, the most pressing first."""
    due = [each for each in news if _is_due(each, channel, memory, timing, now, tracks_incidents)]
    due.sort(key=lambda each: (-each.severity.rank, each.since, each.group))
    window = now - timedelta(seconds=channel.window_seconds)
    free = channel.max_messages - sum(moment > window for moment in memory.sent.get(channel.name, ()))
    room = free - channel.max_messages // RESERVE_SHARE
    if room < 1:
        due, room = [each for each in due if each.severity is Severity.CRITICAL], max(free, 0)
    if tracks_incidents:  # each group is an incident of its own: no message can stand for several
        return [(each,) for each in due[:room]]
    if len(due) > min(room, timing.digest_at):
        return [tuple(due)] if room else []
    return [(each,) for each in due]


def _is_due(
    news: News, channel: Channel, memory: Memory, timing: Timing, now: datetime, tracks_incidents: bool
) -> bool:
    if news.is_over:
        return True
    if tracks_incidents and not news.new and not news.again:
        return False  # the incident stays open until all of it is over
    if not news.was_told:
        return (now - news.since).total_seconds() >= timing.group_wait_seconds
    last = memory.last_sent.get((channel.name, news.group))
    return last is None or (now - last).total_seconds() >= timing.group_interval_seconds
