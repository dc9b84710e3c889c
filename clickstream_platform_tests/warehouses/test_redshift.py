"""Redshift: the contract of the port, on the stand-in and, where the environment names one, on a real cluster."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from traceback import format_exception

import pytest

from clickstream_platform.errors import ConfigurationError, LoadError, StatementStoppedError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.redshift_login import iam_login
from clickstream_platform.gateways.stores import open_object_store
from clickstream_platform.load.ledger import list_loads
from clickstream_platform.load.queries import ReadLoads
from clickstream_platform.load.statements import WidenVarchar
from clickstream_platform.model.schemas import Column, ColumnType
from clickstream_platform.model.staging import StagedBatch
from clickstream_platform.registry.entities import Destination
from clickstream_platform.settings import load_settings
from clickstream_platform.warehouses.redshift_connection import Connector
from clickstream_platform.warehouses.redshift_destination import read_destination
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.builders import HOUR, BatchBuilder
from clickstream_platform_tests.contracts.warehouse import WarehouseContract
from clickstream_platform_tests.contracts.warehouse_hours import WarehouseHoursContract
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_target import (
    REAL_BUCKET,
    REAL_SETTINGS,
    drop_schema,
    real_cluster,
    redshift_target,
    settings_of,
    stand_in_target,
)
from clickstream_platform_tests.targets import NOW, SCHEMA, Target

WRONG = "hunter2"
CLUSTER = real_cluster()
KINDS = ["stand-in"] if CLUSTER is None else ["stand-in", "cluster"]


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """Return an empty database, of each kind that can be had here."""
    if request.param == "stand-in":
        stand_in: RedshiftStandIn = request.getfixturevalue("stand_in")
        database, bucket = request.getfixturevalue("database"), request.getfixturevalue("s3_bucket")
        yield stand_in_target(tmp_path, stand_in, database, bucket, request.getfixturevalue("s3_endpoint"))
        return
    assert CLUSTER is not None
    settings, secret, bucket = CLUSTER
    drop_schema(settings, secret)
    yield redshift_target(tmp_path, settings, secret, open_object_store(bucket))
    drop_schema(settings, secret)


@pytest.mark.skipif(CLUSTER is None, reason=f"no real cluster: set {REAL_SETTINGS} and {REAL_BUCKET}")
def test_the_contract_runs_on_a_real_cluster() -> None:
    assert KINDS == ["stand-in", "cluster"]


class TestRedshift(WarehouseContract):
    """One customer-hour at a time."""


class TestRedshiftHours(WarehouseHoursContract):
    """Several hours and writers."""


def test_a_customer_of_a_redshift_destination_is_loaded_there(
    stand_in: RedshiftStandIn,
    database: str,
    s3_bucket: str,
    s3_endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the registry's words to rows: the wiring that the pipeline uses."""
    monkeypatch.setenv("LOADER_PASSWORD", stand_in.password)
    values = {"CLICKSTREAM_HOME": str(tmp_path), "CLICKSTREAM_OBJECT_STORE_URL": f"s3://{s3_bucket}/lake"}
    settings = load_settings(values | {"CLICKSTREAM_S3_ENDPOINT_URL": s3_endpoint})
    with Wiring(settings, FixedClock(NOW)) as wiring:
        own = settings_of(stand_in, database)
        wiring.registry_service.add_destination(Destination("eu", "redshift", own, "env:LOADER_PASSWORD"))
        customer = wiring.registry_service.add_customer(SCHEMA, display_name="Shop", destination="eu")
        batch = BatchBuilder(tmp_path, SCHEMA).add("seen", [{"id": "a"}]).build()
        for part in (part for pack in batch.packs for part in pack.parts):
            wiring.objects.put_file(part.key, tmp_path / part.key)
        with wiring.open_loader(customer) as loader:
            assert loader.load(batch, run_id="r", started_at=NOW).failed == ()
        assert [row.event for row in wiring.list_loads(customer)] == ["seen"]


@pytest.fixture
def here(stand_in: RedshiftStandIn, database: str, s3_bucket: str, s3_endpoint: str, tmp_path: Path) -> Target:
    """Return the stand-in as a target, for what is arranged in it."""
    return stand_in_target(tmp_path, stand_in, database, s3_bucket, s3_endpoint)


def test_a_value_that_is_too_long_is_named_with_its_object_and_column(here: Target) -> None:
    batch = here.batch().add("seen", [{"id": "a", "note": "x" * 600}]).add("other", [{"id": "o"}]).build(shared=False)
    pack = batch.packs[batch.tables[0].pack]
    columns = tuple(replace(each, length=512) if each.name == "note" else each for each in pack.columns)
    packs = tuple(replace(pack, columns=columns) if each is pack else each for each in batch.packs)
    report = here.load(replace(batch, packs=packs))
    assert [outcome.event for outcome in report.failed] == ["seen"]
    error = report.failed[0].error
    assert isinstance(error, LoadError)
    assert error.where == "shop 2026-11-22T09, pack_0"
    for part in (pack.parts[0].key, "column 'note'", "Nothing was loaded. Stage the hour again"):
        assert part in str(error)
    assert here.ids("other") == ["o"]


