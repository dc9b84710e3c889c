"""One measurement in a process of its own: `python -m clickstream_platform.bench.measure SIDE FOLDER`, JSON on stdout.

CPU-seconds are those of the whole process from its first instruction, imports included, for both sides alike.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

Counts = dict[str, int]

DUCKDB_MEMORY_MB = 256


def load_with_platform(folder: Path, work: Path) -> Counts:
    """Transform and load the workload with this platform; return tables, rows, duplicates and rejected records."""
    from clickstream_platform.bench.workloads import CUSTOMER, HOUR, read_manifests
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.gateways.local_objects import LocalObjectStore
    from clickstream_platform.gateways.part_files import PartFiles
    from clickstream_platform.load.loader import Loader
    from clickstream_platform.transform.plan import SchemaPolicy
    from clickstream_platform.transform.transformer import Transformer
    from clickstream_platform.warehouses.duckdb import DuckDBWarehouse

    manifests = read_manifests(folder)
    objects = LocalObjectStore(folder / "objects", durable=False)
    clock = SystemClock()
    warehouse = DuckDBWarehouse(work / "warehouse.duckdb", memory_mb=DUCKDB_MEMORY_MB)
    with PartFiles(objects) as locate:
        loader = Loader(warehouse, CUSTOMER, clock, locate=locate)
        states = loader.table_states(CUSTOMER, HOUR, list(manifests))
        stage = Transformer(objects).stage
        batch = stage(CUSTOMER, HOUR, manifests, states, SchemaPolicy(), loader.max_abs_integer)
        report = loader.load(batch, run_id="bench", started_at=clock.now())
    counts = [outcome.counts for outcome in report.outcomes if outcome.counts is not None]
    return {
        "tables": len(batch.tables),
        "rows": sum(item.rows for item in counts),
        "duplicates": sum(item.duplicates for item in counts),
        "rejected": sum(item.rejected for item in counts),
    }


def load_with_dlt(folder: Path, work: Path, max_table_nesting: int | None = None) -> Counts:
    """Load the same raw objects with dlt: merge on messageId, Parquet, DuckDB; return tables, rows, rejected lines.

    As it comes dlt makes a child table of every array; with `max_table_nesting=0` arrays become JSON, as ours do.
    """
    import gzip
    from collections.abc import Iterator
    from typing import Any

    import dlt
    import duckdb
    import orjson

    from clickstream_platform.model.streams import TABLE_OF_TYPE

    rejected = 0

    def records() -> Iterator[dict[str, Any]]:
        nonlocal rejected
        for path in sorted((folder / "objects" / "raw").rglob("*.ndjson.gz")):
            with gzip.open(path) as lines:
                for line in lines:
                    try:
                        record = orjson.loads(line)
                        name = record["event"] if record["type"] == "track" else TABLE_OF_TYPE[record["type"]]
                    except (ValueError, KeyError, TypeError):
                        name = ""
                    if not name:
                        rejected += 1
                        continue
                    record["table_name"] = name
                    yield record

    @dlt.source(max_table_nesting=max_table_nesting)  # type: ignore[arg-type, unused-ignore]
    def events() -> Any:  # noqa: ANN401 - dlt's own decorator decides
        return dlt.resource(
            records,
            name="events",
            table_name=lambda record: record["table_name"],
            primary_key="messageId",
            write_disposition="merge",
        )

    file = work / "dlt.duckdb"
    pipeline = dlt.pipeline(
        "bench", destination=dlt.destinations.duckdb(str(file)), dataset_name="events", pipelines_dir=str(work / "dlt")
    )
    pipeline.run(events(), loader_file_format="parquet")
    with duckdb.connect(str(file)) as connection:
        # Every table of events has this column; child tables and dlt's own have not.
        query = "SELECT table_name FROM duckdb_columns() WHERE schema_name = 'events' AND column_name = 'message_id'"
        names = [name for (name,) in connection.execute(query).fetchall()]
        rows = sum(connection.execute(f'SELECT count(*) FROM events."{name}"').fetchone()[0] for name in names)  # type: ignore[index]  # noqa: S608
    return {"tables": len(names), "rows": rows, "rejected": rejected}


SIDES: dict[str, Callable[[Path, Path], Counts]] = {
    "platform": load_with_platform,
    "dlt": load_with_dlt,
    "dlt, arrays as JSON": partial(load_with_dlt, max_table_nesting=0),
}


def main() -> None:
    """Measure one side and print the result."""
    side, folder = sys.argv[1], Path(sys.argv[2])
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as work:
        counts = SIDES[side](folder, Path(work))
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    result = {
        **counts,
        "cpu_seconds": sum(item.ru_utime + item.ru_stime for item in usage),
        "wall_seconds": time.perf_counter() - started,
        "peak_mb": max(item.ru_maxrss for item in usage) / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
