"""Whether the collectors take what they should, from their own metrics: for deployments that no Prometheus watches.

Belongs here: reading a few addresses, and the finding. Does not: the collectors' metrics (`observe.collector_metrics`),
the rules for many collectors (deploy/alerts/platform.rules.yaml).
"""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPException

from prometheus_client.parser import text_string_to_metric_families

from clickstream_platform.model.findings import Finding
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.collector_metrics import REFUSED
from clickstream_platform.observe.exporter.failures import Failure
from clickstream_platform.pipeline.platform_sources import Seen

TIMEOUT_SECONDS = 5
OURS = frozenset({"keys", "requests", "storage"})
"""Limits of the platform; `rate` is a customer's own, and `draining` the end of a process."""
_KINDS = frozenset({"collector_refusing"})
_NOBODY = "does not answer"


@dataclass(slots=True)
class CollectorWatch:
    """The collectors as a `platform_sources.Watch`."""

    urls: Sequence[str]
    """Addresses of collectors, such as http://collector:8080."""
    interval_seconds: float = 60.0
    _refused: dict[str, float] = field(default_factory=dict)
    _since: datetime | None = None

    def look(self, now: datetime, failures: Sequence[Failure]) -> Seen:
        """Compare what was refused with the last look; a collector that does not answer refuses everything."""
        del failures
        problems = [f"{url} {problem}" for url in self.urls if (problem := self._problem(url))]
        if not problems:
            self._since = None
            return Seen(Observation((), _KINDS))
        self._since = self._since or now
        summary = f"{len(problems)} of {len(self.urls)} collectors refuse: {'; '.join(problems)}"
        finding = Finding("collector_refusing", None, None, summary, self._since, {"collectors": len(problems)})
        return Seen(Observation([finding], _KINDS))

    def _problem(self, url: str) -> str:
        try:
            refused = _read_refused(url)
        except (OSError, ValueError, LookupError, HTTPException):  # whatever it answers, it is no collector's answer
            return _NOBODY
        before, self._refused[url] = self._refused.get(url), refused
        # A smaller sum is that of a collector that was started anew.
        grown = 0.0 if before is None else refused - before if refused >= before else refused
        return f"refused {grown:,.0f} requests" if grown else ""


def _read_refused(url: str) -> float:
    """Return how many requests a collector refused since its start; raise OSError when it does not answer."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(url)
    address = f"{url.rstrip('/')}/metrics"
    with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - http or https, see above
        text = answer.read().decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == REFUSED.name and sample.labels["limit"] in OURS
    )
