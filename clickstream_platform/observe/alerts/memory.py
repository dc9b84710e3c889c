"""What alerting remembers: the alerts, who was told of which, what was sent when, and which channels are in trouble.

Belongs here: the nouns. Does not: the tables they are kept in (`store`), deciding by them (`planning`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from clickstream_platform.observe.alerts.alert import Alert
from clickstream_platform.observe.alerts.silences import Silence


@dataclass(frozen=True, slots=True)
class Told:
    """A channel knows that an alert fires; forgotten once the channel was told that it is over."""

    channel: str
    key: str
    group: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChannelTrouble:
    """A channel that did not take the last message."""

    failures: int
    next_try: datetime
    error: str


@dataclass(slots=True)
class Memory:
    """All of it, as of one moment."""

    alerts: dict[str, Alert] = field(default_factory=dict)
    told: dict[tuple[str, str], Told] = field(default_factory=dict)
    """By channel and alert key."""
    sent: dict[str, list[datetime]] = field(default_factory=dict)
    """Moments of messages by channel, within the longest window of a rate limit."""
    last_sent: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """By channel and group."""
    troubles: Mapping[str, ChannelTrouble] = field(default_factory=dict)
    silences: Sequence[Silence] = ()
