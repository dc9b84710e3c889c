"""Dashboards as Grafana reads them, made by Grafana's own SDK, which holds the form.

Belongs here: from our nouns to the SDK's, and where a panel is put. Does not: what is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueColorMode, StackingMode, VizOrientation
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    DataTransformerConfig,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from clickstream_platform.observe.dashboards.panels import Dashboard, Panel, Query

SOURCE = "datasource"
TAG = "clickstream"
HEIGHTS = {"stat": 4, "timeseries": 8, "table": 9, "bars": 9}
_REF = DataSourceRef(type_val="prometheus", uid=f"${{{SOURCE}}}")
_CUSTOMERS = "label_values(clickstream_streams, customer)"
_UNITS = {"bool": "bool_on_off"}


def render(page: Dashboard) -> str:
    """Return the JSON of a dashboard, for Grafana's import or provisioning."""
    built = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.description)
        .tags([TAG])
        .time("now-6h", "now")
        .timezone("browser")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(dashboard.DashboardLink("Clickstream").tags([TAG]).as_dropdown(True))
        .with_variable(dashboard.DatasourceVariable(SOURCE).label("Prometheus").type("prometheus"))
    )
    if page.has_customer:
        built = built.with_variable(
            dashboard.QueryVariable("customer")
            .label("Customer")
            .datasource(_REF)
            .query(_CUSTOMERS)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(False)
        )
    for row in page.rows:
        built = built.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            built = built.with_panel(_MAKERS[panel.kind](panel))
    return str(JSONEncoder(sort_keys=True, indent=2).encode(built.build())) + "\n"


def _common(made: Any, panel: Panel) -> Any:  # noqa: ANN401 - the SDK's builders have no common type
    made = (
        made.title(panel.title)
        .description(panel.description)
        .datasource(_REF)
        .unit(_UNITS.get(panel.unit, panel.unit))
        .height(HEIGHTS[panel.kind])
        .span(panel.width)
    )
    for number, query in enumerate(panel.queries):
        made = made.with_target(_target(query, chr(ord("A") + number), is_instant=panel.kind != "timeseries"))
    return made


def _target(query: Query, name: str, *, is_instant: bool) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(name)
    return made.instant() if is_instant else made.range()


def _table_target(query: Query) -> prometheus.Dataquery:
    return _target(query, "A", is_instant=True).format(PromQueryFormat.TABLE)


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [Threshold(None, "green")]
    if panel.red_above is not None:
        steps.append(Threshold(panel.red_above, "red"))
    if panel.red_below is not None:
        steps = [Threshold(None, "red"), Threshold(panel.red_below, "green")]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _timeseries(panel: Panel) -> Any:  # noqa: ANN401 - see _common
    made = _common(timeseries.Panel(), panel).min(0).fill_opacity(15 if panel.stacked else 0)
    return made.stacking(common.StackingConfig().mode(StackingMode.NORMAL)) if panel.stacked else made


def _stat(panel: Panel) -> Any:  # noqa: ANN401 - see _common
    made = _common(stat.Panel(), panel).thresholds(_thresholds(panel)).reduce_options(_newest())
    has_limit = panel.red_above is not None or panel.red_below is not None
    return made.color_mode(BigValueColorMode.BACKGROUND if has_limit else BigValueColorMode.NONE)


def _table(panel: Panel) -> Any:  # noqa: ANN401 - see _common
    hidden = DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}})
    made = _common(table.Panel(), replace(panel, queries=())).with_target(_table_target(panel.queries[0]))
    return made.transformations([hidden])


def _bars(panel: Panel) -> Any:  # noqa: ANN401 - see _common
    colour = dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC)
    made = _common(bargauge.Panel(), panel).orientation(VizOrientation.HORIZONTAL)
    return made.reduce_options(_newest()).color_scheme(colour)


def _newest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


_MAKERS: dict[str, Callable[[Panel], Any]] = {
    "timeseries": _timeseries,
    "stat": _stat,
    "table": _table,
    "bars": _bars,
}
