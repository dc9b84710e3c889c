"""Counters and histograms that outlive a restart: a customer's first load after it would otherwise be no increase.

Belongs here: adding, the written form, the limit on customers. Does not: what is counted (`counting`), reading of it
by Prometheus (`rendering`).
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clickstream_platform.observe.exporter.names import HISTOGRAMS, OTHER
from clickstream_platform.observe.metrics import MetricName

MAX_CUSTOMERS = 2_000
_VERSION = 1
_logger = logging.getLogger(__name__)

Labels = tuple[str, ...]


class CustomerLabels:
    """Gives customers their label: the slug, until there are too many."""

    def __init__(self, limit: int = MAX_CUSTOMERS) -> None:
        """Give at most `limit` customers a label of their own."""
        self._limit = limit
        self._known: set[str] = set()
        self._merged: set[str] = set()

    @property
    def merged(self) -> int:
        """The number of customers that are counted together, as far as it is known: at most as many as have labels."""
        return len(self._merged)

    def label(self, customer: str | None) -> str:
        """Return the label; empty for work that belongs to no single customer."""
        if not customer:
            return ""
        if customer in self._known:
            return customer
        if len(self._known) < self._limit:
            self._known.add(customer)
            return customer
        if len(self._merged) < self._limit:
            self._merged.add(customer)
        return OTHER

    def keep_only(self, customers: Iterable[str]) -> None:
        """Give the labels of customers that are no more to others."""
        alive = set(customers)
        self._known &= alive
        self._merged &= alive


class Histogram:
    """How often values fell into each bucket, and their sum."""

    def __init__(self, bounds: tuple[float, ...], counts: Iterable[int] = (), total: float = 0.0) -> None:
        """Count into buckets with these upper bounds; a last one takes what is larger."""
        self.bounds = bounds
        self.counts = list(counts) or [0] * (len(bounds) + 1)
        self.total = total

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Return the buckets as Prometheus wants them, each with all smaller values."""
        found, total = [], 0
        for bound, count in zip((*map(_bound_text, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Tallies:
    """Counters by name and labels, and a histogram for each name of HISTOGRAMS."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.counters: dict[str, dict[Labels, float]] = {}
        self.histograms = {name.name: Histogram(bounds) for name, bounds in HISTOGRAMS.items()}

    def add(self, name: MetricName, amount: float, *labels: str) -> None:
        """Add to a counter; adding 0 makes its series, so that its first increase is seen as one."""
        series = self.counters.setdefault(name.name, {})
        series[labels] = series.get(labels, 0.0) + amount

    def observe(self, name: MetricName, value: float) -> None:
        """Count a value in a histogram."""
        self.histograms[name.name].observe(value)

    def drop_customers(self, name: MetricName, alive: set[str]) -> None:
        """Forget the series of customers that are no more; `customer` must be the first label."""
        series = self.counters.get(name.name, {})
        for labels in [each for each in series if each[0] not in alive]:
            del series[labels]

    def to_document(self) -> dict[str, Any]:
        """Return the written form."""
        return {
            "counters": {
                name: [[list(labels), value] for labels, value in series.items()]
                for name, series in self.counters.items()
            },
            "histograms": {
                name: {"bounds": list(each.bounds), "counts": each.counts, "sum": each.total}
                for name, each in self.histograms.items()
            },
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Tallies:
        """Read the written form; a histogram that has other bounds by now starts at nothing."""
        tallies = cls()
        tallies.counters = {
            name: {tuple(labels): float(value) for labels, value in series}
            for name, series in document["counters"].items()
        }
        for name, each in document["histograms"].items():
            known = tallies.histograms.get(name)
            if known is not None and tuple(each["bounds"]) == known.bounds:
                tallies.histograms[name] = Histogram(known.bounds, map(int, each["counts"]), float(each["sum"]))
        return tallies


def save_document(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the file of the exporter's memory in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"version": _VERSION, **document}, ensure_ascii=False), encoding="utf-8")
    new.replace(path)


def load_document(path: Path) -> dict[str, Any] | None:
    """Return what was saved; None when there is nothing usable."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _logger.warning("what the exporter counted can't be read from %s: %s; counting starts anew", path, error)
        return None
    return document if isinstance(document, dict) and document.get("version") == _VERSION else None


def _bound_text(bound: float) -> str:
    return repr(float(bound))
