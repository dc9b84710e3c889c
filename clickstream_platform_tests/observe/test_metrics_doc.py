"""Every metric of the code is in docs/metrics.md with its type, labels and meaning, and nothing else is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from clickstream_platform_tests.observe.families import collections, kinds, metric_names, series_names
from clickstream_platform_tests.shared_data import REPOSITORY

PAGE = REPOSITORY / "docs" / "metrics.md"
MAKES_METRICS = re.compile(r"\b(?:Counter|Gauge|Histogram|Summary|\w+MetricFamily)\(\s*[\"'f]")
UNITS = ("seconds", "bytes", "info", "timestamp_seconds")
COMPONENTS = re.compile(r"clickstream_[a-z]+(_[a-z]+)*")


def row(name: str) -> str:
    """Return the row that a metric has in the page."""
    metric = metric_names()[name]
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "—"
    return f"| `{name}` | {kinds()[name]} | {labels} | {metric.help} |"


def test_every_metric_has_its_row_and_every_row_a_metric() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [row(name) for name in sorted(metric_names())]
    assert [each for each in rows if each not in text] == [], "docs/metrics.md lacks these rows"
    written = re.findall(r"^\| `(clickstream_\w+)` \|", text, re.MULTILINE)
    assert sorted(written) == sorted(metric_names()), "docs/metrics.md has rows of metrics that are no more"


def test_documents_name_only_metrics_that_exist() -> None:
    known = series_names() | metric_names().keys()
    unknown = {
        f"{page.relative_to(REPOSITORY)}: {name}"
        for page in (REPOSITORY / "docs").rglob("*.md")
        for name in re.findall(r"`(clickstream_[a-z_]+)[`{]", page.read_text(encoding="utf-8"))
        if name not in known
        and not name.startswith(("clickstream_platform", "clickstream_customer", "clickstream_scope"))
    }
    assert unknown == set()


def test_metrics_are_made_from_names_only() -> None:
    made = [
        str(path.relative_to(REPOSITORY))
        for path in Path(REPOSITORY / "clickstream_platform").rglob("*.py")
        if MAKES_METRICS.search(path.read_text(encoding="utf-8"))
    ]
    assert made == []


def test_every_name_of_the_code_is_found() -> None:
    """One in another package, or within a function, would be in no document and no one would miss it."""
    made: list[str] = []
    for path in (REPOSITORY / "clickstream_platform").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "MetricName":
                made.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
    assert len(made) == len(metric_names()), [each for each in made if "/observe/" not in each]


def test_no_collection_tells_series_that_no_document_has() -> None:
    told = {
        line.partition("{")[0].partition(" ")[0]
        for collection in collections()
        for line in generate_latest(collection).decode().splitlines()
        if not line.startswith("#")
    }
    ours = {name for name in told if not name.startswith("process_")}
    assert ours - series_names() == set()
    assert len(ours) > 50


def test_only_observe_has_the_client_s_own_metrics() -> None:
    classes = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
    taken = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}"
        for path in (REPOSITORY / "clickstream_platform").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
        if classes & {name.name for name in node.names} or any(name.name.endswith("Family") for name in node.names)
    ]
    assert taken
    assert [each for each in taken if not each.startswith("clickstream_platform/observe/")] == []


@pytest.mark.parametrize("name", sorted(metric_names()))
def test_names_follow_the_grammar(name: str) -> None:
    kind, metric = kinds()[name], metric_names()[name]
    assert COMPONENTS.fullmatch(name)
    assert name.endswith("_total") == (kind == "counter")
    assert metric.help.endswith((".", ")")), "a sentence"
    assert not set(metric.labels) & {"hour", "key", "error", "run_id"}
    if kind == "histogram":
        assert name.endswith(("_seconds", "_bytes", "_records")), "a histogram has a unit"
