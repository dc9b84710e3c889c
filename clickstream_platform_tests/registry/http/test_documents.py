"""docs/registry-api.md says what is there, and its examples work."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from clickstream_platform.observe import metrics
from clickstream_platform.registry.access import GRANTS, Permission
from clickstream_platform.registry.http.problems import Problem
from clickstream_platform_tests.registry.http.serving import SCOPES, Api

TEXT = (Path(__file__).parents[3] / "docs" / "registry-api.md").read_text(encoding="utf-8")


def rows(pattern: str) -> list[tuple[str, ...]]:
    """Return the cells of the table rows whose first cell fits."""
    lines = [line for line in TEXT.splitlines() if re.match(rf"\| `{pattern}` \|", line)]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def test_the_table_of_problems() -> None:
    assert [row[:3] for row in rows(r"CP-\d+")] == [
        (f"`{each.value.code}`", str(each.value.status), each.value.title) for each in Problem
    ]


def test_the_table_of_permissions() -> None:
    header = next(line for line in TEXT.splitlines() if line.startswith("| Permission "))
    assert re.findall(r"`(\w+)`", header) == list(SCOPES)
    found = {row[0].strip("`"): row[2:] for row in rows("[a-z_]+") if row[0].strip("`") in set(Permission)}
    expected = {
        permission.value: tuple(
            "" if permission not in GRANTS[scope] else "own" if scope.startswith("customer_") else "yes"
            for scope in SCOPES
        )
        for permission in Permission
    }
    assert found == expected


def test_the_table_of_metrics(api: Api) -> None:
    names = {each.name: each for each in vars(metrics).values() if isinstance(each, metrics.MetricName)}
    found = {row[0].strip("`"): row[1:] for row in rows(r"clickstream_\w+")}
    assert found == {
        name: (", ".join(f"`{label}`" for label in each.labels), each.help) for name, each in names.items()
    }
    shown = api.send("GET", "/metrics").text
    assert [name for name in names if f"# TYPE {name.removesuffix('_total')}" not in shown] == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_examples_work(api: Api) -> None:
    section = TEXT.partition("\n## Examples\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.+?)```", section, re.DOTALL)
    assert len(blocks) == 7
    environment = {**os.environ, "REGISTRY": str(api.client.base_url).rstrip("/"), "TOKEN": api.tokens["admin"]}
    answers = [
        subprocess.run(
            ["bash", "-o", "pipefail", "-c", block],
            check=False,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        for block in blocks
    ]
    assert [answer.stderr for answer in answers] == [""] * 7
    assert [answer.returncode for answer in answers] == [0] * 7, [answer.stdout for answer in answers]
    documents = [json.loads(answer.stdout) for answer in answers]
    assert documents[0]["slug"] == "acme_inc"
    assert documents[3]["state"] == "paused"
    assert documents[5]["contracts"][0]["event"] == "order_completed"
    assert documents[6]["changes"] == []
