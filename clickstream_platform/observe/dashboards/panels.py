"""What a dashboard is made of, as plain data.

Belongs here: the nouns, and the few forms that queries share. Does not: dashboards, Grafana's own form (`rendering`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["timeseries", "stat", "table", "bars"]
Unit = Literal["short", "s", "bytes", "percentunit", "cps", "Bps", "none", "bool"]
RATE = "[$__rate_interval]"
CUSTOMER = 'customer=~"$customer"'
"""Selects the customers that are chosen on a dashboard with the variable."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question in PromQL, and how its answers are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture with its questions."""

    title: str
    description: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    unit: Unit = "short"
    red_above: float | None = None
    """From here on it is red; None: never."""
    red_below: float | None = None
    stacked: bool = False
    width: int = 8
    """Of 24."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    has_customer: bool = False
    """Whether the variable `$customer` chooses what is shown."""

    def panels(self) -> Iterator[Panel]:
        """Yield all panels."""
        return (panel for row in self.rows for panel in row.panels)


def lines(title: str, description: str, *queries: tuple[str, str], unit: Unit = "short", **others: bool) -> Panel:
    """Return a panel of lines over time; each query with its legend."""
    return Panel(
        title, description, tuple(Query(*each) for each in queries), unit=unit, stacked=others.get("stacked", False)
    )


def figure(
    title: str,
    description: str,
    expr: str,
    unit: Unit = "short",
    *,
    red_above: float | None = None,
    red_below: float | None = None,
) -> Panel:
    """Return a panel with one number."""
    return Panel(title, description, (Query(expr),), "stat", unit, red_above, red_below, width=4)


def table(title: str, description: str, expr: str, unit: Unit = "short", width: int = 12) -> Panel:
    """Return a table of the newest values by their labels."""
    return Panel(title, description, (Query(expr),), "table", unit, width=width)


def bars(title: str, description: str, expr: str, legend: str, unit: Unit = "short", width: int = 12) -> Panel:
    """Return a bar for each of the newest values."""
    return Panel(title, description, (Query(expr, legend),), "bars", unit, width=width)


def zero(expr: str) -> str:
    """Return the expression with 0 where there is nothing: what never happened has no series."""
    return f"({expr}) or on() vector(0)"


def quantile(share: float, histogram: str, window: str = RATE, selector: str = "") -> str:
    """Return a quantile of a histogram over all its series."""
    return f"histogram_quantile({share}, sum by (le) (rate({histogram}_bucket{selector}{window})))"
