"""What a run's pod needs: memory, CPU, time and disk of one customer-hour, each size in a process like a run's worker.

`python -m clickstream_platform.bench.pod_sizes` prints the table of docs/pods.md as Markdown; the constants of
`model.pod_size` are taken from it. Belongs here: sizes and measuring. Does not: the model.

A worker has Dagster and the definitions loaded before it does anything, so the measured process loads them too. With
Redshift a pod only stages, and the cluster copies; with DuckDB it holds the warehouse's memory as well.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clickstream_platform.bench.workloads import CUSTOMER, HOUR, Workload, read_manifests, write_workload

SIZES = (
    (Workload("smallest", 1_000, 1), 100_000),
    (Workload("small", 100_000, 5), 100_000),
    (Workload("many objects", 100_000, 5), 250),
    (Workload("many events", 100_000, 200), 100_000),
    (Workload("medium", 500_000, 5), 100_000),
    (Workload("large", 2_000_000, 5), 100_000),
)
"""Workloads, each with the lines that are written as one lot: fewer lines, more objects."""
WORKER = "clickstream_platform.definitions"
LOOK_SECONDS = 0.05
DUCKDB_MEMORY_MB = 1024  # the setting's default
HEADER = ("size", "warehouse", "events", "objects", "raw MB", "peak MB", "CPU s", "wall s", "disk MB")


def stage_only(folder: Path, work: Path) -> None:
    """Do what a pod does for Redshift before the cluster's COPY."""
    from clickstream_platform.gateways.local_objects import LocalObjectStore
    from clickstream_platform.transform.plan import SchemaPolicy
    from clickstream_platform.transform.transformer import Transformer, TransformSettings

    objects = LocalObjectStore(folder / "objects", durable=False)
    transformer = Transformer(objects, TransformSettings(work_dir=str(work)))
    transformer.stage(CUSTOMER, HOUR, read_manifests(folder), {}, SchemaPolicy(), lambda _table, _column: 0)


def load_into_duckdb(folder: Path, work: Path) -> None:
    """Do what a pod does for the embedded warehouse: the warehouse's own file is not in `work`."""
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.gateways.local_objects import LocalObjectStore
    from clickstream_platform.gateways.part_files import PartFiles
    from clickstream_platform.load.loader import Loader
    from clickstream_platform.transform.plan import SchemaPolicy
    from clickstream_platform.transform.transformer import Transformer, TransformSettings
    from clickstream_platform.warehouses.duckdb import DuckDBWarehouse

    manifests, clock = read_manifests(folder), SystemClock()
    objects = LocalObjectStore(folder / "objects", durable=False)
    file = folder / "warehouse.duckdb"
    warehouse = DuckDBWarehouse(file, memory_mb=DUCKDB_MEMORY_MB, temp_folder=work)
    with PartFiles(objects, str(work)) as locate:
        loader = Loader(warehouse, CUSTOMER, clock, locate=locate)
        states = loader.table_states(CUSTOMER, HOUR, list(manifests))
        stage = Transformer(objects, TransformSettings(work_dir=str(work))).stage
        batch = stage(CUSTOMER, HOUR, manifests, states, SchemaPolicy(), loader.max_abs_integer)
        loader.load(batch, run_id="bench", started_at=clock.now())
    file.unlink()


KINDS: dict[str, Callable[[Path, Path], None]] = {"redshift": stage_only, "duckdb": load_into_duckdb}


def measure(kind: str, folder: Path) -> dict[str, float]:
    """Do one hour's work in this process; return MB at its peak, CPU-seconds, wall seconds and MB on disk at most."""
    importlib.import_module(WORKER)  # not a dependency of this module: what the worker has in memory anyway
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as name, _watched(Path(name)) as largest:
        KINDS[kind](folder, Path(name))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "peak_mb": usage.ru_maxrss / 1024,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "wall_seconds": time.perf_counter() - started,
        "disk_mb": largest[0] / 1e6,
    }


@contextmanager
def _watched(folder: Path) -> Iterator[list[int]]:
    """Yield a list of one number: the most bytes that were seen below a folder."""
    largest, is_over = [0], threading.Event()

    def look() -> None:
        while not is_over.wait(LOOK_SECONDS):
            largest[0] = max(largest[0], _bytes_below(folder))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield largest
    finally:
        is_over.set()
        watcher.join()


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # gone while looking
            continue
    return total


def rows_of(workload: Workload, lines: int) -> Iterator[tuple[Any, ...]]:
    """Generate a workload and yield a row of the table for each warehouse."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_workload(workload, folder, lines)
        refs = [ref for manifest in read_manifests(folder).values() for ref in manifest.objects]
        raw_mb = sum(ref.size for ref in refs) / 1e6
        for kind in KINDS:
            command = [sys.executable, "-m", "clickstream_platform.bench.pod_sizes", kind, str(folder)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - ourselves
            found = json.loads(done.stdout.splitlines()[-1])
            numbers = (found["peak_mb"], found["cpu_seconds"], found["wall_seconds"], found["disk_mb"])
            yield (
                f"{workload.name}, {workload.events:,} records",
                kind,
                workload.tables,
                len(refs),
                f"{raw_mb:.1f}",
                *(f"{number:,.0f}" if number >= 100 else f"{number:.1f}" for number in numbers),
            )


def main(arguments: list[str]) -> None:
    """Measure one size, or (without arguments) all of them and print the table."""
    if arguments:
        kind, folder = arguments
        print(json.dumps(measure(kind, Path(folder))))
        return
    print("|", " | ".join(HEADER), "|")
    print("|---" * len(HEADER) + "|")
    for workload, lines in SIZES:
        for row in rows_of(workload, lines):
            print("|", " | ".join(map(str, row)), "|", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
