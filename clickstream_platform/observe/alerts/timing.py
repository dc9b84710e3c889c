"""How patient alerting is: one place for all its durations and limits.

Belongs here: numbers and what they mean. Does not: reading them from a file (`routes_file`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clickstream_platform.model.findings import FINDING_KINDS, Severity


@dataclass(frozen=True, slots=True)
class KindRule:
    """What differs for one kind of finding; None: as for all."""

    severity: Severity | None = None
    fire_after_seconds: int | None = None
    resolve_after_seconds: int | None = None


_AS_FOR_ALL = KindRule()


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in seconds."""

    fire_after_seconds: int = 120
    """A finding that holds for less is told to nobody: one look in a minute is not enough."""
    resolve_after_seconds: int = 300
    """An alert that is absent for less is not over."""
    max_resolve_after_seconds: int = 7_200
    """Each time it comes back within `flap_window_seconds`, that wait doubles, up to this."""
    flap_window_seconds: int = 21_600
    group_wait_seconds: int = 0
    """The first message of a group waits so long for more to come, beyond what is found in the same look."""
    group_interval_seconds: int = 300
    """Between two messages of a group, unless all of it is over."""
    cause_grace_seconds: int = 900
    """Consequences are held back so long after their cause is over, for catching up takes time; and no longer by a
    cause that is seen and not told yet."""
    forget_after_seconds: int = 86_400
    """An alert whose kind nobody looks for any more is over after so long."""
    digest_at: int = 5
    """More messages than this at once for one channel become one that lists them all."""
    keep_days: int = 30
    """How long alerts that are over can be listed."""
    kinds: Mapping[str, KindRule] = field(default_factory=dict, hash=False)

    def severity(self, kind: str) -> Severity:
        """Return the severity of a kind of finding."""
        return self._rule(kind).severity or FINDING_KINDS[kind].severity

    def fire_after(self, kind: str) -> int:
        """Return how long a finding of this kind must hold, in seconds."""
        own = self._rule(kind).fire_after_seconds
        return self.fire_after_seconds if own is None else own

    def resolve_after(self, kind: str, openings: int) -> int:
        """Return how long an alert that opened so often lately must be absent, in seconds."""
        own = self._rule(kind).resolve_after_seconds
        base = self.resolve_after_seconds if own is None else own
        doubled: int = base * 2 ** min(max(openings - 1, 0), 20)
        return max(base, min(doubled, self.max_resolve_after_seconds))

    def _rule(self, kind: str) -> KindRule:
        return self.kinds.get(kind, _AS_FOR_ALL)
