"""`clickstream schema plan`: it prints what a load then does, and does nothing itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from clickstream_platform.cli.schema import schema_app
from clickstream_platform.gateways import clock
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.customer_hour import Order
from clickstream_platform.pipeline.opening import Pipeline, open_pipeline
from clickstream_platform.registry.entities import Policy
from clickstream_platform.settings import load_settings
from clickstream_platform_tests.pipeline.stand_ins import NINE, NOW, TEN

SIZES = [{"price": 1, "name": "a"}, {"price": 2, "name": "b"}]
LATER = [{"price": 2.5, "name": "c", "tags": ["x"], "paid": True}]


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """Give commands and test a home with the customer `acme`, and one clock."""
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(clock, "SystemClock", lambda: FixedClock(NOW))
    with open_pipeline(load_settings(), FixedClock(NOW)) as opened:
        opened.wiring.registry.add_customer("acme")
        yield opened


def put(pipeline: Pipeline, hour: Hour, event: str, properties: list[dict[str, Any]], kind: str = "track") -> None:
    """Put one raw object of records with these properties (or traits)."""
    lines = [
        {
            "type": kind,
            "event": event,
            "messageId": f"{event}{hour}{number}",
            "userId": f"u{number}",
            "receivedAt": f"{hour.start:%Y-%m-%dT%H}:30:00Z",
            ("traits" if kind == "identify" else "properties"): values,
        }
        for number, values in enumerate(properties)
    ]
    key = str(RawObjectKey(hour, Stream("acme", event), "s", "1", "1")).removesuffix(".gz")
    pipeline.wiring.objects.put(key, "".join(f"{json.dumps(line)}\n" for line in lines).encode())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(schema_app, ["plan", "acme", *arguments])


def plan(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def load(pipeline: Pipeline, *hours: Hour) -> None:
    for hour in hours:
        assert not pipeline.customer_hours.process(Order("acme", hour), "run1").failed


def shape(path: Path) -> dict[tuple[str, str], str]:
    """Return the types of all columns of all tables."""
    sql = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE schema_name = 'acme'"
    with duckdb.connect(str(path)) as connection:
        return {(table, column): kind for table, column, kind in connection.execute(sql).fetchall()}


def everything(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder but those of databases that a reader touches."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "registry.db" not in path.name
    }


def test_the_printed_statements_make_the_tables_that_loading_makes(pipeline: Pipeline, tmp_path: Path) -> None:
    put(pipeline, NINE, "sale", SIZES)
    put(pipeline, NINE, "identifies", [{"plan": "free"}], "identify")
    put(pipeline, TEN, "sale", LATER)
    put(pipeline, TEN, "refund", [{"amount": 3}])
    scratch = tmp_path / "scratch" / "warehouse.duckdb"
    scratch.parent.mkdir()
    text = run().stdout
    with duckdb.connect(str(scratch)) as connection:
        connection.execute(text)
    load(pipeline, NINE, TEN)
    assert shape(scratch) == shape(Path(pipeline.settings.duckdb))
    assert [key for key in shape(scratch) if key[0] == "users"], "users follows identifies"
    assert run().stdout == "-- acme: nothing is pending\n"


def test_a_later_hour_is_planned_on_the_tables_that_are_there(pipeline: Pipeline) -> None:
    put(pipeline, NINE, "sale", SIZES)
    load(pipeline, NINE)
    put(pipeline, TEN, "sale", LATER)
    (hour,) = plan()["hours"]
    assert (hour["hour"], hour["events"]) == (str(TEN), ["sale"])
    assert [
        (each["table"], each["sql"].removeprefix('ALTER TABLE "warehouse"."acme".')) for each in hour["statements"]
    ] == [
        ("sale", '"sale" ALTER COLUMN "price" SET DATA TYPE DOUBLE'),
        ("sale", '"sale" ADD COLUMN "tags" JSON'),
        ("sale", '"sale" ADD COLUMN "paid" BOOLEAN'),
    ]
    assert plan("--hour", str(NINE))["hours"][0]["already_loaded"] == ["sale"]


def test_planning_changes_nothing(pipeline: Pipeline) -> None:
    put(pipeline, NINE, "sale", SIZES)
    before = everything(pipeline.settings.home)
    assert plan()["hours"][0]["statements"]
    assert everything(pipeline.settings.home) == before
    assert pipeline.wiring.registry.list_events("acme") == []


def test_only_so_many_hours_and_only_the_named_events(pipeline: Pipeline) -> None:
    for hour in (NINE, TEN):
        put(pipeline, hour, "sale", SIZES)
        put(pipeline, hour, "view", SIZES)
    limited = plan("--limit", "1")
    assert ([each["hour"] for each in limited["hours"]], limited["more_pending"]) == ([str(NINE)], True)
    (only,) = plan("--hour", str(TEN), "--event", "view")["hours"]
    assert only["events"] == ["view"]
    assert "sale" not in {each["table"] for each in only["statements"]}
    assert "--event is given without --hour" in run("--event", "view").stderr


def test_events_that_would_not_be_loaded_are_named(pipeline: Pipeline) -> None:
    pipeline.wiring.registry_service.update_customer_policy("acme", Policy(auto_activate=False))
    put(pipeline, NINE, "sale", SIZES)
    (hour,) = plan("--hour", str(NINE))["hours"]
    assert hour["statements"] == []
    assert "waits to be activated" in hour["skipped"]["sale"]
    assert plan()["hours"] == [], "what waits for a person is not pending"


def test_a_change_that_a_load_would_refuse_is_printed_with_its_reason(pipeline: Pipeline) -> None:
    put(pipeline, NINE, "users", SIZES)
    (hour,) = plan()["hours"]
    assert {each["table"] for each in hour["statements"]} <= {"", "_loads", "_discards", "tracks"}
    assert "a table of the platform has this name" in hour["refused"]["users"]
    assert "-- users would not be loaded: " in run().stdout


def test_redshift_gets_its_own_statements(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog is DuckDB's, for there is no cluster; what is planned is rendered for Redshift."""
    from clickstream_platform.pipeline import schema_plan

    monkeypatch.setattr(
        schema_plan, "dialect_of", lambda kind, schema, database: _dialect_of("redshift", schema, database)
    )
    put(pipeline, NINE, "sale", SIZES)
    statements = [each["sql"] for each in plan()["hours"][0]["statements"]]
    assert statements[:2] == [
        'CREATE SCHEMA IF NOT EXISTS "acme"',
        'CREATE TABLE IF NOT EXISTS "acme"."_lock$" ("held" BOOLEAN) DISTSTYLE AUTO',
    ]
    (sale,) = [sql for sql in statements if sql.startswith('CREATE TABLE "acme"."sale"')]
    assert sale.endswith('DISTSTYLE KEY DISTKEY("id") SORTKEY("received_at") ENCODE AUTO')
    assert '"name" VARCHAR(512)' in sale
    load(pipeline, NINE)
    put(pipeline, TEN, "sale", [{"price": 0.5}])
    assert [each["sql"] for each in plan()["hours"][0]["statements"]] == [
        'ALTER TABLE "acme"."sale" ADD COLUMN "widened$" DOUBLE PRECISION',
        'UPDATE "acme"."sale" SET "widened$" = "price" WHERE "price" IS NOT NULL',
        'ALTER TABLE "acme"."sale" DROP COLUMN "price"',
        'ALTER TABLE "acme"."sale" RENAME COLUMN "widened$" TO "price"',
    ]


def _dialect_of(kind: str, schema: str, database: str) -> Any:
    from clickstream_platform.warehouses.schema_text import dialect_of

    return dialect_of(kind, schema, database)
