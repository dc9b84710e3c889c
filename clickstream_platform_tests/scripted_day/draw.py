"""The picture of the day: what happened, what was found, who was told when.

    python -m clickstream_platform_tests.scripted_day.draw docs/images/scripted-day.png

Needs the group `bench` (matplotlib). Belongs here: drawing. Does not: the day (`living`).
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

from clickstream_platform_tests.scripted_day import story
from clickstream_platform_tests.scripted_day.living import Day, live

CHANNELS = {"pager": "#b3261e", "chat": "#1a5fb4", "shop07-team": "#2e7d32"}
NAMES = {"pager": "pager (PagerDuty)", "chat": "chat (webhook)", "shop07-team": "shop07's own team (mail)"}
HAPPENED, FOUND, HELD = "#c9c9c9", "#e9b44c", "#f3e2bd"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the picture: what happened from when to when, and which findings belong to it."""

    text: str
    start: float
    end: float
    where: str
    kinds: tuple[str, ...]


def _hours(hours: range) -> tuple[float, float]:
    return hours.start * 60, hours.stop * 60


ROWS = (
    Row("a daemon misses heartbeats", story.HEARTBEAT_GAP.start, story.HEARTBEAT_GAP.stop, "", ("daemon_unhealthy",)),
    Row("the code location is reloaded", story.RELOADING.start, story.RELOADING.stop, "", ("code_location_down",)),
    Row("shop07 stops sending", *_hours(story.SILENT_HOURS), "shop07", ("stream_silent", "volume_drop")),
    Row("shop03: hour 08 is not loaded", 9 * 60, story.LATE_UNTIL, "shop03", ("stream_late",)),
    Row("shop05: loads of checkout fail", 11 * 60, story.BROKEN_UNTIL, "shop05", ("stream_blocked", "run_failed")),
    Row(
        "shop02: twelve times the page views",
        story.SURGE_HOUR * 60,
        (story.SURGE_HOUR + 1) * 60,
        "shop02",
        ("volume_surge",),
    ),
    Row("the registry is away", story.REGISTRY_AWAY.start, story.REGISTRY_AWAY.stop, "", ("registry_away",)),
    Row("shop11: a run is stuck", 19 * 60 + 4, story.STUCK_UNTIL, "shop11", ("run_stuck", "run_slow", "stream_late")),
)


def draw(day: Day, path: Path) -> None:
    """Write the picture as PNG."""
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(13, 6.2), dpi=110)
    for number, row in enumerate(ROWS):
        axes.barh(number, row.end - row.start, left=row.start, height=0.24, color=HAPPENED, zorder=2)
        _draw_findings(axes, day, row, number + 0.2)
        _draw_told(axes, day, row, number)
    axes.axvspan(story.CHAT_AWAY.start, story.CHAT_AWAY.stop, color=CHANNELS["chat"], alpha=0.1, lw=0)
    axes.text(story.CHAT_AWAY.start, -0.85, "chat does not answer", color=CHANNELS["chat"], fontsize=8, ha="center")
    for minutes, mark in ((story.RESTARTED, "|"), (story.KILLED, "x")):
        axes.plot(sorted(minutes), [len(ROWS) - 0.35] * len(minutes), mark, color="#555555", ms=7, ls="")
    axes.set_yticks(range(len(ROWS)), [row.text for row in ROWS])
    axes.set_ylim(len(ROWS) - 0.05, -1.0)
    axes.set_xticks(range(0, 1_441, 120), [f"{minute // 60:02}:00" for minute in range(0, 1_441, 120)])
    axes.set_xlim(0, 1_440)
    axes.grid(axis="x", color="#eeeeee", zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _draw_legend(axes)
    messages = len(day.arrivals)
    axes.set_title(
        f"One day, 50 customers, {sum(len(story.streams_of(each)) for each in story.CUSTOMERS)} streams: "
        f"{messages} messages",
        loc="left",
    )
    figure.tight_layout()
    figure.savefig(path)


def _draw_findings(axes: Any, day: Day, row: Row, height: float) -> None:
    """Draw a thin bar for each kind that was found; pale when nobody was told of it."""
    for kind in row.kinds:
        minutes = {
            minute for key, found in day.findings.items() if key.split("|")[:2] == [kind, row.where] for minute in found
        }
        is_told = any(
            (each.where, each.what) == (row.where or "platform", kind.replace("_", " ")) for each in day.arrivals
        )
        if minutes:
            first, last = min(minutes), max(minutes)
            color = FOUND if is_told else HELD
            axes.barh(height, max(last - first, 4), left=first, height=0.12, color=color, zorder=3)
            height += 0.15


def _draw_told(axes: Any, day: Day, row: Row, number: int) -> None:
    """Draw what each channel was told: a triangle where it begins, a ring where it ends."""
    whats = {kind.replace("_", " ") for kind in row.kinds}
    for place, (channel, color) in enumerate(CHANNELS.items()):
        height = number - 0.22 - 0.11 * place
        begun: dict[str, int] = {}
        for each in day.arrivals:
            if each.channel != channel or each.where != (row.where or "platform") or each.what not in whats:
                continue
            if each.state == "RESOLVED":
                axes.plot([begun.pop(each.what), each.minute], [height, height], color=color, lw=1.4, zorder=4)
                axes.plot(each.minute, height, "o", color=color, mfc="white", ms=5, zorder=5)
            else:
                begun[each.what] = each.minute
                axes.plot(each.minute, height, ">", color=color, ms=6, zorder=5)


def _draw_legend(axes: Any) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(color=HAPPENED, label="it happens"),
        Patch(color=FOUND, label="found"),
        Patch(color=HELD, label="found, not told: too short, or another alert says it"),
    ]
    handles += [
        Line2D([], [], color=color, marker=">", ms=6, label=f"told to {NAMES[name]}")
        for name, color in CHANNELS.items()
    ]
    handles += [
        Line2D([], [], color="#555555", marker=mark, ls="", label=f"the process that alerts {what}")
        for mark, what in (("|", "is restarted"), ("x", "is killed"))
    ]
    handles.append(Line2D([], [], color="#555555", marker="o", mfc="white", ls="", label="told that it is over"))
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=4, frameon=False, fontsize=8)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        draw(live(Path(folder)), Path(sys.argv[1]))
