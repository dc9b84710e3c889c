"""Every metric of the platform, found by looking: the names that modules hold, and what their collections yield.

Belongs here: finding them. Does not: what must hold of them (`test_metrics_doc`, `test_alert_rules`, the dashboards).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from types import ModuleType

from prometheus_client import CollectorRegistry

from clickstream_platform import observe
from clickstream_platform.observe.exporter.counting import RunCounting
from clickstream_platform.observe.exporter.probing import Probes
from clickstream_platform.observe.exporter.rendering import PlatformCollector
from clickstream_platform.observe.exporter.state import PlatformState
from clickstream_platform.observe.exporter.tallies import CustomerLabels
from clickstream_platform.observe.metrics import MetricName
from clickstream_platform.observe.snapshot_age import SnapshotAgeCollector
from clickstream_platform.registry.http.measures import Measures

RENDERING = {f"{observe.__name__}.dashboards.{name}" for name in ("__main__", "rendering")}
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


def observing_modules() -> Iterator[ModuleType]:
    """Yield every module of `observe`, without those that render dashboards, which only development can import."""
    for found in pkgutil.walk_packages(observe.__path__, f"{observe.__name__}."):
        if found.name in RENDERING:
            continue
        yield importlib.import_module(found.name)


@cache
def metric_names() -> dict[str, MetricName]:
    """Return every name that a module of `observe` holds."""
    return {
        value.name: value
        for module in observing_modules()
        for value in vars(module).values()
        if isinstance(value, MetricName)
    }


def collections() -> Iterator[CollectorRegistry]:
    """Yield the collections of all processes, as they are before anything was counted."""
    for module in observing_modules():
        for name, value in vars(module).items():
            if name.endswith("Metrics") and isinstance(value, type) and value.__module__ == module.__name__:
                yield value().registry
    exporter = CollectorRegistry()
    labels = CustomerLabels()
    exporter.register(PlatformCollector(PlatformState(RunCounting(NOW, labels), labels), lambda: NOW))
    exporter.register(Probes([]))
    exporter.register(SnapshotAgeCollector(dict, lambda: 0))
    yield exporter
    yield Measures()._collection  # the API shows its own as text only


@cache
def kinds() -> dict[str, str]:
    """Return `counter`, `gauge` or `histogram` by name; whatever no collection yields is told by its name."""
    yielded = {
        f"{family.name}_total" if family.type == "counter" else family.name: family.type
        for collection in collections()
        for family in collection.collect()
        if family.name.startswith("clickstream_")
    }
    strays = yielded.keys() - metric_names().keys()
    assert strays == set(), "metrics without a MetricName in observe"
    return {name: yielded.get(name, "counter" if name.endswith("_total") else "gauge") for name in metric_names()}


def series_names() -> set[str]:
    """Return the names that a query may use: a histogram's parts instead of its own."""
    parts = ("_bucket", "_sum", "_count")
    return {name + part for name, kind in kinds().items() for part in (parts if kind == "histogram" else ("",))}
