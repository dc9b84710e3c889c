"""Draws a dashboard's panels from what Prometheus answers: a picture for the documents, and for people who check them.

Belongs here: drawing, roughly as Grafana lays panels out. Does not: the dashboards (`observe.dashboards`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform.observe.dashboards.panels import Dashboard, Panel

# Installed for benchmarks only, and then partly without types.
pytest.importorskip("matplotlib", reason="matplotlib is not installed: make bench installs it").use("Agg")
mdates: Any = pytest.importorskip("matplotlib.dates")
plt: Any = pytest.importorskip("matplotlib.pyplot")
UNITS = 24
ROW_HEIGHT, HEADING_HEIGHT = {"stat": 1.0, "timeseries": 2.2, "table": 2.6, "bars": 2.6}, 0.4
WIDTH_INCHES, MAX_ROWS = 16.0, 12

Ask = Callable[[Panel], list[tuple[str, list[tuple[float, float]]]]]
"""Answers a panel's queries: the points of each series by its legend."""


def draw(page: Dashboard, ask: Ask, path: Path) -> None:
    """Draw all panels of a page into a PNG."""
    lots = list(_layout(page))
    height = max(top + tall for _, _, top, _, tall in lots)
    picture = plt.figure(figsize=(WIDTH_INCHES, height), dpi=80)
    for what, left, top, wide, tall in lots:
        margin = 0.1 if isinstance(what, Panel) and what.kind == "bars" else 0.022  # for the names of the bars
        box = (
            left / UNITS + margin,
            1 - (top + tall - 0.42) / height,
            wide / UNITS - margin - 0.013,
            (tall - 0.75) / height,
        )
        if isinstance(what, str):
            picture.text(0.01, 1 - (top + 0.3) / height, what, fontsize=12, weight="bold")
        else:
            _draw_panel(picture.add_axes(box), what, ask(what))
    picture.savefig(path)
    plt.close(picture)


def _layout(page: Dashboard) -> Iterator[tuple[str | Panel, int, float, int, float]]:
    """Yield headings and panels with left and width in 24ths, top and height in inches."""
    top = 0.0
    for row in page.rows:
        yield row.title, 0, top, UNITS, HEADING_HEIGHT
        top, left, tall = top + HEADING_HEIGHT, 0, 0.0
        for panel in row.panels:
            if left + panel.width > UNITS:
                top, left, tall = top + tall, 0, 0.0
            yield panel, left, top, panel.width, ROW_HEIGHT[panel.kind]
            left, tall = left + panel.width, max(tall, ROW_HEIGHT[panel.kind])
        top += tall


def _draw_panel(axes: Any, panel: Panel, series: Sequence[tuple[str, list[tuple[float, float]]]]) -> None:
    axes.set_title(panel.title, fontsize=8, loc="left")
    axes.tick_params(labelsize=6)
    newest = [(name, points[-1][1]) for name, points in series if points]
    if panel.kind == "stat":
        axes.axis("off")
        axes.text(0.0, 0.1, _text(newest[0][1], panel.unit) if newest else "no data", fontsize=18)
    elif panel.kind == "table":
        axes.axis("off")
        shown = sorted(newest, key=lambda each: -each[1])[:MAX_ROWS]
        cells = [[name, _text(value, panel.unit)] for name, value in shown] or [["no data", ""]]
        made = axes.table(cells, colWidths=[0.8, 0.2], loc="upper left", cellLoc="left")
        made.auto_set_font_size(False)
        made.set_fontsize(6)
    elif panel.kind == "bars":
        shown = sorted(newest, key=lambda each: each[1])[-MAX_ROWS:]
        axes.barh([name for name, _ in shown], [value for _, value in shown])
        axes.tick_params(axis="y", labelsize=5)
    else:
        for name, points in series:
            times = [mdates.date2num(datetime.fromtimestamp(at, UTC)) for at, _ in points]
            axes.plot(times, [value for _, value in points], label=name, linewidth=1)
        axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M"))
        axes.set_ylim(bottom=0)
        if any(name for name, _ in series):
            axes.legend(fontsize=5, loc="upper left", ncols=2, framealpha=0.5)


def _text(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "–"
    if unit == "percentunit":
        return f"{100 * value:.1f} %"
    if unit == "bytes":
        return f"{value / 1e6:,.2f} MB"
    return f"{value:,.1f} s" if unit == "s" else f"{value:,.10g}"


def legend(text: str, labels: dict[str, str]) -> str:
    """Return what a series is called: its legend filled in, or its labels."""
    if text:
        return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), text)
    return ", ".join(value for name, value in sorted(labels.items()) if name not in ("__name__", "instance", "job"))
