"""A process that is killed while it loads leaves nothing or everything; loading again gives the undisturbed tables."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from clickstream_platform.load.ledger import list_loads
from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.load.crashing import BATCH_FILE, START
from clickstream_platform_tests.targets import SCHEMA, Target, duckdb_target

TABLES = ("seen", "bought", "pages", "identifies", "tracks", "users", "_discards")
MOMENTS = 12


def everything(target: Target) -> dict[str, Any]:
    """Return all that a reader can see."""
    tables: dict[str, Any] = {table: target.read(table) for table in TABLES}
    return tables | {"_loads": list_loads(target.warehouse, SCHEMA, SCHEMA)}


def prepare(folder: Path) -> None:
    """Load the hours around; write the batch that is going to be killed: it replaces, widens, adds and de-duplicates."""
    start = duckdb_target(folder / START)
    batch = start.batch().add("seen", [{"id": "a", "n": 1}, {"id": "b"}], discards=[{"row_id": "b"}])
    start.load(batch.add("identifies", [{"id": "i", "user_id": "u", "plan": "free"}]).build())
    later = start.batch(HOUR.plus(1)).add("seen", [{"id": "x", "n": 2}]).add("pages", [{"id": "late"}])
    start.load(later.build())
    shutil.rmtree(start.folder)
    again = duckdb_target(folder)
    batch = again.batch().add("seen", [{"id": "a", "n": 1.5, "new": "text"}, {"id": "x"}], discards=[{"row_id": "x"}])
    batch.add("bought", [{"id": "c"}]).add("pages", [{"id": "late"}]).add("silent", [], rejected=1)
    batch.add("identifies", [{"id": "i", "user_id": "u", "plan": "pro"}])
    (folder / BATCH_FILE).write_bytes(batch.build().to_json())


def test_killed_anywhere_and_loaded_again_equals_undisturbed(tmp_path: Path) -> None:
    prepare(tmp_path)
    moments = [f"{random.Random(number).uniform(0.001, 0.15):.4f}" for number in range(MOMENTS)]
    subprocess.run(
        [sys.executable, "-m", "clickstream_platform_tests.load.crashing", str(tmp_path), *moments], check=True, timeout=150
    )
    copies = sorted(path for path in tmp_path.glob("*-*") if path.is_dir())
    undisturbed = everything(duckdb_target([path for path in copies if path.name.startswith("statement")][-1]))
    before = everything(duckdb_target(tmp_path / START))
    assert len(copies) > 30 + MOMENTS
    assert before != undisturbed
    batch = duckdb_target(tmp_path).batch().build().from_json((tmp_path / BATCH_FILE).read_bytes())
    for copy in copies:
        target = duckdb_target(copy)
        assert everything(target) in (before, undisturbed), copy.name
        assert not target.load(batch).failed
        assert everything(target) == undisturbed, copy.name
