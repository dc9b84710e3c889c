"""The silence: a person says that some alerts are known, until when, and why.

Belongs here: what it matches. Does not: keeping it (`store`).

Silenced alerts live on and are listed; they are told when the silence ends and they still hold. The end of an alert
that was told before is told in spite of it, so that no incident stays open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from clickstream_platform.observe.alerts.alert import Alert


@dataclass(frozen=True, slots=True)
class Silence:
    """All alerts that match every pattern given; None matches everything."""

    id: int
    until: datetime
    reason: str
    by: str
    kind: str | None = None
    customer: str | None = None
    event: str | None = None

    def matches(self, alert: Alert, now: datetime) -> bool:
        """Whether it holds an alert back now; `*` and `?` work as in file names, and match no alert without a value."""
        if now >= self.until:
            return False
        wanted = ((self.kind, alert.kind), (self.customer, alert.customer), (self.event, alert.event))
        return all(pattern is None or (value is not None and fnmatchcase(value, pattern)) for pattern, value in wanted)
