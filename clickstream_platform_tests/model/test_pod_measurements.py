"""The measurement behind the model of pods: it does the work that it says, for both kinds of warehouse."""

from __future__ import annotations

from pathlib import Path

import pytest

from clickstream_platform.bench import pod_sizes
from clickstream_platform.bench.workloads import Workload, write_workload


def test_fewer_lines_at_a_time_are_more_objects_and_both_warehouses_are_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pod_sizes, "WORKER", "clickstream_platform.settings")  # what a worker loads takes seconds
    write_workload(Workload("tiny", 400, 2), tmp_path, 50)
    objects = len(list((tmp_path / "objects" / "raw").rglob("*.ndjson.gz")))
    assert objects == 16
    for kind in pod_sizes.KINDS:
        found = pod_sizes.measure(kind, tmp_path)
        assert found["peak_mb"] > 50
        assert found["cpu_seconds"] > 0
    assert list((tmp_path / "objects").rglob("*.parquet")), "it staged"
