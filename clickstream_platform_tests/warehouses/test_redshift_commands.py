"""`clickstream doctor` and `clickstream schema plan` on a customer whose destination is the Redshift stand-in."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from clickstream_platform.cli.doctor import doctor_command
from clickstream_platform.cli.schema import schema_app
from clickstream_platform.doctor.examination import examine
from clickstream_platform.doctor.findings import Finding, Status
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.customer_hour import Order
from clickstream_platform.pipeline.opening import Pipeline
from clickstream_platform.registry.entities import Destination
from clickstream_platform.settings import load_settings
from clickstream_platform.warehouses.redshift_console import open_console
from clickstream_platform.warehouses.sql_names import Sql
from clickstream_platform.wiring import Wiring, connector_of
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_target import settings_of

SHOP = "destination eu, shop"
STEPS = ("connect and lock", "schema and tables", "read staged objects", "write rows", "clean up")


@dataclass
class Deployment:
    """A home whose one customer, `shop`, is on the stand-in."""

    wiring: Wiring
    destination: Destination

    def replace(self, **settings: str) -> None:
        """Change settings of the destination."""
        registry = self.wiring.registry_service
        known = registry.get_destination("eu")
        changed = Destination(
            "eu", "redshift", {**known.settings, **settings}, "env:LOADER_PASSWORD", None, known.revision
        )
        self.destination = registry.replace_destination(changed)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with open_console(connector_of(self.destination), "the stand-in") as console:
            return console.ask(Sql(sql))

    def tables(self) -> set[tuple[str, str]]:
        rows = self.ask("SELECT table_schema, table_name FROM svv_tables")
        return {(str(schema), str(table)) for schema, table in rows}

    def put(self, hour: Hour, properties: dict[str, Any]) -> None:
        """Put a raw object with one record of `sale`."""
        line = {
            "type": "track",
            "event": "sale",
            "messageId": f"m{hour}",
            "receivedAt": f"{hour.start:%Y-%m-%dT%H}:30:00Z",
            "properties": properties,
        }
        key = str(RawObjectKey(hour, Stream("shop", "sale"), "s", "1", "1")).removesuffix(".gz")
        self.wiring.objects.put(key, json.dumps(line).encode())


@pytest.fixture
def deployment(
    stand_in: RedshiftStandIn,
    database: str,
    s3_bucket: str,
    s3_endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Deployment]:
    monkeypatch.setenv("LOADER_PASSWORD", stand_in.password)
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("CLICKSTREAM_OBJECT_STORE_URL", f"s3://{s3_bucket}/lake")
    monkeypatch.setenv("CLICKSTREAM_S3_ENDPOINT_URL", s3_endpoint)
    with Wiring(load_settings(), SystemClock()) as wiring:
        destination = Destination("eu", "redshift", settings_of(stand_in, database), "env:LOADER_PASSWORD")
        wiring.registry_service.add_destination(destination)
        wiring.registry_service.add_customer("shop", destination="eu")
        yield Deployment(wiring, destination)


def examined(deployment: Deployment) -> dict[str, Finding]:
    """Return the findings about the customer's destination by check."""
    return {each.check: each for each in examine(deployment.wiring, "shop") if each.part == SHOP}


def test_a_healthy_destination_is_loaded_for_trial_and_keeps_nothing_of_it(deployment: Deployment) -> None:
    app = typer.Typer()
    app.command()(doctor_command)
    result = CliRunner().invoke(app, ["--customer", "shop", "--no-dagster", "--json"])
    assert result.exit_code == 0, result.output
    found = {(each["part"], each["check"]): each for each in json.loads(result.stdout)["findings"]}
    assert {each["status"] for each in found.values()} == {"ok"}
    assert found["object store", "write once"]["detail"] == "a second writer is refused"
    assert found[SHOP, "TLS"]["detail"].startswith("TLSv1.")
    assert {check for part, check in found if part == SHOP} >= {"clock", "version", "create schemas", *STEPS}
    assert deployment.tables() == {("shop", "_lock$")}
    assert list(deployment.wiring.objects.list_objects("")) == []


