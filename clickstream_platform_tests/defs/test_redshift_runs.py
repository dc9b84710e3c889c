"""The real sensors and real runs for a customer whose tables are in the Redshift stand-in, and for one on DuckDB."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from clickstream_platform.defs.driver import DriveReport, drive, prepare_home
from clickstream_platform.defs.state import STEPS
from clickstream_platform.ingest.ingest import IngestOptions, ingest
from clickstream_platform.ingest.sources import Source
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream
from clickstream_platform.registry.entities import Destination
from clickstream_platform.wiring import Wiring, open_wiring
from clickstream_platform_tests.acceptance.driver import HOUR as LOG_HOUR
from clickstream_platform_tests.acceptance.readers import DuckDBReader, RedshiftReader, by_value, differences
from clickstream_platform_tests.acceptance.test_dbt import FIRST, SECOND
from clickstream_platform_tests.acceptance.test_dbt import lines as dbt_lines
from clickstream_platform_tests.acceptance.test_real_logs import SNOWPLOW, expected_rows, lines_of
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_target import settings_of
from clickstream_platform_tests.shared_data import needs_shared_data

pytestmark = pytest.mark.redshift

LOCATION = "clickstream_platform"
EVENTS = ("click", "sale", "view")
ACME, TINY = "acme", "tiny"  # on Redshift, on DuckDB
# What a load of one hour copies: the rows of all events in one pack, those of the tables beside them in others.
PACKS = 2


@pytest.fixture
def wiring(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stand_in: RedshiftStandIn,
    database: str,
    s3_bucket: str,
    s3_endpoint: str,
) -> Iterator[Wiring]:
    """Open a platform with its objects on S3, `acme` on Redshift and `tiny` on DuckDB."""
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("CLICKSTREAM_OBJECT_STORE_URL", f"s3://{s3_bucket}/clickstream")
    monkeypatch.setenv("CLICKSTREAM_S3_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("CLICKSTREAM_TEST_LOGIN", stand_in.password)
    with open_wiring() as opened:
        settings = settings_of(stand_in, database)
        opened.registry_service.add_destination(
            Destination("dwh", "redshift", settings, secret_reference="env:CLICKSTREAM_TEST_LOGIN")
        )
        opened.registry_service.add_customer(ACME, destination="dwh")
        opened.registry_service.add_customer(TINY)
        yield opened


@pytest.fixture
def reader(stand_in: RedshiftStandIn, database: str) -> Iterator[RedshiftReader]:
    options = {"host": stand_in.host, "port": stand_in.port, "user": stand_in.user, "password": stand_in.password}
    opened = RedshiftReader({**options, "database": database})
    yield opened
    opened.close()


@pytest.fixture
def hour(wiring: Wiring) -> Hour:
    """Give the last hour that closed by time whatever the clock says."""
    return Hour.of(wiring.clock.now() - timedelta(hours=2))


def put(wiring: Wiring, customer: str, event: str, hour: Hour, number: int = 1) -> None:
    """Put a raw object of five track records."""
    lines = [
        {"type": "track", "event": event, "messageId": f"{event}-{number}-{each}", "properties": {"tags": [each, "é"]}}
        for each in range(5)
    ]
    key = str(RawObjectKey(hour, Stream(customer, event), "shard1", str(number), str(number))).removesuffix(".gz")
    wiring.objects.put(key, "".join(f"{json.dumps(line)}\n" for line in lines).encode())


def ingest_lines(wiring: Wiring, customer: str, lines: Sequence[bytes]) -> None:
    """Ingest records as a file; those without a time of their own go into the log's hour."""
    path = wiring.settings.home / "file.ndjson"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    ingest(wiring.objects, Source.of_file(path), IngestOptions(customer, LOG_HOUR, wiring.settings.home))


def driven(wiring: Wiring) -> DriveReport:
    return drive(prepare_home(wiring.settings.home / "dagster"), LOCATION)


