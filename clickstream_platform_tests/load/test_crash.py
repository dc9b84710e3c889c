"""A process that is killed while it loads leaves nothing or everything; loading again gives the undisturbed tables."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

from clickstream_platform.model.staging import StagedBatch
from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.load.crashing import BATCH_FILE, START
from clickstream_platform_tests.targets import duckdb_target

TABLES = ("seen", "bought", "pages", "identifies", "tracks", "users", "_discards", "_loads")
MOMENTS = 12


def prepare(folder: Path) -> None:
    """Load the hours around; write the batch that will be killed: it replaces, widens, adds, de-duplicates."""
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
        [sys.executable, "-m", "clickstream_platform_tests.load.crashing", str(tmp_path), *moments],
        check=True,
        timeout=150,
    )
    copies = sorted(path for path in tmp_path.glob("*-*") if path.is_dir())
    survivor = [path for path in copies if path.name.startswith("statement")][-1]
    undisturbed = duckdb_target(survivor).read_all(*TABLES)
    before = duckdb_target(tmp_path / START).read_all(*TABLES)
    assert len(copies) > 30 + MOMENTS
    assert before != undisturbed
    batch = StagedBatch.from_json((tmp_path / BATCH_FILE).read_bytes())
    seen = set()
    for copy in copies:
        target = duckdb_target(copy, staged=tmp_path / "staged")
        left = target.read_all(*TABLES)
        assert left in (before, undisturbed), copy.name
        seen.add(left == before)
        assert not target.load(batch).failed
        assert target.read_all(*TABLES) == undisturbed, copy.name
    assert seen == {True, False}, "some must have died before COMMIT, some after"