def test_a_stream_whose_statement_is_stopped_every_time_holds_back_no_other(
    stand_in: RedshiftStandIn, here: Target
) -> None:
    here.load(here.batch(HOUR.plus(-1)).add("good", [{"id": "g"}]).add("bad", [{"id": "b"}]).build())
    stand_in.faults.add(
        "error", pattern='^INSERT INTO "shop"."bad"', times=100, code="57014", message="Query cancelled"
    )
    report = here.load(here.batch().add("bad", [{"id": "c"}]).add("good", [{"id": "h"}]).build())
    assert [(outcome.event, type(outcome.error)) for outcome in report.failed] == [("bad", StatementStoppedError)]
    assert report.commits == 1
    assert (here.ids("good"), here.ids("bad")) == (["g", "h"], ["b"])


def test_a_length_never_shrinks(here: Target) -> None:
    here.load(here.batch().add("seen", [{"id": "a", "note": "x" * 5000}]).build())
    with here.warehouse.session(SCHEMA) as session:
        before = session.columns(["seen"])["seen"]["note"].length
        assert before > 5000
        session.execute(WidenVarchar("seen", Column("note", ColumnType.VARCHAR, 4096)))
        assert session.columns(["seen"])["seen"]["note"].length == before


def test_a_part_that_was_replaced_is_not_loaded(here: Target) -> None:
    batch = here.batch().add("seen", [{"id": "a"}]).build()
    pack = batch.packs[0]
    parts = (replace(pack.parts[0], size=pack.parts[0].size + 1), *pack.parts[1:])
    report = here.load(replace(batch, packs=(replace(pack, parts=parts), *batch.packs[1:])))
    assert isinstance(report.failed[0].error, LoadError)
    assert here.read("seen") == []


def test_a_role_that_may_not_read_is_named(stand_in: RedshiftStandIn, here: Target) -> None:
    stand_in.refuse_role(stand_in.iam_role)
    try:
        report = here.load(here.batch().add("seen", [{"id": "a"}]).build())
    finally:
        stand_in.allow_role(stand_in.iam_role)
    assert isinstance(report.failed[0].error, LoadError)
    assert "not authorized to assume IAM Role" in str(report.failed[0].error)


def test_a_reader_sees_one_moment(here: Target) -> None:
    here.load(here.batch().add("seen", [{"id": "a"}]).build())
    with here.warehouse.session(SCHEMA, read_only=True) as reader:
        assert len(reader.fetch(ReadLoads(SCHEMA))) == 1
        here.load(here.batch(HOUR.plus(1)).add("seen", [{"id": "b"}]).build())
        assert len(reader.fetch(ReadLoads(SCHEMA))) == 1
    assert len(list_loads(here.warehouse, SCHEMA, SCHEMA)) == 2


def test_long_user_ids_fit_everywhere(here: Target) -> None:
    for offset, user in ((0, "u" * 40), (1, "ü" * 20_000)):
        rows = [{"id": f"i{offset}", "user_id": user, "plan": "pro"}]
        batch = here.batch(HOUR.plus(offset)).add("identifies", rows).build()
        assert here.load(_with_length(batch, "user_id", 65_535 if offset else 512)).failed == ()
    assert here.ids("users") == ["u" * 40, "ü" * 20_000]


def _with_length(batch: StagedBatch, name: str, length: int) -> StagedBatch:
    """Return the batch with another length of a column, as the transform gives it for long values."""

    def of(columns: tuple[Column, ...]) -> tuple[Column, ...]:
        return tuple(replace(each, length=length) if each.name == name else each for each in columns)

    return replace(
        batch,
        packs=tuple(replace(pack, columns=of(pack.columns)) for pack in batch.packs),
        tables=tuple(replace(table, columns=of(table.columns)) for table in batch.tables),
    )


def refused(connector: Connector) -> str:
    """Return the traceback of a login that is refused for good."""
    try:
        connector()
    except ConfigurationError as error:
        return "".join(format_exception(error))
    finally:
        # The driver leaves its socket to the collector, which must not find it in another test.
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            gc.collect()
    pytest.fail("it was let in")


def test_a_wrong_password_is_a_matter_of_settings(stand_in: RedshiftStandIn, database: str) -> None:
    destination = read_destination("eu", settings_of(stand_in, database), "env:X")
    text = refused(Connector(destination, lambda _: WRONG, iam_login))
    assert "password authentication failed" in text
    assert WRONG not in text


def test_a_certificate_that_nobody_vouches_for_is_refused(
    stand_in: RedshiftStandIn, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    destination = read_destination("eu", settings_of(stand_in, database), "env:X")
    assert "certificate verify failed" in refused(Connector(destination, lambda _: stand_in.password, iam_login))
