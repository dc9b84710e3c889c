"""Runs the measurements in turn and reports them: a table on the terminal, Markdown and a plot in a folder."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickstream_platform.bench.workloads import Expected, Workload, read_expected, write_workload
from clickstream_platform.errors import TerminalError

WORKLOADS = (
    Workload("one large table", 200_000, 1, as_pages=True),
    Workload("one large table and tracks", 200_000, 1),
    Workload("1,000 small tables", 50_000, 1_000),
)
MEMORY_WORKLOADS = (Workload("1,000,000 events", 1_000_000, 1), Workload("3,000,000 events", 3_000_000, 1))
SIDES = ("platform", "dlt", "dlt, arrays as JSON")
SAMPLE_WORKLOADS = (Workload("one table, sample", 5_000, 1), Workload("20 tables, sample", 2_000, 20))

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one side on one workload; times in seconds of the whole process, memory in MB."""

    workload: Workload
    side: str
    cpu_seconds: float
    wall_seconds: float
    peak_mb: float
    rows: int
    rejected: int
    is_exact: bool

    @property
    def rows_per_cpu_second(self) -> float:
        """Raw events over CPU-seconds, transform and load together."""
        return self.workload.events / self.cpu_seconds


def run_workloads(workloads: Iterable[Workload], sides: Iterable[str], runs: int, say: Say) -> list[Measurement]:
    """Measure every side on every workload, in turn, `runs` times."""
    found: list[Measurement] = []
    for workload in workloads:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            say(f"generating {workload.events:,} events for {workload.tables:,} tables")
            write_workload(workload, folder)
            expected = read_expected(folder)
            for run in range(runs):
                for side in sides:
                    measurement = _measure(workload, side, folder, expected)
                    found.append(measurement)
                    say(
                        f"{workload.name}, run {run + 1}, {side}: {measurement.rows_per_cpu_second:,.0f} events per "
                        f"CPU-second, {measurement.peak_mb:,.0f} MB, {'exact' if measurement.is_exact else 'NOT exact'}"
                    )
    return found


def _measure(workload: Workload, side: str, folder: Path, expected: Expected) -> Measurement:
    command = [sys.executable, "-m", "clickstream_platform.bench.measure", side, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if done.returncode:
        raise TerminalError(
            f"measuring {side} on {workload.name}",
            cause=done.stderr[-2000:],
            remedy="`make bench` installs what the benchmark needs.",
        )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Measurement(
        workload=workload,
        side=side,
        cpu_seconds=result["cpu_seconds"],
        wall_seconds=result["wall_seconds"],
        peak_mb=result["peak_mb"],
        rows=result["rows"],
        rejected=result["rejected"],
        is_exact=result["rows"] == expected.rows and result["rejected"] == expected.malformed,
    )


def median_of(found: Iterable[Measurement], workload: Workload, side: str) -> float:
    """Return the median of events per CPU-second."""
    return statistics.median(m.rows_per_cpu_second for m in found if (m.workload, m.side) == (workload, side))


def markdown_table(found: list[Measurement]) -> str:
    """Return all measurements as a Markdown table: medians, and the ratio where both sides were measured."""
    lines = [
        "| workload | side | events / CPU-s | wall s | peak MB | rows | exact | platform is faster by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for workload in dict.fromkeys(m.workload for m in found):
        for side in dict.fromkeys(m.side for m in found if m.workload == workload):
            runs = [m for m in found if (m.workload, m.side) == (workload, side)]
            speed = median_of(found, workload, side)
            compared = side != SIDES[0] and any(m.side == SIDES[0] for m in found if m.workload == workload)
            ratio = f"{median_of(found, workload, SIDES[0]) / speed:.1f}" if compared else ""
            lines.append(
                f"| {workload.name} | {side} | {speed:,.0f} | {statistics.median(m.wall_seconds for m in runs):.1f} "
                f"| {max(m.peak_mb for m in runs):,.0f} | {runs[0].rows:,} "
                f"| {'yes' if all(m.is_exact for m in runs) else 'no'} | {ratio} |"
            )
    return "\n".join(lines)


def plot(found: list[Measurement], path: Path) -> None:
    """Draw events per CPU-second of all sides, one group a workload."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    workloads = list(
        dict.fromkeys(m.workload for m in found if {n.side for n in found if n.workload == m.workload} == set(SIDES))
    )
    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    width = 0.8 / len(SIDES)
    for offset, side in enumerate(SIDES):
        speeds = [median_of(found, workload, side) for workload in workloads]
        places = [i + (offset - (len(SIDES) - 1) / 2) * width for i in range(len(workloads))]
        bars = axes.bar(places, speeds, width=0.95 * width, label=side)
        axes.bar_label(bars, labels=[f"{speed:,.0f}" for speed in speeds], padding=2, fontsize=8)
    axes.set_xticks(range(len(workloads)), [workload.name for workload in workloads])
    axes.set_ylabel("events per CPU-second")
    axes.set_title("Transform and load, whole process (higher is better)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