def test_a_role_that_may_not_read_the_staged_objects_fails_at_copy(
    deployment: Deployment, stand_in: RedshiftStandIn, s3_bucket: str
) -> None:
    narrow = "arn:aws:iam::123456789012:role/doctor-narrow"
    stand_in.allow_role(narrow, f"s3://{s3_bucket}/lake/raw/")
    deployment.replace(iam_role=narrow)
    found = examined(deployment)
    assert [found[step].status for step in STEPS] == [
        Status.OK,
        Status.OK,
        Status.FAIL,
        Status.SKIPPED,
        Status.SKIPPED,
    ]
    assert found["read staged objects"].remedy
    assert list(deployment.wiring.objects.list_objects("")) == []


def test_a_wrong_password_fails_at_the_connection_and_is_not_shown(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOADER_PASSWORD", "hunter2")
    found = examined(deployment)
    # The driver leaves its socket to the collector, which must not find it in another test.
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()
    assert (found["connection"].status, found["load of one row"].status) == (Status.FAIL, Status.SKIPPED)
    assert "password authentication failed" in found["connection"].detail
    assert "hunter2" not in str(found)


def test_a_user_without_rights_is_told_the_grant(
    deployment: Deployment, stand_in: RedshiftStandIn, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.add_user("poor", "Poor-Pass-1")
    with open_console(connector_of(deployment.destination), "the stand-in") as console:
        console.run(Sql(f'REVOKE CREATE, TEMP ON DATABASE "{database}" FROM PUBLIC'))
    monkeypatch.setenv("LOADER_PASSWORD", "Poor-Pass-1")
    deployment.replace(user="poor")
    found = examined(deployment)
    assert found["create schemas"].status is Status.FAIL
    assert found["create schemas"].remedy.startswith(f'GRANT CREATE ON DATABASE "{database}" TO "poor"')
    assert found["temporary tables"].remedy == f'GRANT TEMP ON DATABASE "{database}" TO "poor".'
    assert found["connect and lock"].status is Status.FAIL


def test_settings_that_can_not_be_right_are_named(deployment: Deployment) -> None:
    deployment.replace(port="many", iam_role="admin")
    (connection,) = [each for each in examined(deployment).values() if each.status is Status.FAIL]
    assert "port" in connection.detail
    assert "destinations replace" in connection.remedy


def test_the_schema_is_planned_as_it_is_then_changed(deployment: Deployment, stand_in: RedshiftStandIn) -> None:
    """What is printed is what the stand-in gets, and planning sends nothing that changes anything."""
    now = Hour.of(SystemClock().now())
    hours = [now.plus(-3), now.plus(-2)]
    pipeline = Pipeline(deployment.wiring)
    for hour, properties in zip(
        hours, [{"price": 1, "note": "x"}, {"price": 0.5, "note": "y" * 600, "tags": [1]}], strict=True
    ):
        deployment.put(hour, properties)
        stand_in.statements.clear()
        result = CliRunner().invoke(schema_app, ["plan", "shop", "--hour", str(hour), "--json"])
        assert result.exit_code == 0, result.output
        harmless = ("SELECT", "SET", "BEGIN READ ONLY", "ROLLBACK")
        assert not [text for text in stand_in.statements.texts if not text.startswith(harmless)]
        planned = [each["sql"] for each in json.loads(result.stdout)["hours"][0]["statements"]]
        stand_in.statements.clear()
        assert not pipeline.customer_hours.process(Order("shop", hour), "run1").failed
        assert sorted(planned) == sorted(filter(_is_ddl, stand_in.statements.texts))
    assert any("TYPE VARCHAR(4096)" in sql for sql in planned)
    assert any('ADD COLUMN "tags" SUPER' in sql for sql in planned)
    assert any('RENAME COLUMN "widened$" TO "price"' in sql for sql in planned)


def _is_ddl(sql: str) -> bool:
    """Whether a statement changes the customer's schema; the session's own tables do not."""
    return sql.startswith(("CREATE SCHEMA", "CREATE TABLE", "ALTER")) or ("UPDATE" in sql and "widened$" in sql)
