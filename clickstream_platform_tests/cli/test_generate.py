"""The command `clickstream generate`: what it writes and what it says."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from clickstream_platform.cli.generate import generate_command

APP = typer.Typer()
APP.command("generate")(generate_command)
SMALL = ["--events", "400", "--streams", "40", "--seed", "3"]


def test_the_json_summary_counts_what_the_file_holds(tmp_path: Path) -> None:
    target = tmp_path / "events.ndjson.gz"
    options = ["--customer", "globex", "--hour", "2026-03-01T00", "--hours", "2", "--malformed", "0.05", "--json"]
    result = CliRunner().invoke(APP, ["--out", str(target), *SMALL, *options])
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    lines = gzip.decompress(target.read_bytes()).splitlines(keepends=True)
    assert summary["customer"] == "globex"
    assert summary["files"] == [{"path": str(target), "hours": 2, "lines": len(lines), "bytes": sum(map(len, lines))}]
    assert (summary["raw"], summary["duplicates"], summary["malformed"]) == (len(lines), 8, 40) == (800, 8, 40)
    assert sum(summary["rejected"].values()) == 40
    assert sum(each["raw"] for each in summary["events"].values()) == 800


def test_a_person_gets_a_sentence_and_the_largest_events(tmp_path: Path) -> None:
    result = CliRunner().invoke(APP, ["--out", str(tmp_path), "--per-hour", "--hours", "3", *SMALL])
    assert result.exit_code == 0
    assert "Wrote 1,200 lines" in result.stderr
    assert "3 files" in result.stderr
    assert "The 10 largest of 40 events" in result.stdout
    assert "Product Viewed" in result.stdout
    assert len(list(tmp_path.glob("acme-2026-01-05T*.ndjson.gz"))) == 3


def test_standard_output_holds_events_only() -> None:
    result = CliRunner().invoke(APP, ["--out", "-", *SMALL, "--malformed", "0"])
    assert result.exit_code == 0
    assert [json.loads(line)["type"] for line in result.stdout.splitlines()].count("page") > 10
    assert len(result.stdout.splitlines()) == 400
    assert "Wrote 400 lines" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "-", "--json"], "error: generating events for acme: standard output can't take both"),
        (["--out", "-", "--per-hour"], "error: writing events to - for acme: --per-hour needs a folder"),
        (["--out", "x", "--hour", "yesterday"], "error: reading an hour: 'yesterday' is not an hour"),
        (["--out", "x", "--late", "2"], "error: generating events for acme: the shares must not be negative"),
        (["--out", "x", "--profile", "banking"], "profile 'banking' is none of ecommerce, saas, content"),
    ],
)
def test_a_mistake_is_explained_in_one_line(options: list[str], message: str) -> None:
    result = CliRunner().invoke(APP, options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not Path("x").exists()


def test_a_reader_who_has_seen_enough_ends_it_quietly() -> None:
    """As in `clickstream generate --out - | head -1`."""
    code = "from clickstream_platform_tests.cli.test_generate import APP; APP()"
    command = [sys.executable, "-c", code, "--out", "-", "--events", "3000", "--streams", "5"]
    reading, writing = os.pipe()
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        start = os.read(reading, 1_000)
        os.close(reading)
        _, said = process.communicate(timeout=60)
    assert start.startswith(b'{"type":')
    assert process.returncode == 0
    assert b"Error" not in said
