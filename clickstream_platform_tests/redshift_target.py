"""Redshift with everything a test of loading needs: the stand-in, or a real cluster that the environment names.

What belongs here: opening, staging into S3, reading back. Does not: promises (`contracts.warehouse`), the stand-in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.gateways.redshift_login import iam_login
from clickstream_platform.gateways.secrets import resolve_secret
from clickstream_platform.gateways.stores import open_object_store
from clickstream_platform.load.port import Columns
from clickstream_platform.model.staging import StagedPart
from clickstream_platform.warehouses.redshift import RedshiftWarehouse, StatementLog
from clickstream_platform.warehouses.redshift_connection import Connector
from clickstream_platform.warehouses.redshift_copy import Manifests
from clickstream_platform.warehouses.redshift_destination import read_destination
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.targets import SCHEMA, Target

# A real cluster for the contract suite. Its schema `shop` is dropped before and after every test: use a database that
# holds nothing else. SETTINGS is the destination's settings as JSON, SECRET a secret reference (with auth=password),
# BUCKET an s3://bucket/prefix in the cluster's region that both sides may use.
REAL_SETTINGS = "CLICKSTREAM_TEST_REDSHIFT_SETTINGS"
REAL_SECRET = "CLICKSTREAM_TEST_REDSHIFT_SECRET"
REAL_BUCKET = "CLICKSTREAM_TEST_REDSHIFT_BUCKET"


def real_cluster() -> tuple[dict[str, str], str | None, str] | None:
    """Return settings, secret reference and bucket of the real cluster, None when the environment names none."""
    settings, bucket = os.environ.get(REAL_SETTINGS), os.environ.get(REAL_BUCKET)
    if not settings or not bucket:
        return None
    return json.loads(settings), os.environ.get(REAL_SECRET), bucket


def settings_of(stand_in: RedshiftStandIn, database: str) -> dict[str, str]:
    """Return the destination settings of one database of the stand-in."""
    return {
        "host": stand_in.host,
        "port": str(stand_in.port),
        "database": database,
        "user": stand_in.user,
        "iam_role": stand_in.iam_role,
        "statement_timeout_seconds": "60",
    }


def redshift_target(
    folder: Path,
    settings: Mapping[str, str],
    secret_reference: str | None,
    objects: ObjectStore,
    *,
    log: StatementLog | None = None,
) -> Target:
    """Return a target whose parts are written into the folder and copied to S3 when they are located."""
    destination = read_destination("test", settings, secret_reference)
    connect = Connector(destination, resolve_secret, iam_login)
    manifests = Manifests(objects)
    warehouse = RedshiftWarehouse(connect, manifests, iam_role=destination.iam_role, place=destination.place, log=log)

    def locate(part: StagedPart) -> str:
        if (folder / part.key).exists():
            objects.put_file(part.key, folder / part.key)
        else:
            objects.delete(part.key)
        return objects.url(part.key)

    return Target(warehouse, folder, locate, lambda *tables: read_tables(warehouse, connect, tables))


def stand_in_target(
    folder: Path,
    stand_in: RedshiftStandIn,
    database: str,
    bucket: str,
    s3_endpoint: str,
    *,
    log: StatementLog | None = None,
) -> Target:
    """Return a target on one database of the stand-in."""
    secret = folder / "secret"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text(json.dumps({"username": stand_in.user, "password": stand_in.password}), encoding="utf-8")
    objects = open_object_store(f"s3://{bucket}", endpoint_url=s3_endpoint, max_workers=2)
    return redshift_target(folder, settings_of(stand_in, database), f"file:{secret}", objects, log=log)


def read_tables(
    warehouse: RedshiftWarehouse, connect: Connector, tables: Iterable[str]
) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of tables of SCHEMA in a fixed order; none of those that don't exist."""
    found: dict[str, list[dict[str, Any]]] = {table: [] for table in tables}
    with warehouse.session(SCHEMA, read_only=True) as session:
        existing: Columns = session.columns(list(found))
    connection = connect()
    try:
        for table in existing:
            cursor = connection.cursor()
            cursor.execute(f'SELECT * FROM "{SCHEMA}"."{table}"')
            names = [str(column[0]) for column in cursor.description or ()]
            rows = sorted(map(tuple, cursor.fetchall()), key=lambda row: [(value is None, value) for value in row])
            found[table] = [dict(zip(names, row, strict=True)) for row in rows]
    finally:
        connection.close()
    return found


def drop_schema(target_settings: Mapping[str, str], secret_reference: str | None) -> None:
    """Drop the schema of the tests with all its tables."""
    connection = Connector(read_destination("test", target_settings, secret_reference), resolve_secret, iam_login)()
    try:
        connection.cursor().execute(f'DROP SCHEMA IF EXISTS "{SCHEMA}" CASCADE')
    finally:
        connection.close()