@contextmanager
def instance_of(wiring: Wiring) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(wiring.settings.home / "dagster")) as instance:
        yield instance


def materialized(instance: dg.DagsterInstance, step: str) -> dict[str, dict[str, Any]]:
    """Return the metadata of acme's newest materialization of every partition of a step."""
    found: dict[str, dict[str, Any]] = {}
    for record in instance.fetch_materializations(dg.AssetKey([ACME, step]), limit=100).records:
        materialization = record.asset_materialization
        assert materialization is not None
        values = {name: value.value for name, value in materialization.metadata.items()}
        found.setdefault(str(record.partition_key), values)
    return found


def checks(instance: dg.DagsterInstance, run_id: str) -> list[bool]:
    """Return whether each check of a run passed."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    events = [record.event_log_entry.get_dagster_event() for record in records]
    return [event.asset_check_evaluation_data.passed for event in events]


def test_hours_are_loaded_once_and_a_late_object_opens_exactly_its_hour_again(
    wiring: Wiring, reader: RedshiftReader, stand_in: RedshiftStandIn, hour: Hour
) -> None:
    earlier = hour.plus(-1)
    for event in EVENTS:
        put(wiring, ACME, event, hour)
        put(wiring, ACME, event, earlier, number=2)
    stand_in.statements.clear()
    first = driven(wiring)
    assert [(run.customer, run.hour, run.is_success) for run in first.runs] == [
        (ACME, str(earlier), True),
        (ACME, str(hour), True),
    ]
    assert stand_in.statements.count("COPY") == 2 * PACKS
    keys = {f"{event}|{each.partition_key}" for event in EVENTS for each in (earlier, hour)}
    with instance_of(wiring) as instance:
        assert {step: materialized(instance, step).keys() for step in STEPS} == dict.fromkeys(STEPS, keys)
        assert [checks(instance, run.run_id) for run in first.runs] == [[True], [True]]

    stand_in.statements.clear()
    assert driven(wiring).runs == []
    assert stand_in.statements.count("COPY") == 0

    put(wiring, ACME, "sale", earlier, number=3)
    late = driven(wiring)
    assert [(run.customer, run.hour, run.is_success) for run in late.runs] == [(ACME, str(earlier), True)]
    assert stand_in.statements.count("COPY") == PACKS
    tables = reader.tables(ACME)
    assert {event: len(tables[event].rows) for event in EVENTS} == {"click": 10, "sale": 15, "view": 10}
    assert len(tables["tracks"].rows) == 35
    assert tables["sale"].types["tags"] == "JSON"
    assert sorted(tables["sale"].column("tags"))[0] == '[0,"é"]'
    with instance_of(wiring) as instance:
        assert checks(instance, late.runs[0].run_id) == [True]
        rows = {key: values["rows"] for key, values in materialized(instance, "event_tables").items()}
    assert rows == dict.fromkeys(keys, 5) | {f"sale|{earlier.partition_key}": 10}


def test_customers_with_other_warehouses_are_loaded_beside_each_other_and_the_metadata_tells_how(
    wiring: Wiring, reader: RedshiftReader, hour: Hour
) -> None:
    for customer in (ACME, TINY):
        put(wiring, customer, "sale", hour)
    assert {run.customer: run.is_success for run in driven(wiring).runs} == {ACME: True, TINY: True}
    for customer in (ACME, TINY):
        (load,) = wiring.list_loads(wiring.registry.get_customer(customer))
        assert (load.event, load.counts.rows) == ("sale", 5)
    assert len(reader.tables(ACME)["sale"].rows) == 5
    assert reader.tables(TINY) == {}
    with instance_of(wiring) as instance:
        (found,) = materialized(instance, "event_tables").values()
    assert (found["status"], found["dagster/row_count"], found["raw_records"]) == ("loaded", 5, 5)
    assert (found["commits_of_the_batch"], found["copies_of_the_batch"]) == (1, PACKS)
    assert found["dagster/table_name"] == "acme.sale"
    types = {column.name: column.type for column in found["dagster/column_schema"].columns}
    assert types.items() >= {"id": "varchar(4096)", "tags": "json", "received_at": "timestamp"}.items()


def test_a_role_that_may_not_read_fails_the_run_with_what_to_do_and_the_next_run_loads_everything(
    wiring: Wiring, reader: RedshiftReader, stand_in: RedshiftStandIn, hour: Hour
) -> None:
    put(wiring, ACME, "sale", hour)
    stand_in.refuse_role(stand_in.iam_role)
    try:
        (refused,) = driven(wiring).runs
    finally:
        stand_in.allow_role(stand_in.iam_role)
    assert not refused.is_success
    with instance_of(wiring) as instance:
        failures = instance.get_records_for_run(refused.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
        (data,) = (record.event_log_entry.get_dagster_event().step_failure_data for record in failures)
    assert data.user_failure_data is not None
    text = str(data.user_failure_data.description)
    assert f"sale {hour}: copying staged rows for acme {hour}" in text
    assert stand_in.iam_role in text
    assert stand_in.password not in text
    put(wiring, ACME, "sale", hour, number=2)
    assert [run.is_success for run in driven(wiring).runs] == [True]
    assert len(reader.tables(ACME)["sale"].rows) == 10


def test_what_passes_by_itself_is_tried_again_within_the_run(
    wiring: Wiring, reader: RedshiftReader, stand_in: RedshiftStandIn, hour: Hour
) -> None:
    put(wiring, ACME, "sale", hour)
    stand_in.faults.add("serialization", "^INSERT")
    stand_in.faults.add("drop_after", "^COMMIT", nth=2)
    try:
        (run,) = driven(wiring).runs
    finally:
        stand_in.faults.clear()
    assert run.is_success
    with instance_of(wiring) as instance:
        assert checks(instance, run.run_id) == [True]
    tables = reader.tables(ACME)
    assert (len(tables["sale"].rows), len(tables["tracks"].rows), len(tables["_loads"].rows)) == (5, 5, 1)


@needs_shared_data("1-event-logs")
@needs_shared_data("4-dbt")
def test_a_real_log_and_the_dbt_case_end_in_the_same_tables_on_redshift_and_on_duckdb(
    wiring: Wiring, reader: RedshiftReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Redshift the second half of the log comes first, and the first half opens its hour again."""
    monkeypatch.setenv("CLICKSTREAM_PARTITIONS_START", str(LOG_HOUR))
    log = lines_of(SNOWPLOW)
    half = len(log) // 2
    for customer, first in ((ACME, log[half:]), (TINY, log)):
        ingest_lines(wiring, customer, first)
        ingest_lines(wiring, customer, dbt_lines())
    home = prepare_home(wiring.settings.home / "dagster")
    report = drive(home, LOCATION, [LOG_HOUR, FIRST, SECOND])
    assert {(run.customer, run.hour, run.is_success) for run in report.runs} == {
        (customer, str(hour), True) for customer in (ACME, TINY) for hour in (LOG_HOUR, FIRST, SECOND)
    }
    ingest_lines(wiring, ACME, log[:half])
    late = drive(home, LOCATION, [LOG_HOUR])
    assert [(run.customer, run.hour, run.is_success) for run in late.runs] == [(ACME, str(LOG_HOUR), True)]
    with instance_of(wiring) as instance:
        assert all(all(checks(instance, run.run_id)) for run in (*report.runs, *late.runs))
    on_redshift, on_duckdb = reader.tables(ACME), DuckDBReader(Path(wiring.settings.duckdb)).tables(TINY)
    assert differences(by_value(on_redshift), by_value(on_duckdb)) == []
    assert {name: len(on_redshift[name].rows) for name in expected_rows(SNOWPLOW)} == expected_rows(SNOWPLOW)
