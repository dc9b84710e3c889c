"""A thousand customers with twenty events each: the series stay bounded, and Prometheus waits for none of them long.

`python -m clickstream_platform_tests.pipeline.test_cardinality` measures the figures of docs/metrics.md.
"""

from __future__ import annotations

import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.findings import FINDING_KINDS, Finding
from clickstream_platform.model.stream_status import StreamStatus
from clickstream_platform.model.streams import Stream
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.exporter.counting import CUSTOMER_COUNTERS
from clickstream_platform.observe.exporter.failures import Failure
from clickstream_platform.observe.exporter.figures import CheckState, OpenRun
from clickstream_platform.observe.exporter.rendering import MAX_STREAM_SERIES, TOP_STREAMS, PlatformCollector
from clickstream_platform.observe.exporter.state import LedgerFigures
from clickstream_platform.observe.exporter.tallies import CustomerLabels
from clickstream_platform.observe.health_server import serving_health
from clickstream_platform.pipeline.platform_metrics import PlatformProbes
from clickstream_platform.pipeline.platform_sources import RegistryFigures, Seen, Sources
from clickstream_platform_tests.observe.exporter.runs import NOW, ended, stream
from clickstream_platform_tests.pipeline.test_platform_metrics import StandInDagster

SCRAPE_TIMEOUT_SECONDS = 10
"""Prometheus's default; a scrape that takes longer is lost."""
WORKLOAD = 21
"""Samples of a customer's counters: eleven names, some by outcome or step."""


@dataclass
class EveryStream:
    """Sees every stream late, and something of every kind at every customer: the worst day."""

    customers: Sequence[str]
    events: int
    interval_seconds: float = 60.0

    def look(self, now: datetime, failures: Sequence[Failure]) -> Seen:
        findings = [Finding(kind, each, None, "bad", now) for each in self.customers for kind in FINDING_KINDS]
        streams = [
            stream(f"event_{number:02}", StreamStatus.LATE, 9_000.0 + number, each)
            for each in self.customers
            for number in range(self.events)
        ]
        sums = dict.fromkeys(self.customers, 1_000_000)
        top = [(Stream(each, "event_00"), 1_000_000) for each in self.customers]
        return Seen(Observation(findings, frozenset(FINDING_KINDS)), streams, LedgerFigures(sums, sums, top))


def platform(customers: int, events: int, limit: int = 2_000) -> PlatformProbes:
    """Return what an exporter knows when each customer has loaded an hour and waits for the next."""
    slugs = [f"customer_{number:04}" for number in range(customers)]
    clock, dagster = FixedClock(NOW - timedelta(hours=1)), StandInDagster()
    sources = Sources(lambda: RegistryFigures(tuple(slugs)), dagster, watches={"freshness": EveryStream(slugs, events)})
    probes = PlatformProbes(sources, clock, labels=CustomerLabels(limit))
    clock.advance(timedelta(hours=1))
    dagster.open = [OpenRun(f"o{each}", each, "queued", NOW, NOW, None, None) for each in slugs]
    dagster.runs = [ended(f"r{each}", each, checks=(CheckState(each, "reconciliation", False, NOW),)) for each in slugs]
    for probe in probes.probes():
        assert probe.run(), probe.error
    return probes


def scrape(probes: PlatformProbes) -> tuple[str, float]:
    """Return what Prometheus reads, and the seconds that it waits for it."""
    metrics = CollectorRegistry()
    metrics.register(PlatformCollector(probes.state, lambda: NOW))
    with serving_health("127.0.0.1", 0, metrics) as port:
        began = time.perf_counter()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            return answer.read().decode(), time.perf_counter() - began


def series(text: str) -> Counter[str]:
    """Return the number of samples by metric."""
    return Counter(line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if not line.startswith("#"))


def test_a_thousand_customers_with_twenty_events_have_bounded_series_and_are_scraped_in_time() -> None:
    text, seconds = scrape(platform(1_000, 20))
    found = series(text)
    assert found["clickstream_stream_lag_seconds"] == MAX_STREAM_SERIES, "not twenty thousand"
    assert found["clickstream_top_stream_rows"] == TOP_STREAMS
    assert "clickstream_hidden_offenders 19800.0" in text
    assert sum(found[name.name] for name in CUSTOMER_COUNTERS) == 1_000 * WORKLOAD
    assert found.total() < 1_000 * (WORKLOAD + len(StreamStatus) + len(FINDING_KINDS) + 5) + 500
    assert seconds < SCRAPE_TIMEOUT_SECONDS


def test_events_add_no_series_and_customers_none_beyond_the_limit() -> None:
    def counted(customers: int, events: int) -> Counter[str]:
        return series(scrape(platform(customers, events, limit=40))[0])

    assert counted(40, 10) == counted(40, 30)
    assert counted(41, 10) == counted(80, 10), "those beyond the limit are one"
    assert counted(80, 10).total() < 41 * (WORKLOAD + len(StreamStatus) + len(FINDING_KINDS) + 5) + 500


def main() -> None:
    """Print the figures of the worst day, and of a day when all is well."""
    probes = platform(1_000, 20)
    for is_bad in (True, False):
        if not is_bad:
            probes.state.observations.clear()
            probes.state.streams = [replace(each, status=StreamStatus.FRESH) for each in probes.state.streams or ()]
        text, seconds = min((scrape(probes) for _ in range(5)), key=lambda each: each[1])
        print(f"{series(text).total():,} samples, {len(text) / 1e6:.1f} MB, {seconds:.2f} s")


if __name__ == "__main__":
    main()
