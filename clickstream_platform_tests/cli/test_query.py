"""`clickstream query` asks the destination that is named, and changes nothing there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import typer
from typer.testing import CliRunner, Result

from clickstream_platform.cli.query import query_command
from clickstream_platform.registry.entities import Destination
from clickstream_platform.settings import load_settings
from clickstream_platform.wiring import Wiring, open_wiring
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_target import settings_of


@pytest.fixture
def wiring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    """Give the command a home."""
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    with open_wiring(load_settings()) as opened:
        yield opened


def query(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(query_command)
    return CliRunner().invoke(app, list(arguments))


def test_the_embedded_warehouse(wiring: Wiring) -> None:
    assert "does not exist" in query("SELECT 1").output
    with duckdb.connect(wiring.settings.duckdb) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a UNION ALL SELECT 2")
    answer = query("SELECT a FROM t ORDER BY a", "--limit", "1", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, [{"a": 1}])
    assert query("DROP TABLE t").exit_code != 0
    unknown = query("SELECT 1", "--destination", "nowhere")
    assert unknown.exit_code != 0
    assert "nowhere" in unknown.output


def test_a_redshift_destination(wiring: Wiring, stand_in: RedshiftStandIn, database: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(stand_in.password)
    settings = settings_of(stand_in, database)
    wiring.registry_service.add_destination(
        Destination("cluster", "redshift", settings=settings, secret_reference=f"file:{secret}")
    )
    answer = query("SELECT 1 AS a, 'x' AS b", "--destination", "cluster", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, [{"a": 1, "b": "x"}])
    assert query("CREATE TABLE t (a INT)", "--destination", "cluster").exit_code != 0
    assert stand_in.password not in query("SELECT * FROM nowhere", "--destination", "cluster").output
