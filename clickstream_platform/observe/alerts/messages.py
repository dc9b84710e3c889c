"""The words of a message: what is wrong, where, since when, where to look and what to do.

Belongs here: composing texts and ids. Does not: deciding what is told (`planning`), the forms that services want
(`gateways.notifications`).

Texts are plain and bounded. Nothing in them can address a whole chat, open a tag or reorder what is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from clickstream_platform.model.findings import FINDING_KINDS, Severity, cut
from clickstream_platform.observe.alerts.alert import Alert, storable
from clickstream_platform.observe.alerts.planning import Bundle, News
from clickstream_platform.observe.alerts.ports import Message

MAX_TITLE_CHARACTERS = 120
MAX_BODY_CHARACTERS = 3_000
MAX_LINES = 10
"""Alerts that are named one by one in a message; the others are counted."""
MAX_LINKED = 3
"""Alerts whose links are shown; those of the others are a command away."""
MAX_FACTS = 100
MAX_REMEDY_CHARACTERS = 1_500

_LINK = re.compile(r"https?://[^\s<>\"']{1,500}")
_ACTIVE = str.maketrans({"<": "‹", ">": "›", "@": "@\u200b", "`": "'", "*": "∗"})


@dataclass(frozen=True, slots=True)
class Links:
    """Where messages lead to."""

    runbooks: str = "docs/runbooks"
    """Address of the folder with the runbooks."""


def compose(bundle: Bundle, now: datetime, links: Links) -> Message:
    """Return the message about these groups."""
    severity = max((news.severity for news in bundle), key=lambda each: each.rank)
    is_over = all(news.is_over for news in bundle)
    one = bundle[0] if len(bundle) == 1 else None
    title = _title(one, severity) if one else _digest_title(bundle, severity, is_over=is_over)
    lines = _lines(one, now) if one else _digest_lines(bundle, now)
    remedies = _remedies(bundle, links)
    facts = [fact for news in bundle for fact in _facts(news)][:MAX_FACTS]
    return Message(
        _message_id(bundle),
        incident_id(one.group) if one else "digest",
        severity,
        is_over,
        cut(harmless(title), MAX_TITLE_CHARACTERS),
        cut("\n".join(lines), MAX_BODY_CHARACTERS - len(remedies)) + remedies,
        facts,
    )


def trial_message(channel: str, now: datetime) -> Message:
    """Return the message of `clickstream alerts test`: it asks nobody to do anything."""
    return Message(
        _digest(["test", channel, now.isoformat()]),
        incident_id(f"test|{channel}"),
        Severity.INFO,
        False,
        f"TEST of channel {harmless(channel)}",
        f"Sent by `clickstream alerts test` at {_moment(now)}. Alerts of this platform arrive here. Nothing is wrong.",
    )


def incident_id(group: str) -> str:
    """Return the id by which services know the incident of a group; it lasts across incidents of the group."""
    return f"clickstream-{_digest([group])}"


def harmless(text: str) -> str:
    """Return a text without anything that a terminal, a chat or a mail program would act on."""
    return storable(text).translate(_ACTIVE)


def _title(news: News, severity: Severity) -> str:
    alert = news.told[0]
    where, what = alert.customer or "platform", alert.kind.replace("_", " ")
    count = len(news.new) + len(news.again) + news.still_open or len(news.over)
    word = (
        "RESOLVED" if news.is_over else severity.upper() if news.new else "STILL" if news.again else "PARTLY RESOLVED"
    )
    return f"{word}: {where}: {what}" + (f" ({count})" if count > 1 else "")


def _digest_title(bundle: Bundle, severity: Severity, *, is_over: bool) -> str:
    new, over = sum(len(each.new) + len(each.again) for each in bundle), sum(len(each.over) for each in bundle)
    places = len({each.told[0].customer or "" for each in bundle})
    counts = [f"{new} alerts"] * bool(new) + [f"{over} resolved"] * bool(over)
    return f"{'RESOLVED' if is_over else severity.upper()}: {', '.join(counts)} in {places} places"


def _remedies(bundle: Bundle, links: Links) -> str:
    """Return the lines with the runbooks of what goes on: the last ones, and never cut off."""
    text = ""
    for name in sorted({news.told[0].runbook for news in bundle if not news.is_over})[:MAX_LINES]:
        line = f"\nWhat to do: {links.runbooks.rstrip('/')}/{name}"
        text += line if len(text) + len(line) <= MAX_REMEDY_CHARACTERS else ""
    return text


def _lines(news: News, now: datetime) -> Iterator[str]:
    kind = FINDING_KINDS.get(news.told[0].kind)
    if kind is not None and not news.is_over:
        yield kind.meaning
    for number, alert in enumerate((news.new + news.again)[:MAX_LINES]):
        yield f"- {_firing(alert, now)}"
        if number < MAX_LINKED:
            yield from (f"  {name}: {link}" for name, link in _links(alert))
    yield from _more(len(news.new) + len(news.again), "are firing")
    yield from (f"- {_over(alert)}" for alert in news.over[:MAX_LINES])
    yield from _more(len(news.over), "are over")
    if news.still_open:
        yield f"Told before and not over: {news.still_open}."


def _digest_lines(bundle: Bundle, now: datetime) -> Iterator[str]:
    yield "There are too many for a message each."
    for news in bundle[:MAX_LINES]:
        alert = news.told[0]
        counts = [f"{len(news.new + news.again)} firing"] * bool(news.new or news.again)
        counts += [f"{len(news.over)} over"] * bool(news.over)
        text = _over(alert) if news.is_over else _firing(alert, now)
        where = f"{alert.customer or 'platform'}: {alert.kind.replace('_', ' ')}"
        yield f"- {harmless(where)} ({', '.join(counts)}), such as {text}"
    if len(bundle) > MAX_LINES:
        yield f"And {len(bundle) - MAX_LINES} more groups: `clickstream alerts list` shows all."


def _more(count: int, state: str) -> Iterator[str]:
    if count > MAX_LINES:
        yield f"And {count - MAX_LINES} more {state}: `clickstream alerts list` shows all."


def _firing(alert: Alert, now: datetime) -> str:
    again = f", {len(alert.openings)} times lately" if len(alert.openings) > 1 else ""
    return f"{_named(alert)}{harmless(alert.summary)} (since {_moment(alert.since)}, {_span(alert.since, now)}{again})"


def _over(alert: Alert) -> str:
    if alert.unlooked_since is not None:
        return f"{_named(alert)}taken as over: nobody has looked for it since {_moment(alert.unlooked_since)}"
    return f"{_named(alert)}over after {_span(alert.since, alert.changed_at)}"


def _named(alert: Alert) -> str:
    return f"{harmless(alert.event)}: " if alert.event else ""


def _links(alert: Alert) -> Iterator[tuple[str, str]]:
    """Yield the links that are addresses and nothing else."""
    for name, link in sorted(alert.links.items()):
        if _LINK.fullmatch(link):
            yield harmless(name), link


def _facts(news: News) -> Iterator[dict[str, str | None]]:
    for state, alerts in (("firing", news.new + news.again), ("resolved", news.over)):
        for alert in alerts:
            yield {
                "key": alert.key,
                "state": state,
                "severity": alert.severity.value,
                "kind": alert.kind,
                "customer": alert.customer,
                "event": alert.event,
                "since": alert.since.isoformat(),
                "summary": harmless(alert.summary),
                **{f"link_{name}": link for name, link in _links(alert)},
            }


def _message_id(bundle: Bundle) -> str:
    """Return an id that follows from what is told, so that a message that is sent twice can be known."""
    new = (f"{_time_of(each)} fires" for news in bundle for each in news.new + news.again)
    over = (f"{_time_of(each)} is over" for news in bundle for each in news.over)
    times = (f"{key} told at {at.isoformat()}" for news in bundle for key, at in news.told_at.items())
    return _digest(sorted([*new, *over, *times]))


def _time_of(alert: Alert) -> str:
    """Return what tells one firing of an alert from another, even when the database began anew in between."""
    opened = alert.openings[-1] if alert.openings else alert.changed_at
    return f"{alert.key}#{alert.number}@{round(opened.timestamp() * 1_000)}"


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:20]


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _span(start: datetime, end: datetime) -> str:
    minutes = max(int((end - start).total_seconds() // 60), 0)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2_880 else f"{minutes // 1_440} d"
