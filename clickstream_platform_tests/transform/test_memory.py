"""Memory is bounded by the settings, not by the batch."""

from __future__ import annotations

import subprocess
import sys

from clickstream_platform_tests.shared_data import REPOSITORY

FEW, MANY = 20_000, 120_000
BYTES_MORE = (MANY - FEW) * 900  # the probe's records have more than this each
ALLOWED_BYTES = 45_000_000  # 40 bytes for each record's identity, and what allocators keep


def peak_bytes(records: int) -> int:
    command = [sys.executable, "-m", "clickstream_platform_tests.transform.memory_probe", str(records)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=120)
    assert result.returncode == 0, result.stderr
    return int(result.stdout.split()[0])


def test_six_times_the_records_take_no_more_memory() -> None:
    growth = peak_bytes(MANY) - peak_bytes(FEW)
    assert growth < ALLOWED_BYTES < BYTES_MORE / 1.9
