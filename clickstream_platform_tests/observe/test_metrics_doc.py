"""Every metric of the code is in docs/metrics.md with its type, labels and meaning, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clickstream_platform_tests.observe.families import kinds, metric_names, series_names
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


@pytest.mark.parametrize("name", sorted(metric_names()))
def test_names_follow_the_grammar(name: str) -> None:
    kind, metric = kinds()[name], metric_names()[name]
    assert COMPONENTS.fullmatch(name)
    assert name.endswith("_total") == (kind == "counter")
    assert metric.help.endswith((".", ")")), "a sentence"
    assert not set(metric.labels) & {"hour", "key", "error", "run_id"}
    if kind == "histogram":
        assert name.endswith(("_seconds", "_bytes", "_records")), "a histogram has a unit"
