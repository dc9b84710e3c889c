"""What the exporter knows, as Prometheus reads it; a scrape never waits for anybody but a reader of the same memory.

Belongs here: from answers to samples, and which streams get a series of their own. Does not: asking.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from clickstream_platform.model.findings import FINDING_KINDS
from clickstream_platform.model.stream_status import StreamState, StreamStatus
from clickstream_platform.observe.alerts.observation import gather
from clickstream_platform.observe.exporter import names
from clickstream_platform.observe.exporter.counting import CUSTOMER_COUNTERS
from clickstream_platform.observe.exporter.figures import CanaryFigures, InstanceFigures, WorkspaceFigures
from clickstream_platform.observe.exporter.state import LedgerFigures, PlatformState
from clickstream_platform.observe.metrics import MetricName

MAX_STREAM_SERIES = 200
TOP_STREAMS = 20
"""Streams that get a series although nothing is wrong with them."""
_COUNTERS = (*CUSTOMER_COUNTERS, names.CHECK_RESULTS)


class PlatformCollector(Collector):
    """Renders a state at each scrape."""

    def __init__(
        self, state: PlatformState, now: Callable[[], datetime], max_stream_series: int = MAX_STREAM_SERIES
    ) -> None:
        """Render this state; no more than `max_stream_series` offenders get series of their own."""
        self._state, self._now, self._max_stream_series = state, now, max_stream_series

    def collect(self) -> Iterator[Metric]:
        """Yield every family, those nothing is known of yet without samples."""
        with self._state.lock:
            families = list(self._families())
        yield from families  # written out without the lock, which takes longer than putting them together

    def _families(self) -> Iterator[Metric]:
        state, now = self._state, self._now()
        yield from _tallies(state)
        yield from _instance(state.instance, now, state)
        yield from _workspace(state.workspace)
        yield _checks(state)
        yield from _streams(state, self._max_stream_series)
        yield from _ledgers(state.ledgers, state)
        yield from _findings(state)
        yield from _canary(state.canary, now)
        yield _gauge(names.MERGED_CUSTOMERS, [((), state.labels.merged)])


def _checks(state: PlatformState) -> Metric:
    failed: dict[tuple[str, str], bool] = {}
    for each in state.counting.checks.values():
        labels = state.labels.label(each.customer), each.check
        failed[labels] = failed.get(labels, False) or each.has_failed
    return _gauge(names.FAILED_CHECKS, ((labels, float(value)) for labels, value in sorted(failed.items())))


def _tallies(state: PlatformState) -> Iterator[Metric]:
    tallies = state.counting.tallies
    for name in _COUNTERS:
        family = CounterMetricFamily(name.name, name.help, labels=name.labels)
        for labels, value in sorted(tallies.counters.get(name.name, {}).items()):
            family.add_metric(labels, value)
        yield family
    for name in names.HISTOGRAMS:
        histogram = tallies.histograms[name.name]
        yield HistogramMetricFamily(name.name, name.help, buckets=histogram.cumulative(), sum_value=histogram.total)


def _instance(figures: InstanceFigures | None, now: datetime, state: PlatformState) -> Iterator[Metric]:
    runs = figures.runs if figures else ()
    counts = figures.counts if figures else {}
    label = state.labels.label
    queued = Counter(label(run.customer) for run in runs if run.state == "queued")
    yield _gauge(names.DAGSTER_RUNS, (((each,), count) for each, count in counts.items()))
    yield _gauge(names.QUEUED_RUNS, (((each,), count) for each, count in sorted(queued.items())))
    known = [()] if figures else []
    seen_at = figures.at if figures else now  # since then a run may have ended: nobody knows
    waited = max((run.waited_seconds(seen_at) for run in runs if not run.is_backfill), default=0.0)
    worked = max((run.worked_seconds(seen_at) for run in runs), default=0.0)
    yield _gauge(names.QUEUE_AGE, ((each, waited) for each in known))
    yield _gauge(names.RUN_AGE, ((each, worked) for each in known))
    yield _gauge(names.OVERDUE_RUNS, ((each, sum(run.is_overdue(seen_at) for run in runs)) for each in known))
    yield _gauge(names.BACKFILLS, ((each, figures.backfills if figures else 0) for each in known))
    daemons = figures.daemons if figures else ()
    yield _gauge(names.DAEMON_AGE, (((each.name,), _age(each.heartbeat_at, now)) for each in daemons))
    yield _gauge(names.DAEMON_ERRORS, (((each.name,), each.errors) for each in daemons))
    sensors = figures.sensors if figures else ()
    yield _gauge(names.SENSOR_AGE, (((each.name,), _age(each.ticked_at, now)) for each in sensors))
    yield _gauge(
        names.SENSOR_DURATION,
        (((each.name,), each.tick_seconds) for each in sensors if each.tick_seconds is not None),
    )
    yield _gauge(names.SENSOR_INTERVAL, (((each.name,), each.interval_seconds) for each in sensors))
    yield _gauge(names.SENSOR_RUNNING, (((each.name,), float(each.is_running)) for each in sensors))
    yield _gauge(names.SENSOR_FAILED, (((each.name,), float(bool(each.error))) for each in sensors))


def _workspace(figures: WorkspaceFigures | None) -> Iterator[Metric]:
    yield _gauge(names.WEBSERVER_UP, [((), float(figures.is_up))] if figures else [])
    locations = figures.locations if figures else ()
    yield _gauge(names.LOCATION_UP, (((each.name,), float(each.is_up)) for each in locations))


def _streams(state: PlatformState, limit: int) -> Iterator[Metric]:
    streams, label = state.streams or (), state.labels.label
    counts = Counter((label(each.stream.customer), each.status) for each in streams)
    customers = sorted({customer for customer, _ in counts})
    yield _gauge(
        names.STREAMS,
        (((customer, status.value), counts[customer, status]) for customer in customers for status in StreamStatus),
    )
    lags: dict[str, float] = {}
    for each in streams:
        if each.lag_seconds is not None and each.status is not StreamStatus.SILENT:
            customer = label(each.stream.customer)
            lags[customer] = max(lags.get(customer, 0.0), each.lag_seconds)
    yield _gauge(names.CUSTOMER_LAG, (((customer,), lag) for customer, lag in sorted(lags.items())))
    shown, hidden = choose_streams(streams, limit)
    yield _gauge(
        names.STREAM_LAG,
        (
            (
                (each.stream.customer, each.stream.event, each.status.value),
                math.inf if each.lag_seconds is None else each.lag_seconds,
            )
            for each in shown
        ),
    )
    yield _gauge(names.HIDDEN_OFFENDERS, [((), hidden)] if state.streams is not None else [])


def choose_streams(streams: Iterable[StreamState], limit: int) -> tuple[Sequence[StreamState], int]:
    """Return the streams that get a series, and how many offenders do not.

    Offenders come first, the furthest behind before others; then, as far as there is room, the TOP_STREAMS streams
    that are furthest behind without offending.
    """
    offenders: list[StreamState] = []
    others: list[StreamState] = []
    for each in streams:
        (offenders if each.status.is_offence else others).append(each)
    shown = sorted(offenders, key=_by_lag)[:limit]
    others = [each for each in others if each.lag_seconds is not None]
    room = min(limit - len(shown), TOP_STREAMS)
    return [*shown, *sorted(others, key=_by_lag)[:room]], len(offenders) - len(shown)


def _by_lag(state: StreamState) -> tuple[float, str]:
    return -(math.inf if state.lag_seconds is None else state.lag_seconds), str(state.stream)


def _ledgers(figures: LedgerFigures | None, state: PlatformState) -> Iterator[Metric]:
    label = state.labels.label
    for name, values in (
        (names.CUSTOMER_ROWS, figures.rows if figures else {}),
        (names.CUSTOMER_BYTES, figures.read_bytes if figures else {}),
    ):
        sums: Counter[str] = Counter()
        for customer, value in values.items():
            sums[label(customer)] += value
        yield _gauge(name, (((customer,), value) for customer, value in sorted(sums.items())))
    top = figures.top_streams[:TOP_STREAMS] if figures else ()
    yield _gauge(names.TOP_STREAM_ROWS, (((stream.customer, stream.event), rows) for stream, rows in top))


def _findings(state: PlatformState) -> Iterator[Metric]:
    found = gather(state.observations.values()).values()
    kinds = Counter(each.kind for each in found)
    of_customers = Counter((state.labels.label(each.customer), each.kind) for each in found)
    known = FINDING_KINDS.items() if state.observations else ()
    yield _gauge(names.FINDINGS, (((name, kind.severity.value), kinds[name]) for name, kind in known))
    yield _gauge(names.CUSTOMER_FINDINGS, sorted(of_customers.items()))


def _canary(figures: CanaryFigures | None, now: datetime) -> Iterator[Metric]:
    for name, count in (
        (names.CANARY_SENT, figures.sent if figures else None),
        (names.CANARY_SEEN, figures.seen if figures else None),
    ):
        yield CounterMetricFamily(name.name, name.help, value=count)
    yield _gauge(names.CANARY_PENDING, [((), figures.pending)] if figures else [])
    latency = figures.latency_seconds if figures else None
    yield _gauge(names.CANARY_LATENCY, [] if latency is None else [((), latency)])
    yield _gauge(names.CANARY_BEAT_AGE, [((), _age(figures.beat_at, now))] if figures else [])


def _age(moment: datetime | None, now: datetime) -> float:
    return math.inf if moment is None else max((now - moment).total_seconds(), 0.0)


def _gauge(name: MetricName, samples: Iterable[tuple[Sequence[str], float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name.name, name.help, labels=name.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
