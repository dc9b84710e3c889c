"""`clickstream bench`: the main job measured beside dlt. Belongs here: options and printing (`bench` has the work)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.support import JsonOption, handle_errors, print_json


@handle_errors
def bench_command(
    out: Annotated[Path | None, typer.Option(help="Folder for results.md and results.png.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each side on each workload.")] = 1,
    sample: Annotated[bool, typer.Option("--sample", help="Tiny workloads, to see that everything works.")] = False,
    memory: Annotated[bool, typer.Option(help="Measure peak memory on 1,000,000 and 3,000,000 events too.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Load the same generated events with this platform and with dlt; print a table and draw a plot."""
    from clickstream_platform.bench import report

    console = Console(stderr=True)
    workloads = report.SAMPLE_WORKLOADS if sample else report.WORKLOADS
    found = report.run_workloads(workloads, report.SIDES, runs, console.print)
    if memory and not sample:
        found += report.run_workloads(report.MEMORY_WORKLOADS, ("platform",), 1, console.print)
    table = report.markdown_table(found)
    folder = out or Path(tempfile.mkdtemp(prefix="clickstream-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(table + "\n")
    report.plot(found, folder / "results.png")
    if as_json:
        print_json(found)
    else:
        typer.echo(table)
    console.print(f"written: {folder / 'results.md'}, {folder / 'results.png'}")
