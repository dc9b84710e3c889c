"""The finding: something that a person may have to know of, said in one form whoever found it.

Belongs here: the noun, its kinds with their severities and runbooks, its written form. Does not: finding anything
(`pipeline.freshness`, `pipeline.unusual`, the exporter), who is told and when (`observe.alerts`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from clickstream_platform.errors import InvalidNameError

MAX_SUMMARY_CHARACTERS = 300
MAX_DETAILS = 20
MAX_DETAIL_CHARACTERS = 200
_ELLIPSIS = "…"


class Severity(StrEnum):
    """How much a finding matters; ordered by `rank`."""

    INFO = "info"
    """Worth reading when somebody looks."""
    WARNING = "warning"
    """Somebody should look within the working day."""
    CRITICAL = "critical"
    """Data is late or will be: somebody should look now."""

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for critical."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class FindingKind:
    """What all findings of one name have in common."""

    severity: Severity
    runbook: str
    """Name of the file in docs/runbooks/."""
    meaning: str
    """One sentence for people."""


def _kind(severity: Severity, runbook: str, meaning: str) -> FindingKind:
    return FindingKind(severity, f"{runbook}.md", meaning)


_INFO, _WARNING, _CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL

FINDING_KINDS: Mapping[str, FindingKind] = MappingProxyType(
    {
        # streams
        "stream_late": _kind(_CRITICAL, "stream-late", "Records arrived and were not in the table by the deadline."),
        "stream_silent": _kind(
            _WARNING, "stream-silent", "No record arrives, although the stream's history says that some should."
        ),
        "stream_blocked": _kind(
            _CRITICAL, "stream-blocked", "Records arrived and cannot be loaded until a person acts."
        ),
        "stream_paused": _kind(_INFO, "stream-paused", "Records of a paused event wait on the object store."),
        # loads and runs against their own history
        "load_slow": _kind(_WARNING, "load-slow", "A load took far longer than this stream's loads do."),
        "run_slow": _kind(_WARNING, "run-slow", "A run takes far longer than this customer's runs do."),
        "queue_slow": _kind(_WARNING, "queue-slow", "Runs wait far longer for their start than they use to."),
        # content against its own history and thresholds
        "volume_drop": _kind(_WARNING, "volume-drop", "Far fewer records than this stream has at this hour."),
        "volume_surge": _kind(_WARNING, "volume-surge", "Far more records than this stream has at this hour."),
        "rejected_share": _kind(_WARNING, "rejected-share", "An unusual share of the records is in quarantine."),
        "discards_share": _kind(_WARNING, "discards-share", "An unusual number of values did not fit their columns."),
        "duplicates_share": _kind(_WARNING, "duplicates-share", "An unusual share of the records are duplicates."),
        # runs and checks
        "run_failed": _kind(_CRITICAL, "run-failed", "A run failed and its retries are used up."),
        "run_stuck": _kind(_CRITICAL, "run-stuck", "A run makes no progress, or is far beyond its limit of time."),
        "check_failed": _kind(_CRITICAL, "check-failed", "An asset check failed: the numbers do not add up."),
        # the platform
        "registry_away": _kind(_CRITICAL, "registry-away", "The registry does not answer; the last snapshot is used."),
        "warehouse_away": _kind(_CRITICAL, "warehouse-away", "A warehouse does not answer."),
        "objects_away": _kind(_CRITICAL, "objects-away", "The object store does not answer."),
        "daemon_unhealthy": _kind(_CRITICAL, "daemon-unhealthy", "A daemon of Dagster has no heartbeat, or errors."),
        "sensor_stale": _kind(_CRITICAL, "sensor-stale", "A sensor has not ticked for far longer than it should."),
        "code_location_down": _kind(_CRITICAL, "code-location-down", "The code location does not load or answer."),
        "collector_refusing": _kind(_CRITICAL, "collector-refusing", "The collector refuses records it should take."),
        "batcher_behind": _kind(_CRITICAL, "batcher-behind", "The batcher is far behind the newest record."),
        "canary_broken": _kind(_CRITICAL, "canary-broken", "The canary's records do not arrive in its table."),
        "canary_slow": _kind(_WARNING, "canary-slow", "The canary's records take longer to arrive than they may."),
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, as of now; the same thing found again has the same `key`. Long texts are cut."""

    kind: str
    """One of FINDING_KINDS."""
    customer: str | None
    """Slug; None: the platform itself."""
    event: str | None
    """Slug; None: the customer as a whole."""
    summary: str
    """One line for people: no values of records, no secrets."""
    since: datetime
    """When it began, aware."""
    detail: Mapping[str, str | int | float] = field(default_factory=dict, hash=False)
    """At most MAX_DETAILS facts."""
    links: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Where to look: `run`, `check`, `page`."""

    def __post_init__(self) -> None:
        """Bound the texts; refuse an unknown kind and a time without zone."""
        if self.kind not in FINDING_KINDS:
            raise InvalidNameError(
                "naming a finding", cause=f"{self.kind!r} is no kind of finding", remedy="Add it to FINDING_KINDS."
            )
        if self.since.tzinfo is None:
            raise InvalidNameError(
                "dating a finding", cause=f"{self.since!r} has no time zone", remedy="Give the time its zone first."
            )
        detail = dict(list(self.detail.items())[:MAX_DETAILS])
        bounded = {
            name: cut(value, MAX_DETAIL_CHARACTERS) if isinstance(value, str) else value
            for name, value in detail.items()
        }
        object.__setattr__(self, "summary", cut(" ".join(self.summary.split()), MAX_SUMMARY_CHARACTERS))
        object.__setattr__(self, "since", self.since.astimezone(UTC))
        object.__setattr__(self, "detail", MappingProxyType(bounded))
        object.__setattr__(self, "links", MappingProxyType(dict(self.links)))

    @property
    def key(self) -> str:
        """What it is about, `kind|customer|event`: the identity by which it is told once."""
        return f"{self.kind}|{self.customer or ''}|{self.event or ''}"

    @property
    def severity(self) -> Severity:
        """The severity of its kind."""
        return FINDING_KINDS[self.kind].severity

    @property
    def runbook(self) -> str:
        """The file in docs/runbooks/ that says what to do."""
        return FINDING_KINDS[self.kind].runbook

    def to_json(self) -> str:
        """Return the written form; `from_json` reads it."""
        body = {
            "kind": self.kind,
            "customer": self.customer,
            "event": self.event,
            "summary": self.summary,
            "since": self.since.isoformat(),
            "detail": dict(self.detail),
            "links": dict(self.links),
        }
        return json.dumps(body, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Finding:
        """Read the written form; raise InvalidNameError for a kind that is not known (any more)."""
        body: dict[str, Any] = json.loads(text)
        return cls(**body | {"since": datetime.fromisoformat(body["since"])})


def cut(text: str, characters: int) -> str:
    """Return a text of at most so many characters, marked when something was cut off."""
    return text if len(text) <= characters else text[: characters - len(_ELLIPSIS)] + _ELLIPSIS
