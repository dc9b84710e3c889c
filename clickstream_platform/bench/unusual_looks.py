"""How long the watch over the unusual takes at thousands of streams, and how much memory.

    python -m clickstream_platform.bench.unusual_looks [--customers 1000] [--events 20]

The same registry and ledgers as `freshness_looks`: three closed hours of every stream are new, and each is compared
with the hours of eleven days that are like it. The looks run in a process of their own, whose peak memory is printed.

Belongs here: the looks and their figures. Does not: the load (`freshness_looks`).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from clickstream_platform.bench.freshness_looks import NOW, Load, figures_table, peak_mb, run
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.pipeline.freshness.ledgers import WarehouseLedgers
from clickstream_platform.pipeline.unusual.thresholds import ThresholdBook
from clickstream_platform.pipeline.unusual.watching import UnusualReport, UnusualWatch
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring


def measure(_: Load, home: Path, answer: multiprocessing.SimpleQueue[str]) -> None:
    """Look until nothing waits, and once more; runs in a process of its own."""
    figures: dict[str, float] = {"memory before, MB": peak_mb()}
    clock = FixedClock(NOW)
    with Wiring(Settings(home=home), clock) as wiring:
        watch = UnusualWatch(wiring.registry, WarehouseLedgers(wiring), clock, ThresholdBook())

        def look(name: str) -> UnusualReport:
            started, cpu = time.perf_counter(), time.process_time()
            report = watch.look()
            took, cpu = time.perf_counter() - started, time.process_time() - cpu
            figures[name] = max(figures.get(name, 0.0), took)
            figures[f"{name}: CPU"] = max(figures.get(f"{name}: CPU", 0.0), cpu)
            clock.advance(timedelta(seconds=1))
            return report

        looks = 1
        while look("slowest look until all are judged").waiting:
            looks += 1
        figures["looks until all are judged"] = looks
        report = look("nothing happened")
        figures["streams judged"] = sum(len(each.verdicts) for each in report.customers.values())
        figures["findings"] = len(report.findings())
    figures["peak memory, MB"] = peak_mb()
    answer.put(json.dumps(figures))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("customers", 1000), ("events", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    load = Load(**vars(parser.parse_args()), late=0, silent=0)
    title = f"What is unusual of {load.customers * load.events:,} streams"
    Console().print(figures_table(title, run(load, measure)))


if __name__ == "__main__":
    main()
