"""What alerting needs from outside: somebody who carries messages.

Belongs here: the port, its error, the message. Does not: services (`gateways.notifications`), words (`messages`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from clickstream_platform.errors import RetryableError
from clickstream_platform.model.findings import Severity
from clickstream_platform.observe.alerts.routes import Channel


class NotificationError(RetryableError):
    """A message was not taken; it is sent again. Its text holds nothing of the channel's address."""


class MessageRefusedError(NotificationError):
    """The service answered, and did not take this message; others it may take."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a person reads, and what a program needs of it."""

    id: str
    """The same for a message that is sent again because nobody can tell whether it arrived."""
    incident: str
    """The same for all messages about one group of alerts; services with incidents open and resolve by it."""
    severity: Severity
    """The highest of its alerts."""
    is_over: bool
    """Whether all that was told of the incident is over."""
    title: str
    body: str
    facts: Sequence[Mapping[str, str | None]] = field(default_factory=tuple, hash=False)
    """Its alerts for programs: key, state, severity, kind, customer, event, since, summary, links."""


class Sender(Protocol):
    """Carries messages to channels."""

    def tracks_incidents(self, channel: Channel) -> bool:
        """Whether the channel's service keeps incidents open until they are resolved.

        Raises NotificationError when its address can't be read.
        """
        ...

    def send(self, channel: Channel, message: Message) -> None:
        """Send a message; raise NotificationError when the service did not take it. Waits some seconds at most."""
        ...
