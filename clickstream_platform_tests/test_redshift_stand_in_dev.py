"""`make dev WAREHOUSE=redshift-stand-in`: the command runs on the stand-in, and the next one finds its data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform_tests.redshift_stand_in.postgres import PostgresUnavailableError, find_binaries

pytestmark = pytest.mark.redshift

LINE = '{"type":"track","event":"sale","messageId":"m1","receivedAt":"2026-11-22T09:10:00Z","properties":{"n":1}}\n'


def clickstream(home: Path, *arguments: str) -> Any:
    """Run a command by the launcher and return what it answers."""
    module = "clickstream_platform_tests.redshift_stand_in_dev"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CLICKSTREAM_", "AWS_"))}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--json"],
        env=environment | {"CLICKSTREAM_HOME": str(home), "CLICKSTREAM_PARTITIONS_START": "2026-11-01T00"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a home that PostgreSQL's own user may enter, where the tests are root's; pytest's folders are closed."""
    try:
        find_binaries()
    except PostgresUnavailableError as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="clickstream-dev-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_what_one_command_loads_the_next_one_finds(home: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.ndjson"
    data.write_text(LINE)
    clickstream(home, "ingest", str(data), "--customer", "shop")
    (loaded,) = clickstream(home, "load", "--customer", "shop", "--hour", "2026-11-22T09")
    assert (loaded["event"], loaded["status"], loaded["loaded"]) == ("sale", "loaded", 1)
    (row,) = clickstream(home, "loads", "--customer", "shop")
    assert (row["event"], row["raw"]) == ("sale", 1)
