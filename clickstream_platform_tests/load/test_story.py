"""The whole ordered story of a load, as text: every SQL statement that reaches the warehouse, in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.targets import duckdb_target

PLATFORM = ("tracks", "users", "accounts", "_loads", "_discards")
# The columns that every event table starts with, and casts to the type a column has anyway, say nothing here.
COLUMNS = re.compile(r'"id", "anonymous_id", "user_id", .*?"timestamp"(?: TIMESTAMP)?|#1, #2, #3, #4, #5, #6, #7')


def written(name: str) -> list[str]:
    """Return a story as it is written in `stories`, one statement a line."""
    text = (Path(__file__).parent / "stories" / f"{name}.sql").read_text(encoding="utf-8")
    return [line.removesuffix(";") for line in text.splitlines() if not line.startswith("--")]


def tell(lines: Sequence[tuple[str, Sequence[Any]]], folder: Path) -> list[str]:
    """Return the statements without what differs from run to run, the envelope's columns as `…`."""
    texts = [text.replace(f"{folder}/", "").replace("warehouse", "db") for text, _ in lines]
    return [COLUMNS.sub("…", re.sub(r"CAST\((\S+) AS \w+\) AS \1", r"\1", text)) for text in texts]


def test_a_first_load(tmp_path: Path) -> None:
    story: list[tuple[str, Sequence[Any]]] = []
    target = duckdb_target(tmp_path, log=lambda *line: story.append(line))
    batch = target.batch().add("seen", [{"id": "a", "n": 1}], discards=[{"row_id": "a"}]).add("silent", [])
    batch.add("identifies", [{"id": "i", "user_id": "u", "plan": "pro"}])
    report = target.load(batch.build())
    told = tell(story, tmp_path)
    assert (report.commits, report.statements) == (1, len(told))
    assert told == written("first_load")
    assert story[1][1] == ("warehouse", "shop", "seen", "silent", "identifies", *PLATFORM)
    assert story[-2][1][1] == ["seen", "silent", "identifies"]


def test_the_next_hour(tmp_path: Path) -> None:
    story: list[tuple[str, Sequence[Any]]] = []
    target = duckdb_target(tmp_path, log=lambda *line: story.append(line))
    for offset in range(2):
        story.clear()
        batch = target.batch(HOUR.plus(offset)).add("seen", [{"id": f"a{offset}"}])
        target.load(batch.add("identifies", [{"id": f"i{offset}", "user_id": "u", "plan": "pro"}]).build())
    assert tell(story, tmp_path) == written("next_hour")


def test_a_load_that_replaces_evolves_and_meets_other_hours(tmp_path: Path) -> None:
    story: list[tuple[str, Sequence[Any]]] = []
    target = duckdb_target(tmp_path, log=lambda *line: story.append(line))
    target.load(target.batch(HOUR.plus(-1)).add("seen", [{"id": "a"}]).build())
    first = target.batch().add("seen", [{"id": "b", "n": 1}])
    target.load(first.add("identifies", [{"id": "i", "user_id": "u", "plan": "free"}]).build())
    later = target.batch(HOUR.plus(1)).add("seen", [{"id": "c"}], duplicates=1)
    target.load(later.add("identifies", [{"id": "j", "user_id": "v"}]).build())
    story.clear()
    batch = target.batch().add("seen", [{"id": "a"}, {"id": "c", "n": 1.5, "context_os": "BSD"}])
    batch.add("identifies", [{"id": "j", "user_id": "u", "plan": "pro"}])
    report = target.load(batch.build())
    assert report.failed == ()
    assert tell(story, tmp_path) == written("replacing_load")
