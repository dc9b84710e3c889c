"""Dagster's tables when they are not as expected; that both ways of reading agree is tested in `health`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.dagster_tables import DagsterStorageError, read_daemon

TABLES = {
    "history/runs.db": "CREATE TABLE daemon_heartbeats (daemon_type, daemon_id, body)",
    "schedules/schedules.db": "CREATE TABLE instigators (selector_id, status, instigator_type, instigator_body)",
}


def write(home: Path, name: str, statement: str, values: Sequence[str]) -> None:
    with sqlite3.connect(home / name) as database:
        database.execute(statement, values)
    database.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    for name, statement in TABLES.items():
        (tmp_path / name).parent.mkdir()
        write(tmp_path, name, statement, ())
    return tmp_path


@pytest.mark.parametrize("body", ["{}", "[]", "null", "no JSON", '{"timestamp": "yesterday"}', '{"timestamp": null}'])
def test_a_heartbeat_of_another_form_is_no_reason_to_end_the_daemon(home: Path, body: str) -> None:
    """A liveness probe would: it takes this error as one that a restart does not mend."""
    write(home, "history/runs.db", "INSERT INTO daemon_heartbeats VALUES ('SENSOR', 'p', ?)", (body,))
    with pytest.raises(DagsterStorageError, match="another form"):
        read_daemon(home, {})


@pytest.mark.parametrize(
    "body", ["{}", '{"origin": null}', '{"origin": {}, "job_specific_data": {"min_interval": "x"}}']
)
def test_a_sensor_of_another_form_is_none_either(home: Path, body: str) -> None:
    statement = "INSERT INTO instigators VALUES ('s', 'RUNNING', 'SENSOR', ?)"
    write(home, "schedules/schedules.db", statement, (body,))
    with pytest.raises(DagsterStorageError, match="another form"):
        read_daemon(home, {})


@pytest.mark.parametrize("text", ["42", "[1]", "storage"])
def test_a_dagster_yaml_that_is_none_is_told(home: Path, text: str) -> None:
    (home / "dagster.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match="reading Dagster's settings"):
        read_daemon(home, {})
