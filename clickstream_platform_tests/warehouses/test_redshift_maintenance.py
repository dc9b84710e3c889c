"""Which tables are maintained, and maintaining them on the stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from clickstream_platform.cli.maintain import maintain_command
from clickstream_platform.errors import LoadError
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.pipeline.maintenance import MANAGED, is_managed, maintain
from clickstream_platform.registry.entities import Customer, Destination
from clickstream_platform.settings import load_settings
from clickstream_platform.warehouses.redshift_console import open_console
from clickstream_platform.warehouses.redshift_destination import read_destination
from clickstream_platform.warehouses.redshift_maintenance import (
    Action,
    TableInfo,
    Thresholds,
    carry_out,
    decide,
    read_tables,
)
from clickstream_platform.warehouses.sql_names import Sql
from clickstream_platform.wiring import Wiring, connector_of
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_target import settings_of

ROLE = "arn:aws:iam::123456789012:role/copy"
SMALL = Thresholds(min_rows=1)


def info(table: str = "sale", rows: int = 1_000_000, visible: int | None = None, **values: Any) -> TableInfo:
    """Return a table that needs nothing but what `values` say."""
    return TableInfo(
        table, rows, rows if visible is None else visible, **{"unsorted": 0, "stats_off": 0, "size_mb": 9} | values
    )


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        (info(), []),
        (info(stats_off=9.99), []),
        (info(stats_off=10), ['ANALYZE "shop"."sale" PREDICATE COLUMNS']),
        (info(unsorted=20), ['VACUUM SORT ONLY "shop"."sale"']),
        (info(unsorted=19.9, visible=900_000), []),
        (info(unsorted=None, stats_off=50), ['ANALYZE "shop"."sale" PREDICATE COLUMNS']),
        (info(visible=800_000), ['VACUUM DELETE ONLY "shop"."sale"']),
        (info(visible=0, unsorted=100), ['VACUUM FULL "shop"."sale"']),
        (
            info(unsorted=30, stats_off=30),
            ['VACUUM SORT ONLY "shop"."sale"', 'ANALYZE "shop"."sale" PREDICATE COLUMNS'],
        ),
        (info(rows=99_999, unsorted=100, stats_off=100), []),
        (info(rows=0, visible=0, unsorted=100, stats_off=100), []),
        (info('o"ops', stats_off=11), ['ANALYZE "shop"."o""ops" PREDICATE COLUMNS']),
    ],
)
def test_a_table_gets_what_its_figures_ask_for(table: TableInfo, wanted: list[str]) -> None:
    assert [action.sql for action in decide("shop", [table], Thresholds())] == wanted


def test_the_reason_is_in_words() -> None:
    (vacuum, analyze) = decide("shop", [info(visible=500_000, unsorted=33.4, stats_off=12.6)], Thresholds())
    assert (vacuum.reason, analyze.reason) == ("33 % unsorted, 50 % deleted", "statistics 13 % off")


@dataclass
class RecordingConsole:
    """Takes ten seconds for each statement and refuses those about `broken`."""

    clock: list[float] = field(default_factory=lambda: [0.0])
    story: list[str] = field(default_factory=list)

    def ask(self, sql: Sql) -> list[tuple[Any, ...]]:
        self.story.append(sql.text)
        return [("sale", None, None, None, None, None), ("view", 5, 4, 1.5, 2.25, 7)]

    def run(self, sql: Sql) -> None:
        self.story.append(sql.text)
        self.clock[0] += 10
        if "broken" in sql.text:
            raise LoadError("vacuuming", cause="no", remedy="Mend it.")


def test_a_refused_table_harms_no_other_and_time_is_bounded() -> None:
    console = RecordingConsole()
    actions = [Action(table, f'ANALYZE "{table}"', "why") for table in ("broken", "sale", "view")]
    outcomes = list(carry_out(console, actions, 20, timer=lambda: console.clock[0]))
    assert [(each.state, each.seconds) for each in outcomes] == [("failed", 10), ("done", 10), ("left", 0)]
    assert console.story == ['ANALYZE "broken"', 'ANALYZE "sale"']
    assert [str(each) for each in outcomes] == [
        'ANALYZE "broken" (why): failed in 10 s: vacuuming: no. Mend it.',
        'ANALYZE "sale" (why): done in 10 s',
        'ANALYZE "view" (why): left',
    ]


def test_figures_that_are_missing_ask_for_nothing() -> None:
    assert read_tables(RecordingConsole(), "shop") == [
        TableInfo("sale", 0, 0, None, 0.0, 0),
        TableInfo("view", 5, 4, 1.5, 2.25, 7),
    ]


@pytest.mark.parametrize(
    ("settings", "managed"),
    [
        ({"workgroup": "wg", "region": "eu-west-1"}, True),
        ({"host": "wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com", "user": "u"}, True),
        ({"host": "c.abc.eu-west-1.redshift.amazonaws.com", "user": "u"}, False),
        ({"cluster": "c", "region": "eu-west-1"}, False),
    ],
)
def test_serverless_is_known_by_its_workgroup_or_its_endpoint(settings: dict[str, str], managed: bool) -> None:
    secret = "env:X" if "host" in settings else None
    assert is_managed(read_destination("eu", {**settings, "database": "d", "iam_role": ROLE}, secret)) is managed


@pytest.fixture
def shop(
    stand_in: RedshiftStandIn, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Wiring, Customer]]:
    """Give a customer with a table of a thousand rows, none of them analysed or sorted."""
    monkeypatch.setenv("LOADER_PASSWORD", stand_in.password)
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    with Wiring(load_settings(), SystemClock()) as wiring:
        settings = settings_of(stand_in, database)
        destination = Destination("eu", "redshift", settings, "env:LOADER_PASSWORD")
        wiring.registry_service.add_destination(destination)
        wiring.registry_service.add_customer("embedded")
        with open_console(connector_of(destination), "the stand-in") as console:
            console.run(Sql("CREATE SCHEMA shop"))
            console.run(
                Sql('CREATE TABLE shop.sale ("id" VARCHAR(512), "received_at" TIMESTAMP) SORTKEY("received_at")')
            )
            values = ", ".join(f"('m{number}', GETDATE())" for number in range(1000))
            console.run(Sql(f"INSERT INTO shop.sale VALUES {values}"))
        yield wiring, wiring.registry_service.add_customer("shop", destination="eu")


def test_a_stale_table_is_maintained_once(shop: tuple[Wiring, Customer], stand_in: RedshiftStandIn) -> None:
    wiring, customer = shop
    assert maintain(wiring, customer, Thresholds()).outcomes == (), "too small by default"
    planned = maintain(wiring, customer, SMALL, dry_run=True)
    assert [(each.action.table, each.state) for each in planned.outcomes] == [("sale", "planned")] * 2
    stand_in.statements.clear()
    told: list[str] = []
    report = maintain(wiring, customer, SMALL, progress=told.append)
    assert [each.state for each in report.outcomes] == ["done", "done"]
    assert [text for text in stand_in.statements.texts if text.startswith(("VACUUM", "ANALYZE"))] == [
        'VACUUM SORT ONLY "shop"."sale"',
        'ANALYZE "shop"."sale" PREDICATE COLUMNS',
    ]
    assert told == [str(each) for each in report.outcomes]
    assert (report.tables, report.note, report.failed) == (1, "", ())
    assert maintain(wiring, customer, SMALL).outcomes == ()


def test_serverless_is_left_alone_unless_told_otherwise(
    shop: tuple[Wiring, Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    wiring, customer = shop
    monkeypatch.setattr("clickstream_platform.pipeline.maintenance.is_managed", lambda _: True)
    report = maintain(wiring, customer, SMALL)
    assert (report.note, {each.state for each in report.outcomes}) == (MANAGED, {"planned"})
    assert {each.state for each in maintain(wiring, customer, SMALL, include_managed=True).outcomes} == {"done"}


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(maintain_command)
    return CliRunner().invoke(app, list(arguments))


def test_the_command_goes_through_all_customers(shop: tuple[Wiring, Customer]) -> None:
    result = run("--dry-run", "--min-rows", "1", "--json")
    assert result.exit_code == 0, result.output
    embedded, own = json.loads(result.stdout)
    assert (embedded["customer"], embedded["note"]) == ("embedded", "the embedded warehouse needs no maintenance")
    assert [each["action"]["sql"] for each in own["outcomes"]] == [
        'VACUUM SORT ONLY "shop"."sale"',
        'ANALYZE "shop"."sale" PREDICATE COLUMNS',
    ]
    text = run("--customer", "shop", "--min-rows", "1").stdout
    assert "shop: 1 tables, 2 statements\n" in text
    assert "embedded" not in text


def test_the_command_fails_when_the_warehouse_refuses(shop: tuple[Wiring, Customer], stand_in: RedshiftStandIn) -> None:
    stand_in.faults.add("error", "^VACUUM", code="42501", message="permission denied for relation sale")
    try:
        result = run("--customer", "shop", "--min-rows", "1", "--json")
    finally:
        stand_in.faults.clear()
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)
    assert [each["state"] for each in report["outcomes"]] == ["failed", "done"]
    assert "permission denied" in report["outcomes"][0]["error"]
