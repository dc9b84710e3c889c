"""What somebody who looked has seen: the findings that hold now, and how far the look reached.

Belongs here: the noun that is handed to the engine. Does not: looking.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clickstream_platform.model.findings import Finding


@dataclass(frozen=True, slots=True)
class Observation:
    """A snapshot, not a stream of events: what holds is in every observation until it is over."""

    findings: Sequence[Finding]
    kinds: frozenset[str]
    """Kinds that were looked for to the end. The absence of any other means nothing: its source may be away."""
    unseen_customers: frozenset[str] = frozenset()
    """Customers that could not be looked at; their alerts stay as they are."""

    def covers(self, kind: str, customer: str | None) -> bool:
        """Whether the absence of such a finding means that it is over."""
        return kind in self.kinds and customer not in self.unseen_customers


def unseen_with(finding: Finding, observations: Iterable[Observation]) -> set[str]:
    """Return the customers that whoever found this could not look at."""
    found: set[str] = set()
    for observation in observations:
        if observation.unseen_customers and any(each.key == finding.key for each in observation.findings):
            found |= observation.unseen_customers
    return found


def gather(observations: Iterable[Observation]) -> dict[str, Finding]:
    """Return all findings by key; of two of one key the older stays, so that its beginning is kept."""
    found: dict[str, Finding] = {}
    for observation in observations:
        for finding in observation.findings:
            known = found.get(finding.key)
            if known is None or finding.since < known.since:
                found[finding.key] = finding
    return found
