"""The alert: a finding with a memory.

Belongs here: the noun and its states. Does not: moving between them (`lifecycle`), telling anybody (`planning`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from clickstream_platform.model.findings import Severity

_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class AlertState(StrEnum):
    """Where an alert is in its life."""

    PENDING = "pending"
    """Seen, not for long enough to trouble anybody."""
    FIRING = "firing"
    """It holds; a short absence changes nothing."""
    RESOLVED = "resolved"
    """Over; kept for a while, to know it again when it comes back."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that is, or was, wrong. All times are aware and in UTC."""

    key: str
    """The finding's key, `kind|customer|event`."""
    kind: str
    customer: str | None
    event: str | None
    severity: Severity
    runbook: str
    """File name in docs/runbooks/."""
    summary: str
    since: datetime
    """When it began, as the finding says."""
    state: AlertState
    changed_at: datetime
    """When it came into its state."""
    absent_since: datetime | None = None
    """Firing, and not seen since then."""
    openings: tuple[datetime, ...] = ()
    """When it began to fire, this time and before, within the window in which it counts as flapping; newest last."""
    number: int = 0
    """How often it has fired: told apart in the ids of messages."""
    detail: Mapping[str, str | int | float] = field(default_factory=dict, hash=False)
    links: Mapping[str, str] = field(default_factory=dict, hash=False)
    unlooked_since: datetime | None = None
    """Since when nobody looks for its kind: the look was switched off, or its source is away."""
    last: tuple[datetime, datetime] | None = None
    """When it began and was over the last time that it fired."""
    concerned: tuple[str, ...] = ()
    """The customers that an alert of the platform is about, where it isn't about all of them."""

    @property
    def is_firing(self) -> bool:
        """Whether people should know of it."""
        return self.state is AlertState.FIRING

    @property
    def group(self) -> str:
        """Alerts of one group are told together: the same thing wrong at the same customer."""
        return f"{self.kind}|{self.customer or ''}"


def storable(text: str) -> str:
    """Return a text without controls and halves of characters, which no database, terminal or chat should see."""
    return _UNPRINTABLE.sub("", text)
