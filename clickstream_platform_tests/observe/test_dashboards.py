"""Dashboards are up to date, fit the page, and ask for metrics and labels that exist."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from clickstream_platform.observe.dashboards.pages import PAGES
from clickstream_platform.observe.dashboards.panels import Dashboard
from clickstream_platform_tests.observe.families import metric_names, series_names
from clickstream_platform_tests.shared_data import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "dashboards"
SCRAPED = {"up", "scrape_samples_scraped", "process_cpu_seconds_total", "process_resident_memory_bytes"}
"""Metrics of Prometheus itself and of Python's client."""
ADDED = {"job", "instance", "le"}
"""Labels that every metric may have."""


def read(name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / name).read_text(encoding="utf-8")))


def queries(page: Dashboard) -> list[str]:
    return [query.expr for panel in page.panels() for query in panel.queries]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_files_are_up_to_date(name: str) -> None:
    rendering = pytest.importorskip(
        "clickstream_platform.observe.dashboards.rendering", reason="grafana-foundation-sdk is not installed"
    )
    command = "python -m clickstream_platform.observe.dashboards deploy/dashboards"
    assert (FOLDER / name).read_text(encoding="utf-8") == rendering.render(PAGES[name]), command


@pytest.mark.parametrize("name", sorted(PAGES))
def test_panels_fit_the_page_and_do_not_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in read(name)["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not taken & cells, panel["title"]
        taken |= cells


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_file_asks_what_the_code_says(name: str) -> None:
    asked = [target["expr"] for panel in read(name)["panels"] for target in panel.get("targets", ())]
    assert asked == queries(PAGES[name])
    assert len(asked) >= 20


@pytest.mark.parametrize("expr", sorted({expr for page in PAGES.values() for expr in queries(page)}))
def test_a_query_names_metrics_and_labels_that_exist(expr: str) -> None:
    used = set(re.findall(r"\b(?:clickstream_\w+|process_\w+|scrape_\w+|up(?=\{))", expr.replace('"clickstream-', '"')))
    assert used
    assert used <= series_names() | SCRAPED
    labels = {label for name in used for label in labels_of(name)} | ADDED
    selected = {label for block in re.findall(r"\{([^}]*)\}", expr) for label in re.findall(r"(\w+)(?==|!)", block)}
    grouped = {label for block in re.findall(r"\b(?:by|on) \(([^)]*)\)", expr) for label in re.findall(r"\w+", block)}
    assert selected | grouped <= labels


def labels_of(name: str) -> tuple[str, ...]:
    metric = metric_names().get(re.sub(r"_(bucket|sum|count)$", "", name)) or metric_names().get(name)
    return metric.labels if metric else ()


def test_legends_name_labels_of_their_query() -> None:
    for page in PAGES.values():
        for panel in page.panels():
            for query in panel.queries:
                named = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
                known = {label for name in re.findall(r"clickstream_\w+", query.expr) for label in labels_of(name)}
                assert named <= known | ADDED, panel.title


def test_every_panel_and_page_has_a_name_of_its_own() -> None:
    for page in PAGES.values():
        titles = [panel.title for panel in page.panels()]
        assert len(titles) == len(set(titles)), page.title
    assert len({page.uid for page in PAGES.values()}) == len(PAGES)
